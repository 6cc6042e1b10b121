"""Fetch and decode: when each instruction reaches its queue."""

from collections.abc import Callable, Sequence

from lithify.chip import Chip
from lithify.chip.pipeline import FETCH_ARRIVE, FETCH_BURST_BYTES, FETCH_GRANULES
from lithify.isa import GRANULE_BYTES, Instruction, Queue
from lithify.sim.timing.memory import Memory
from lithify.sim.timing.transfer import NEVER

BURST_GRANULES = FETCH_BURST_BYTES // GRANULE_BYTES

SPARE = FETCH_GRANULES // BURST_GRANULES
"""Bursts that the queue has room for."""


class Fetch:
    """The fetch unit and the decoder, from cycle 0 on.

    ``room(queue)`` is the first cycle in which a queue has room for one more instruction, NEVER where that is not known
    yet; ``push`` hands it an instruction in a cycle. due: the cycle of the next burst's issue, NEVER where there is
    none yet. waits: the queue whose room must be known before `advance` can go on.
    """

    def __init__(
        self, chip: Chip, memory: Memory, program: Sequence[Instruction], size: int, room: Callable[[Queue], int],
        push: Callable[[Instruction, int], None],
    ) -> None:  # fmt: skip
        self._chip, self._memory = chip, memory
        self._program, self._room, self._push = program, room, push
        self._bursts, self._issued, self._issue_from = size // FETCH_BURST_BYTES, 0, 0
        self._beats = [((granule + 1) * GRANULE_BYTES - 1) // chip.bus_bytes for granule in range(BURST_GRANULES)]
        self._arrivals: list[int] = []  # for each granule, the first cycle in which it can be decoded
        self._taken = 0
        self._given_back: list[int] = []  # when the place of each burst is free again
        self._index = 0
        self._granules_left = program[0].operation.granules
        self._take_from = 0
        self._end_from = NEVER  # END is complete from this cycle on
        self.due = 0 if self._bursts else NEVER
        self.waits: Queue | None = None

    @property
    def beats(self) -> int:
        """Beats of all bursts so far."""
        return self._issued * (FETCH_BURST_BYTES // self._chip.bus_bytes)

    def issue(self) -> None:
        """Issue the burst that is due; the memory accepts it in the next cycle."""
        now = self.due
        train = self._memory.accept(now + 1, FETCH_BURST_BYTES // self._chip.bus_bytes)
        self._issued += 1
        self._arrivals += [train.cycle(beat) + FETCH_ARRIVE for beat in self._beats]
        self._issue_from = now + 1
        self._plan()
        if self.waits is None:
            self.advance()

    def _plan(self) -> None:
        """When the next burst is issued: when there is room for all of it."""
        self.due = NEVER
        freed = self._issued - SPARE
        if self._issued < self._bursts and freed < len(self._given_back):
            due = max(self._issue_from, self._given_back[freed] if freed >= 0 else 0)
            self.due = due if due < self._end_from else NEVER

    def advance(self) -> None:
        """Take granules and hand over instructions as far as arrivals and room in the queues are known."""
        self.waits = None
        while self._end_from == NEVER:
            while self._granules_left and self._taken < len(self._arrivals):
                # A granule a cycle.
                self._take_from = max(self._take_from, self._arrivals[self._taken]) + 1
                self._taken += 1
                self._granules_left -= 1
                if self._taken % BURST_GRANULES == 0:
                    self._given_back.append(self._take_from)
            if self._granules_left:
                break
            # The instruction register is full from this cycle on.
            complete = self._take_from
            if self._program[self._index].operation.queue is None:
                self._end_from = complete
                break
            entry = self._program[self._index]
            assert entry.operation.queue is not None
            room = self._room(entry.operation.queue)
            if room == NEVER:
                self.waits = entry.operation.queue
                break
            cycle = max(complete, room)
            self._push(entry, cycle)
            self._index += 1
            self._granules_left = self._program[self._index].operation.granules
            self._take_from = cycle + 1
        if self.due == NEVER:
            self._plan()
        elif self.due >= self._end_from:
            self.due = NEVER

    def ended(self) -> int:
        """The first cycle in which nothing of the program is under way any more; NEVER where END was not decoded.

        What was read beyond END is dropped, a row of the queue a cycle, once all that was asked for has been accepted.
        """
        row_granules = max(1, self._chip.bus_bytes // GRANULE_BYTES)
        empty = self._end_from
        for granule in range(self._taken, len(self._arrivals)):
            if (granule + 1) % row_granules == 0:
                empty = max(empty, self._arrivals[granule]) + 1
        return empty
