"""When each request is answered: chips and links that do one thing at a time, in the order in which things are ready.

A chip works on one request at a time; a link moves one tensor at a time, at its rate, and the tensor is there after its
latency. The host's link is one for all chips and both ways. Chips and links work side by side. Nothing here is random:
what a chip takes is the timing simulator's count, which no data changes.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

Resource = str
HOST = "host link"


@dataclass(frozen=True)
class Step:
    """What a request needs next. busy: cycles that the resource works on it; after: cycles from then until the next
    step may begin.
    """

    resource: Resource
    busy: int
    after: int = 0


@dataclass(frozen=True)
class Schedule:
    """What became of the requests, in cycles. finished: when each was answered, in order of arrival; begun: when its
    first step began; busy: of each resource; again: requests that a failure made begin anew.
    """

    finished: tuple[int, ...]
    begun: tuple[int, ...]
    busy: dict[Resource, int]
    again: tuple[int, ...] = ()

    @property
    def cycles(self) -> int:
        """Until all are answered."""
        return max(self.finished)

    @property
    def period(self) -> Fraction:
        """Cycles from answer to answer in the middle of the run, where it neither begins nor ends: of the requests from
        a quarter to three quarters.
        """
        ordered = sorted(self.finished)
        first, last = len(ordered) // 4, 3 * len(ordered) // 4
        return Fraction(ordered[last] - ordered[first], last - first) if last > first else Fraction(self.cycles)

    @property
    def latency(self) -> int:
        """Of the first request, which nothing holds up."""
        return self.finished[0] - self.begun[0]

    @property
    def limit(self) -> Resource:
        """What works most."""
        return max(self.busy, key=lambda name: self.busy[name])


Phase = Step | tuple[Step, ...]
"""What a request needs next: a step, or several side by side, of which all must be done before the next begins."""


@dataclass(frozen=True)
class Failure:
    """A resource that works no more from cycle `at` on. Requests that still need it, and those that have not begun,
    begin anew `pause` cycles later, as `instead` says for each.
    """

    resource: Resource
    at: int
    pause: int
    instead: Callable[[int], Sequence[Phase]]


def schedule(
    requests: Sequence[Sequence[Phase]], window: int | None = None, failure: Failure | None = None
) -> Schedule:
    """Runs requests that are all there at the beginning; a resource takes what is ready first, then what came first.

    window: how many may be on their way at once, for the chips' DRAM holds so many; the next begins when one is
    answered. None: all.
    """
    run = _Run([list(map(_steps, phases)) for phases in requests])
    run.more(len(requests) if window is None else min(window, len(requests)), 0)
    while run.events or run.wakes:
        now = min(entries[0][0] for entries in (run.events, run.wakes) if entries)
        if failure is not None and now >= failure.at:
            run.fail(failure)
            failure = None
            continue
        run.advance(now)
    again = tuple(sorted(run.again))
    return Schedule(tuple(run.finished), tuple(run.begun), dict(run.busy), again)


def _steps(phase: Phase) -> tuple[Step, ...]:
    return (phase,) if isinstance(phase, Step) else phase


class _Run:
    """Requests on their way."""

    def __init__(self, requests: list[list[tuple[Step, ...]]]) -> None:
        self.requests = requests
        self.finished, self.begun = [0] * len(requests), [-1] * len(requests)
        self.busy: dict[Resource, int] = defaultdict(int)
        self.again: set[int] = set()
        # (when, request, phase, how often the request was begun anew): a step of the phase has ended.
        self.events: list[tuple[int, int, int, int]] = []
        self.wakes: list[tuple[int, Resource]] = []
        self._free: dict[Resource, int] = defaultdict(int)
        self._waiting: dict[Resource, list[tuple[int, int, int, int]]] = defaultdict(list)
        self._left = [0] * len(requests)
        self._phase = [-1] * len(requests)
        self._tries = [0] * len(requests)
        self._begins = 0
        self._earliest = 0

    def more(self, count: int, now: int) -> None:
        """Lets the next requests begin."""
        for index in range(self._begins, min(self._begins + count, len(self.requests))):
            self._begins = index + 1
            self._left[index] = 1
            heapq.heappush(self.events, (max(now, self._earliest), index, -1, self._tries[index]))

    def advance(self, now: int) -> None:
        """Everything of one cycle."""
        touched = set[Resource]()
        while self.events and self.events[0][0] == now:
            _, index, phase, tries = heapq.heappop(self.events)
            if tries != self._tries[index]:
                continue
            self._left[index] -= 1
            if not self._left[index]:
                touched |= self._begin(index, phase + 1, now)
        while self.wakes and self.wakes[0][0] == now:
            touched.add(heapq.heappop(self.wakes)[1])
        for resource in sorted(touched):
            self._take(resource, now)

    def fail(self, failure: Failure) -> None:
        """Begins anew what needs the resource."""
        self._earliest = failure.at + failure.pause
        for index in range(len(self.requests)):
            phase = max(self._phase[index], 0)
            rest = [step for steps in self.requests[index][phase:] for step in steps]
            if index >= self._begins:
                self.requests[index] = [_steps(step) for step in failure.instead(index)]
            elif not self.finished[index] and any(step.resource == failure.resource for step in rest):
                self.again.add(index)
                self._tries[index] += 1
                self.requests[index] = [_steps(step) for step in failure.instead(index)]
                self._left[index], self._phase[index] = 1, -1
                heapq.heappush(self.events, (self._earliest, index, -1, self._tries[index]))
        for entries in self._waiting.values():
            entries[:] = [entry for entry in entries if self._tries[entry[1]] == 0]
            heapq.heapify(entries)

    def _begin(self, index: int, phase: int, now: int) -> set[Resource]:
        self._phase[index] = phase
        if phase == len(self.requests[index]):
            self.finished[index] = now
            self.more(1, now)
            return set()
        steps = self.requests[index][phase]
        self._left[index] = len(steps)
        for number, step in enumerate(steps):
            heapq.heappush(self._waiting[step.resource], (now, index, phase, number))
        return {step.resource for step in steps}

    def _take(self, resource: Resource, now: int) -> None:
        if not self._waiting[resource] or self._free[resource] > now:
            return
        _, index, phase, number = heapq.heappop(self._waiting[resource])
        taken = self.requests[index][phase][number]
        if self.begun[index] < 0:
            self.begun[index] = now
        self._free[resource] = now + taken.busy
        self.busy[resource] += taken.busy
        heapq.heappush(self.events, (now + taken.busy + taken.after, index, phase, self._tries[index]))
        heapq.heappush(self.wakes, (now + taken.busy, resource))
