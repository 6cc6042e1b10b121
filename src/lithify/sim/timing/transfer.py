"""LOAD and STORE: when each burst is issued and when each instruction retires."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from lithify.chip import Chip
from lithify.chip.pipeline import BURSTS_IN_FLIGHT, LIST_READ, LOAD_RETIRE, PLANE_CYCLES, STORE_RETIRE, TRANSFER_START
from lithify.isa import Instruction
from lithify.sim.timing.bursts import list_beats, rows
from lithify.sim.timing.memory import Memory

LANDED = 2
"""From a burst's last beat (a read's on the bus, or a write's, with its response) to its place being free."""

NEVER = 1 << 62
"""In place of a cycle that is not known yet."""


class Transfer:
    """The address side of the load unit or the store unit: rows to a cutter, a burst a cycle to the bus.

    due: the cycle of the next burst's issue, as far as this unit decides. ready: the first cycle in which an
    instruction can start. Both are NEVER as long as they are not known. ``freed`` is called when ``ready`` is known,
    ``retire`` with the cycle in which the oldest instruction retires.
    """

    def __init__(
        self,
        chip: Chip,
        memory: Memory,
        bases: Mapping[int, int],
        freed: Callable[[], None],
        retire: Callable[[int], None],
    ) -> None:
        self._chip, self._memory, self._bases = chip, memory, bases
        self._freed, self._retire = freed, retire
        self.due, self.ready = NEVER, 0
        self._rows: Iterator[tuple[int, ...]] = iter(())
        self._next: tuple[int, ...] | None = None  # the row that waits for the cutter
        self._listed = False  # of the instruction at hand the list has not come yet
        self._row_ready = 0
        self._plane_rows = 0  # rows of a plane
        self._row = 0  # of its plane, the row that waits
        self._plane_ready = 0  # when the first row of its plane was ready
        self._cut: Iterator[int] = iter(())  # bursts of the row in the cutter behind the next
        self._burst = 0  # beats of the next burst; 0: the cutter is empty
        self._emptied = 0  # when the cutter was emptied
        self._cut_last = False  # the row in the cutter is its instruction's last
        self._cut_list = False  # it is a list
        # When the places of the last bursts are free again.
        self._landed = deque([0] * BURSTS_IN_FLIGHT, BURSTS_IN_FLIGHT)
        self._held = 0  # beats of the write whose address waits at the bus
        self._held_last = False  # it is its instruction's last
        self._issue_from = 0
        self.beats = 0

    def start(self, entry: Instruction, cycle: int) -> None:
        """Take an instruction in ``cycle``."""
        self._rows = rows(self._chip, entry, self._bases[entry.integer("base")])
        self._listed = bool(entry.integer("listed"))
        self._next = (list_beats(self._chip),) if self._listed else next(self._rows)
        self._row_ready = self._plane_ready = cycle + TRANSFER_START - 1
        self._plane_rows, self._row = entry.integer("rows"), 0
        self.ready = NEVER
        if not self._burst:
            self._hand_over(max(self._emptied, self._row_ready))

    def _hand_over(self, cycle: int) -> None:
        """The waiting row goes to the empty cutter at the end of ``cycle``."""
        assert self._next is not None
        self._cut = iter(self._next)
        self._burst = next(self._cut)
        self._row_ready = cycle + 1
        if self._listed:
            self._cut_list, self._cut_last, self._next = True, False, None
        else:
            self._cut_list, self._next = False, next(self._rows, None)
            self._row += 1
            if self._next is None:
                self._cut_last, self.ready = True, cycle + 1
                self._freed()
            else:
                self._cut_last = False
                if self._row == self._plane_rows:
                    self._row = 0
                    self._row_ready = self._plane_ready = max(cycle + 1, self._plane_ready + PLANE_CYCLES)
        self._issue_from = cycle + 1
        if not self._held:
            self.due = max(cycle + 1, self._landed[0])

    def read(self, until: int) -> int:
        """Issue the read that is due, and those that are due before cycle ``until``, up to one that frees or retires
        something: the cycle of the last. The memory accepts each in the next cycle.
        """
        now, ready, serve, landed = self.due, self.ready, self._memory.serve, self._landed
        while True:
            beats = self._burst
            self.beats += beats
            last = serve(now + 1, beats)
            landed.append(last + LANDED)
            self._burst = next(self._cut, 0)
            if self._burst:
                self.due = max(now + 1, landed[0])
            elif self._cut_list:
                self.due = NEVER
                self._follow(last + LIST_READ)
            else:
                retires = self._cut_last
                self._empty(now)
                if retires:
                    self._retire(last + LOAD_RETIRE)
                    return now
            if self.due >= until or self.ready != ready:
                return now
            now = self.due

    def write(self) -> None:
        """Issue the write that is due. Its address waits at the bus until the memory accepts it."""
        now, self._held = self.due, self._burst
        self.beats += self._held
        self.due, self._issue_from = NEVER, now + 1
        self._burst = next(self._cut, 0)
        self._held_last = self._cut_last and not self._burst
        if not self._burst:
            self._empty(now)

    def written(self, now: int) -> None:
        """The memory accepts the write that was issued last in cycle ``now``."""
        last = self._memory.serve(now, self._held)
        self._held = 0
        self._landed.append(last + LANDED)
        if self._burst:
            self.due = max(now, self._issue_from, self._landed[0])
        if self._held_last:
            self._retire(last + STORE_RETIRE)

    def _empty(self, now: int) -> None:
        """The last burst in the cutter is issued in cycle ``now``: the next row comes."""
        self._emptied, self.due = now, NEVER
        if self._next is not None:
            self._hand_over(max(now, self._row_ready))

    def _follow(self, cycle: int) -> None:
        """The list has been accepted; the first row of what it lists is ready in ``cycle``."""
        self._listed, self._next = False, next(self._rows)
        self._row_ready = self._plane_ready = cycle
        self._hand_over(cycle)
