"""Schedule: the order of instructions in the program, loads moved ahead as far as their banks and data allow.

Every dependence is kept by program order (`tokens.py` turns it into tokens), so moving a load ahead is safe where no
step between uses its words and no store between writes what it reads.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from lithify.chip import Chip
from lithify.compiler.cost import dram_cycles
from lithify.compiler.instructions.spans import LastTouched, Span
from lithify.compiler.planning.bands import COMPUTE_BYTES, TRANSFER_BYTES
from lithify.isa import Instruction, Queue

COUNTER = 255
"""What a token counter holds."""
LANDING = 110
"""From a load's turn at DRAM to its use, beside its bytes, about: DRAM's latency and the tokens."""


@dataclass(frozen=True)
class Action:
    """An instruction and what it touches.

    banks: bit mask of scratchpad banks. reads, writes: stretches of DRAM. step: index of the step it belongs to.
    places: stretches of the scratchpad, (address, words). exact: of a load, that it may go before what uses its banks
    and not its words, though that then waits for it: so rows are loaded while the rows before the last are used.
    """

    queue: Queue
    instruction: Instruction
    banks: int
    reads: tuple[Span, ...]
    writes: tuple[Span, ...]
    step: int
    places: tuple[tuple[int, int], ...] = ()
    exact: bool = False

    def under(self, condition: int) -> "Action":
        """The same under a condition (the field `when`); 0: always."""
        if not condition:
            return self
        values = {**self.instruction.values, "when": condition}
        return replace(self, instruction=Instruction(self.instruction.operation, values))

    def with_masks(self, wait: int, signal: int) -> "Action":
        """The same with its token masks."""
        values = {**self.instruction.values, "wait": wait, "signal": signal}
        return replace(self, instruction=Instruction(self.instruction.operation, values))


@dataclass(frozen=True)
class StepActions:
    """The instructions of one step."""

    loads: tuple[Action, ...]
    compute: Action
    stores: tuple[Action, ...]


def order(steps: tuple[StepActions, ...], cycles: Sequence[int], chip: Chip) -> tuple[Action, ...]:
    """All actions in program order: in the order in which they would start if each step took its `cycles`.

    Compute instructions run one after the other and wait for what they read, vector instructions likewise, beside
    them. Whenever DRAM is free it takes, of the
    loads whose place is free, the one that is needed next.
    """
    return _Scheduling(steps, cycles, chip).run()


class _Scheduling:
    """The chip in outline: steps, and DRAM as one transfer after the other."""

    def __init__(self, steps: tuple[StepActions, ...], cycles: Sequence[int], chip: Chip) -> None:
        self.steps, self.cycles, self.chip = steps, cycles, chip
        self.loads = [load for step in steps for load in step.loads]
        self.banks = [_bits(load.banks) for load in self.loads]
        # After which step each load may start, and after whose stores.
        self.after, self.stored = _earliest(steps)
        self.released: list[list[int]] = [[] for _ in range(len(steps) + 1)]
        for number, after in enumerate(self.after):
            self.released[after + 1].append(number)
        # Loads into one bank keep their order.
        self.turn: list[deque[int]] = [deque() for _ in range(chip.scratchpad_banks)]
        for number, banks in enumerate(self.banks):
            for bank in banks:
                self.turn[bank].append(number)
        self.free = [False] * len(self.loads)
        self.started = [False] * len(self.loads)
        numbers = iter(range(len(self.loads)))
        self.of_step = [[next(numbers) for _ in step.loads] for step in steps]
        # As many loads may be ahead of the steps that need them: tokens are counted.
        self.most = COUNTER - 3 * chip.queue_depth
        self.transferred = self.ahead = 0
        self.now = {Queue.COMPUTE: 0, Queue.VECTOR: 0}
        self.loaded = [0] * chip.scratchpad_banks
        self.used = [0] * chip.scratchpad_banks
        self.touched = {queue: [0] * chip.scratchpad_banks for queue in self.now}
        self.done = [0] * len(steps)
        self.later: list[tuple[int, int]] = []
        self.ready: list[int] = []
        # Stores that wait for DRAM: the step, when it ends, the store.
        self.stores: deque[tuple[int, int, Action]] = deque()

    def run(self) -> tuple[Action, ...]:
        ordered: list[Action] = []
        missing = [len(step.loads) for step in self.steps]
        self.release(0)
        for index, step in enumerate(self.steps):
            banks = _bits(step.compute.banks)
            while True:
                start = self.start(step.compute.queue, banks)
                if self.ahead >= self.most and missing[index]:
                    self.transferred = max(self.transferred, *self.now.values())
                number = self.next_load(index, start, bool(missing[index]))
                if number is None:
                    assert not missing[index], "a load that a step needs waits for that step"
                    break
                missing[self.loads[number].step] -= 1
                ordered.append(self.loads[number])
            ordered += [step.compute, *step.stores]
            self.ahead -= len(step.loads)
            self.compute(index, start, banks)
        return tuple(ordered)

    def start(self, queue: Queue, banks: list[int]) -> int:
        """When the next instruction of a queue can start: behind the one before, and what uses its banks."""
        others = [self.touched[other] for other in self.now if other is not queue]
        return max(self.now[queue], *(max(self.loaded[bank], *(used[bank] for used in others)) for bank in banks))

    def compute(self, index: int, start: int, banks: list[int]) -> None:
        """A step runs, and its results are stored."""
        step = self.steps[index]
        queue, end = step.compute.queue, start + self.cycles[index]
        self.now[queue] = end
        self.transferred += dram_cycles(self.chip, COMPUTE_BYTES)
        for bank in banks:
            self.touched[queue][bank] = end
            self.used[bank] = max(used[bank] for used in self.touched.values())
        self.done[index] = end
        for store in step.stores:
            self.stores.append((index, end, store))
            self.stored_at(index, store, max(end, self.transferred) + self.transfer_cycles(store))
        self.release(index + 1)

    def stored_at(self, index: int, store: Action, end: int) -> None:
        """A store of a step is over in the cycle `end`, as far as is known."""
        self.done[index] = max(self.done[index], end)
        for bank in _bits(store.banks):
            self.used[bank] = max(self.used[bank], end)

    def store(self, before: int) -> None:
        """DRAM takes the stores that come before loads which could begin in the cycle `before`."""
        while self.stores and self.stores[0][1] <= max(self.transferred, before):
            index, ended, store = self.stores.popleft()
            self.transferred = max(self.transferred, ended) + self.transfer_cycles(store)
            self.stored_at(index, store, self.transferred)

    def release(self, index: int) -> None:
        """The step before `index` has been started: loads that had to come after it may start when it ends."""
        for number in self.released[index]:
            self.free[number] = True
            self.offer(number)

    def offer(self, number: int) -> None:
        """A load enters the waiting ones if it is its turn."""
        if self.free[number] and all(self.turn[bank][0] == number for bank in self.banks[number]):
            heappush(self.later, (self.possible(number), number))

    def possible(self, number: int) -> int:
        """The cycle in which the place of a load is free, and what it loads is there."""
        stored = self.done[self.stored[number]] if self.stored[number] >= 0 else 0
        return max(stored, *(self.used[bank] for bank in self.banks[number]))

    def next_load(self, index: int, start: int, needed: bool) -> int | None:
        """Starts the load that comes before step `index`, which could start in the cycle `start`, if there is one.

        needed: whether a load of that step is missing.
        """
        while True:
            self.store(self.transferred)
            while self.later and self.later[0][0] <= self.transferred:
                heappush(self.ready, heappop(self.later)[1])
            if self.ahead >= self.most and not needed:
                return None
            if not self.ready:
                if not self.later or not (needed or self.later[0][0] <= start):
                    return None
                if self.stores and self.stores[0][1] <= self.later[0][0]:
                    self.store(self.stores[0][1])
                else:
                    self.transferred = max(self.transferred, self.later[0][0])
                continue
            if not needed and self.transferred > start:
                return None
            number = heappop(self.ready)
            load = self.loads[number]
            possible = self.possible(number)
            if possible > self.transferred:
                heappush(self.later, (possible, number))
                continue
            urgent = None if needed else self.urgent(index, start, number)
            if urgent is not None:
                heappush(self.later, (urgent, number))
                continue
            break
        self.transferred += self.transfer_cycles(load)
        self.started[number] = True
        self.ahead += 1
        for bank in self.banks[number]:
            self.loaded[bank] = self.transferred + LANDING
            self.turn[bank].popleft()
        # One that was next in several of these banks enters once.
        for other in {self.turn[bank][0] for bank in self.banks[number] if self.turn[bank]}:
            self.offer(other)
        return number

    def urgent(self, index: int, start: int, number: int) -> int | None:
        """Until when a load had better wait for one of the step after `index` that will soon be possible; or None."""
        end = self.transferred + self.transfer_cycles(self.loads[number])
        for other in self.of_step[index + 1] if index + 1 < len(self.steps) else ():
            if other < number and not self.started[other]:
                possible = self.possible(other) if self.free[other] else start + self.cycles[index]
                if self.transferred < possible < end and possible - self.transferred < end - possible:
                    return possible
        return None

    def transfer_cycles(self, action: Action) -> int:
        """Cycles for which a transfer and its instruction keep DRAM busy."""
        value = action.instruction.integer
        rows = value("rows") * value("planes")
        return rows * dram_cycles(self.chip, value("row_bytes")) + dram_cycles(self.chip, TRANSFER_BYTES)


def _earliest(steps: tuple[StepActions, ...]) -> tuple[list[int], list[int]]:
    """For each load the last step before its own that uses its place, and the last whose stores it reads; or -1.

    The first is never before the second.
    """
    after: list[int] = []
    stored: list[int] = []
    users: dict[int, list[int]] = defaultdict(list)
    stores = LastTouched()
    for index, step in enumerate(steps):
        for load in step.loads:
            last = from_store = -1
            for bank in _bits(load.banks):
                for user in reversed(users[bank]):
                    if user <= last or not load.exact or _meet_step(load, steps[user]):
                        last = max(last, user)
                        break
            for span in load.reads:
                from_store = max(from_store, stores.last(span))
            after.append(max(last, from_store))
            stored.append(from_store)
        mask = step.compute.banks
        for store in step.stores:
            mask |= store.banks
            for span in store.writes:
                stores.touch(span, index)
        for bank in _bits(mask):
            users[bank].append(index)
    return after, stored


def _meet_step(load: Action, step: StepActions) -> bool:
    """Whether a load and a step use the same words."""
    return any(
        first < begin + words and begin < first + count
        for first, count in load.places
        for action in (step.compute, *step.stores)
        for begin, words in action.places
    )


def _bits(mask: int) -> list[int]:
    """The banks of a mask."""
    banks = []
    while mask:
        banks.append((mask & -mask).bit_length() - 1)
        mask &= mask - 1
    return banks
