"""The calendar of the event-driven simulation."""

import heapq
from collections.abc import Callable
from enum import IntEnum


class Phase(IntEnum):
    """The order of events within a cycle: what became visible, what the bus accepts, then what units decide."""

    VISIBLE = 0
    READ_ACCEPTED = 1
    WRITE_ACCEPTED = 2
    FETCH_ISSUE = 3
    DECIDE = 4


class Calendar:
    """Events by cycle and phase; within both, in the order in which they were entered."""

    def __init__(self) -> None:
        self.now = 0
        self._heap: list[tuple[int, Phase, int, Callable[[], None]]] = []
        self._entered = 0
        self._tries: set[tuple[int, Callable[[], None]]] = set()

    def at(self, cycle: int, phase: Phase, event: Callable[[], None]) -> None:
        """Enter an event."""
        self._entered += 1
        heapq.heappush(self._heap, (cycle, phase, self._entered, event))

    def attempt(self, cycle: int, phase: Phase, event: Callable[[], None]) -> None:
        """Enter an event that looks whether something can be done; entering it twice for one cycle is once."""
        if (cycle, event) not in self._tries:
            self._tries.add((cycle, event))
            self.at(cycle, phase, event)

    def run(self) -> None:
        """Let every event happen, in order, until none is left."""
        while self._heap:
            self.now, _, _, event = heapq.heappop(self._heap)
            self._tries.discard((self.now, event))
            event()
