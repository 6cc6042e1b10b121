"""Fetch and decode: when each instruction reaches its queue."""

from collections.abc import Callable, Sequence

from lithify.chip import Chip
from lithify.chip.pipeline import FETCH_ARRIVE, FETCH_BURST_BYTES, FETCH_GRANULES
from lithify.isa import GRANULE_BYTES, Instruction, Queue
from lithify.sim.timing.calendar import Calendar, Phase
from lithify.sim.timing.memory import Train
from lithify.sim.timing.transfer import Bus

BURST_GRANULES = FETCH_BURST_BYTES // GRANULE_BYTES


class Fetch:
    """The fetch unit and the decoder, from cycle 0 on.

    ``room(queue)`` tells whether a queue has room in this cycle; ``push`` hands it an instruction in this cycle. After
    END has been decoded, ``drained`` is the first cycle in which nothing of the program is under way any more.
    """

    def __init__(
        self, chip: Chip, calendar: Calendar, bus: Bus, program: Sequence[Instruction], size: int,
        room: Callable[[Queue], bool], push: Callable[[Instruction], None], ended: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._chip, self._calendar, self._bus = chip, calendar, bus
        self._program, self._room, self._push, self._ended = program, room, push, ended
        self._left = size // FETCH_BURST_BYTES
        self._claimed = 0
        self._arrivals: list[int] = []  # for each granule, the first cycle in which it can be decoded
        self._under_way = 0
        self._taken = 0
        self._index = 0
        self._granules_left = program[0].operation.granules
        self._take_from = 0
        self._stopped = False
        self._end_from = 0
        self.beats = 0
        calendar.attempt(0, Phase.FETCH_ISSUE, self._issue)

    def _issue(self) -> None:
        if self._stopped or not self._left or self._claimed > FETCH_GRANULES - BURST_GRANULES:
            return
        self._left -= 1
        self._claimed += BURST_GRANULES
        self._under_way += 1
        beats = FETCH_BURST_BYTES // self._chip.bus_bytes
        self.beats += beats

        def accepted(train: Train) -> None:
            self._under_way -= 1
            for granule in range(BURST_GRANULES):
                beat = ((granule + 1) * GRANULE_BYTES - 1) // self._chip.bus_bytes
                self._arrivals.append(train.cycle(beat) + FETCH_ARRIVE)
            if self._stopped:
                self._drain()
            else:
                self._calendar.attempt(max(self._take_from, self._arrivals[self._taken]), Phase.DECIDE, self._take)

        self._bus.read(beats, accepted)
        self._calendar.attempt(self._calendar.now + 1, Phase.FETCH_ISSUE, self._issue)

    def _take(self) -> None:
        """Take the next granule, if this is the cycle for it."""
        now = self._calendar.now
        if self._granules_left == 0 or now < self._take_from or self._taken == len(self._arrivals):
            return
        if now < self._arrivals[self._taken]:
            return
        self._taken += 1
        self._granules_left -= 1
        self._take_from = now + 1
        self._calendar.at(now + 1, Phase.VISIBLE, self._give_back)
        if self._granules_left:
            self._take_next()
        else:
            self._calendar.at(now + 1, Phase.VISIBLE, self._complete)

    def _take_next(self) -> None:
        if self._taken < len(self._arrivals):
            self._calendar.attempt(max(self._take_from, self._arrivals[self._taken]), Phase.DECIDE, self._take)

    def _give_back(self) -> None:
        self._claimed -= 1
        self._calendar.attempt(self._calendar.now, Phase.FETCH_ISSUE, self._issue)

    def _complete(self) -> None:
        """The instruction register is full from this cycle on."""
        if self._program[self._index].operation.queue is None:
            self._stopped = True
            self._end_from = self._calendar.now
            self._drain()
        else:
            self._calendar.attempt(self._calendar.now, Phase.DECIDE, self.hand_over)

    def hand_over(self) -> None:
        """Push the complete instruction if its queue has room in this cycle; called again when room may have come."""
        if self._granules_left or self._stopped or self._calendar.now < self._take_from:
            return
        entry = self._program[self._index]
        assert entry.operation.queue is not None
        if not self._room(entry.operation.queue):
            return
        self._push(entry)
        self._index += 1
        self._granules_left = self._program[self._index].operation.granules
        self._take_from = self._calendar.now + 1
        self._take_next()

    def _drain(self) -> None:
        """Drop what was read beyond END, a row of the queue a cycle, once all that was asked for has been accepted."""
        if self._under_way:
            return
        row_granules = max(1, self._chip.bus_bytes // GRANULE_BYTES)
        empty = self._end_from
        for granule in range(self._taken, len(self._arrivals)):
            if (granule + 1) % row_granules == 0:
                empty = max(empty, self._arrivals[granule]) + 1
        self._ended(empty)
