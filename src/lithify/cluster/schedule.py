"""When each request is answered: chips and links that do one thing at a time, in the order in which things are ready.

A chip works on one request at a time; a link moves one tensor at a time, at its rate, and the tensor is there after its
latency. The host's link is one for all chips and both ways. Chips and links work side by side. Nothing here is random:
what a chip takes is the timing simulator's count, which no data changes.
"""

import heapq
from collections import defaultdict
from collections.abc import Sequence
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
    first step began; busy: of each resource.
    """

    finished: tuple[int, ...]
    begun: tuple[int, ...]
    busy: dict[Resource, int]

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


def schedule(requests: Sequence[Sequence[Step]], window: int | None = None) -> Schedule:
    """Runs requests that are all there at the beginning; a resource takes what is ready first, then what came first.

    window: how many may be on their way at once, for the chips' DRAM holds so many; the next begins when one is
    answered. None: all.
    """
    begins = len(requests) if window is None else min(window, len(requests))
    free: dict[Resource, int] = defaultdict(int)
    busy: dict[Resource, int] = defaultdict(int)
    waiting: dict[Resource, list[tuple[int, int, int]]] = defaultdict(list)
    finished, begun = [0] * len(requests), [-1] * len(requests)
    events: list[tuple[int, int, int]] = [(0, index, 0) for index in range(begins)]
    heapq.heapify(events)
    wakes: list[tuple[int, Resource]] = []
    while events or wakes:
        now = min(entries[0][0] for entries in (events, wakes) if entries)
        touched = set[Resource]()
        while events and events[0][0] == now:
            ready, index, step = heapq.heappop(events)
            if step == len(requests[index]):
                finished[index] = ready
                if begins < len(requests):
                    heapq.heappush(events, (ready, begins, 0))
                    begins += 1
                continue
            resource = requests[index][step].resource
            heapq.heappush(waiting[resource], (ready, index, step))
            touched.add(resource)
        while wakes and wakes[0][0] == now:
            touched.add(heapq.heappop(wakes)[1])
        for resource in sorted(touched):
            if waiting[resource] and free[resource] <= now:
                _, index, step = heapq.heappop(waiting[resource])
                taken = requests[index][step]
                if begun[index] < 0:
                    begun[index] = now
                free[resource] = now + taken.busy
                busy[resource] += taken.busy
                heapq.heappush(events, (now + taken.busy + taken.after, index, step + 1))
                heapq.heappush(wakes, (now + taken.busy, resource))
    return Schedule(tuple(finished), tuple(begun), dict(busy))
