"""LOAD and STORE: when each burst is issued and when each instruction retires."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from lithify.chip import Chip
from lithify.chip.pipeline import BURSTS_IN_FLIGHT, LIST_READ, LOAD_RETIRE, PLANE_CYCLES, STORE_RETIRE, TRANSFER_START
from lithify.isa import Instruction
from lithify.sim.timing.bursts import list_beats, rows
from lithify.sim.timing.calendar import Calendar, Phase
from lithify.sim.timing.memory import Memory, Train

LANDED = 2
"""From a burst's last beat (a read's on the bus, or a write's, with its response) to its place being free."""

Retire = Callable[[int], None]
"""Told, in the cycle of a retirement or before, the cycle in which the oldest instruction retires."""


class Bus:
    """The address side of the memory port: one read a cycle, and a write in the cycles without a read."""

    def __init__(self, calendar: Calendar, memory: Memory) -> None:
        self._calendar, self._memory = calendar, memory
        self._read_issued = -1
        self._read_accepted = -1

    def read_free(self) -> bool:
        """Whether no read has been issued in this cycle yet."""
        return self._read_issued != self._calendar.now

    def read(self, beats: int, accepted: Callable[[Train], None]) -> None:
        """Issue a read in this cycle; the memory accepts it in the next."""
        self._read_issued = self._calendar.now

        def accept() -> None:
            self._read_accepted = self._calendar.now
            accepted(self._memory.accept(self._calendar.now, beats))

        self._calendar.at(self._calendar.now + 1, Phase.READ_ACCEPTED, accept)

    def write(self, beats: int, accepted: Callable[[Train], None]) -> None:
        """Issue a write in this cycle; it is accepted in the first following cycle without a read."""

        def accept() -> None:
            now = self._calendar.now
            if self._read_accepted == now:
                self._calendar.at(now + 1, Phase.WRITE_ACCEPTED, accept)
            else:
                accepted(self._memory.accept(now, beats))

        self._calendar.at(self._calendar.now + 1, Phase.WRITE_ACCEPTED, accept)


class Transfer:
    """The address side of the load unit or the store unit: rows to a cutter, a burst a cycle to the bus.

    ``start`` takes an instruction in this cycle; ``freed`` is called with the first cycle in which another can start.
    """

    def __init__(
        self, chip: Chip, calendar: Calendar, bus: Bus, bases: Mapping[int, int], *, load: bool,
        freed: Callable[[int], None], retire: Retire,
    ) -> None:  # fmt: skip
        self._chip, self._calendar, self._bus, self._bases, self._load = chip, calendar, bus, bases, load
        self._freed, self._retire = freed, retire
        self._rows: Iterator[list[int]] | None = None
        self._next: list[int] | None = None  # the row that waits for the cutter
        self._listed = False  # of the instruction at hand the list has not come yet
        self._row_ready = 0
        self._plane_rows = 0  # rows of a plane
        self._row = 0  # of its plane, the row that waits
        self._plane_ready = 0  # when the first row of its plane was ready
        self._cut: deque[int] = deque()  # bursts of the row in the cutter
        self._cut_last = False  # that row is its instruction's last
        self._cut_list = False  # that row is a list
        self._issue_from = 0
        self._flight = 0
        self._address_held = False  # a write's address waits at the bus
        self.beats = 0

    @property
    def ready(self) -> bool:
        """Whether an instruction could start in this cycle."""
        return self._next is None and not self._listed and self._calendar.now >= self._row_ready

    def start(self, entry: Instruction) -> None:
        """Take an instruction in this cycle."""
        self._rows = rows(self._chip, entry, self._bases[entry.integer("base")])
        self._listed = bool(entry.integer("listed"))
        self._next = [list_beats(self._chip)] if self._listed else next(self._rows)
        self._row_ready = self._plane_ready = self._calendar.now + TRANSFER_START - 1
        self._plane_rows, self._row = entry.integer("rows"), 0
        if not self._cut:
            self._hand_over(self._row_ready)

    def _hand_over(self, cycle: int) -> None:
        """The waiting row goes to the empty cutter at the end of ``cycle``."""
        assert self._next is not None and self._rows is not None
        self._cut.extend(self._next)
        self._cut_list = self._listed
        self._next = None if self._listed else next(self._rows, None)
        self._cut_last = self._next is None and not self._listed
        self._row_ready = cycle + 1
        self._row += not self._listed
        if self._row == self._plane_rows and not self._cut_last:
            self._row = 0
            self._row_ready = self._plane_ready = max(cycle + 1, self._plane_ready + PLANE_CYCLES)
        self._issue_from = cycle + 1
        self._calendar.attempt(cycle + 1, Phase.DECIDE, self._issue)
        if self._cut_last:
            self._freed(cycle + 1)

    def _issue(self) -> None:
        now = self._calendar.now
        if not self._cut or now < self._issue_from or self._flight == BURSTS_IN_FLIGHT or self._address_held:
            return
        if self._load and not self._bus.read_free():
            self._calendar.attempt(now + 1, Phase.DECIDE, self._issue)
            return
        beats, listed = self._cut.popleft(), self._cut_list
        last = self._cut_last and not self._cut
        self._flight += 1
        self.beats += beats

        def accepted(train: Train) -> None:
            self._address_held = False
            if not self._load:
                self._calendar.attempt(self._calendar.now, Phase.DECIDE, self._issue)
            self._calendar.at(train.last + LANDED, Phase.VISIBLE, self._land)
            if last:
                self._retire(train.last + (LOAD_RETIRE if self._load else STORE_RETIRE))
            if listed:
                self._follow(train.last + LIST_READ)

        if self._load:
            self._bus.read(beats, accepted)
        else:
            self._address_held = True
            self._bus.write(beats, accepted)
        if self._cut:
            self._calendar.attempt(now + 1, Phase.DECIDE, self._issue)
        elif self._next is not None:
            self._hand_over(max(now, self._row_ready))

    def _follow(self, cycle: int) -> None:
        """The list has been accepted; the first row of what it lists is ready in ``cycle``."""
        assert self._rows is not None
        self._listed, self._next = False, next(self._rows)
        self._row_ready = self._plane_ready = cycle
        self._hand_over(cycle)

    def _land(self) -> None:
        self._flight -= 1
        self._calendar.attempt(self._calendar.now, Phase.DECIDE, self._issue)
