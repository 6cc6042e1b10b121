"""The walk: a dynamic program over the boundaries between operations.

Its state is which of the images that are live there are resident; a step, a leg, runs one stretch of operations
(`bands.py`), or a single one block by block (`blocks.py`) where rows are too long or weights too many.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from lithify.compiler.operation import Operation
from lithify.compiler.planning.bands import fits_bands
from lithify.compiler.planning.beside import banks_for, last_uses
from lithify.compiler.planning.estimates import APART, Estimates
from lithify.compiler.planning.stretch import Stretch

LONGEST = 5
"""Operations of a stretch at most."""

CHOICES = 3
"""Images of a boundary of which each may be resident or not; where there are more, the largest lie in DRAM."""

STATES = 64
"""States of a boundary that are followed, the cheapest: of networks without recurrence all (yolov8n has 53)."""


@dataclass(frozen=True)
class Leg:
    """One step of the walk: a stretch, and whether it goes by blocks. over: if its results take the place of an image,
    that and theirs.
    """

    stretch: Stretch
    single: bool
    over: tuple[str, str] | None = None


def _read_unfinished(operations: Sequence[Operation], views: Mapping[str, str]) -> set[str]:
    """Images that are read from DRAM before all their parts are made: resident, they would be stored when whole."""
    last = {operation.y.name: index for index, operation in enumerate(operations) if operation.landing is not None}
    # Of a cache nobody knows where in it the new rows are.
    found = {operation.y.name for operation in operations if operation.append}
    for index, operation in enumerate(operations):
        from_dram = {operation.second.image.name} if operation.second is not None else set()
        from_dram |= {views[operation.x.name]} if operation.x.name in views else set()
        found |= {name for name in from_dram if index < last.get(name, -1)}
    return found


class Walk:
    """wanted, views: as in `best_plan`. banned: images that may not be resident."""

    def __init__(self, estimates: Estimates, wanted: frozenset[str], views: Mapping[str, str]) -> None:
        self.estimates, self.operations, self.images = estimates, estimates.operations, estimates.images
        self.chip, self.views, self.wanted = estimates.chip, views, wanted
        self.banned = _read_unfinished(self.operations, views)
        until = last_uses(self.operations)
        self.fits = [fits_bands(operation) for operation in self.operations]
        # Stretch, its residents among the images that it touches, free banks -> single or not, and the estimate.
        self.judged: dict[Hashable, tuple[bool, int | None]] = {}
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        for index, operation in enumerate(self.operations):
            self.first.setdefault(operation.y.name, index)
            for name in (*operation.reads, operation.y.name):
                # Operations beside each other take turns, step by step.
                self.last[name] = max(self.last.get(name, 0), until[index])

    def live(self, boundary: int) -> list[str]:
        """Images that operations before the boundary made and others behind it touch."""
        return [name for name, first in self.first.items() if first < boundary <= self.last[name]]

    def cheapest(self) -> list[Leg] | None:
        """The cheapest walk from the first operation behind the last."""
        count = len(self.operations)
        # Of each boundary: what is resident -> the cycles so far, the state before, and the step from there.
        best: list[dict[frozenset[str], tuple[int, tuple[int, frozenset[str]] | None, Leg | None]]]
        best = [{} for _ in range(count + 1)]
        best[0][frozenset()] = 0, None, None
        live = [self.live(boundary) for boundary in range(count + 1)]
        for begin in range(count):
            ends = range(begin + 1, min(begin + LONGEST, count) + 1)
            following = [(end, frozenset(live[end]), self.fresh(begin, live[end])) for end in ends]
            states = sorted(best[begin].items(), key=lambda entry: entry[1][0])[:STATES]
            for held, (spent, _, _) in states:
                for end, alive, fresh in following:
                    for size in range(len(fresh) + 1):
                        for chosen in combinations(fresh, size):
                            resident = held | set(chosen)
                            leg, cycles = self.leg(begin, end, resident)
                            if leg is None or cycles is None:
                                continue
                            after = resident & alive
                            if after not in best[end] or best[end][after][0] > spent + cycles:
                                best[end][after] = spent + cycles, (begin, held), leg
        goal: tuple[int, frozenset[str]] | None = (count, frozenset())
        if frozenset() not in best[count]:
            return None
        legs: list[Leg] = []
        while goal is not None:
            _, before, leg = best[goal[0]][goal[1]]
            if leg is not None:
                legs.append(leg)
            goal = before
        return legs[::-1]

    def fresh(self, begin: int, live: Sequence[str]) -> list[str]:
        """Of the images that live at the end of a stretch those that it makes and that may be resident."""
        if self.operations[begin].beside and self.operations[begin].program:
            return []  # beside the array the vector unit keeps to its own banks
        found = [name for name in live if self.first[name] >= begin and name not in self.banned]
        return sorted(found, key=self.estimates.banks_of)[:CHOICES]

    def leg(self, begin: int, end: int, resident: frozenset[str]) -> tuple[Leg | None, int | None]:
        """A stretch with these residents, and its cycles."""
        first, last = banks_for(self.operations[begin], self.chip)
        free = last - first - sum(map(self.estimates.banks_of, resident)) * (first == 0)
        over = self.over(begin, resident) if end == begin + 1 else None
        room = free if over is None else free + self.estimates.banks_of(over) - 1
        # What goes on beside something else goes alone: only single operations have banks of their own.
        if room < 2 or (end > begin + 1 and any(operation.beside for operation in self.operations[begin:end])):
            return None, None
        made = {self.operations[index].y.name for index in range(begin, end)}
        stored = frozenset(
            name for name in made if name in self.wanted or (name not in resident and self.last[name] >= end)
        )
        # A view shows what DRAM holds, so what it shows must have been stored by an earlier stretch.
        if any(self.views.get(operation.x.name) in made for operation in self.operations[begin:end]):
            return None, None
        # So must what is loaded in place of weights.
        if any(operation.second and operation.second.image.name in made for operation in self.operations[begin:end]):
            return None, None
        stretch = Stretch(begin, end, resident, stored)
        touched = {name for operation in self.operations[begin:end] for name in (*operation.reads, operation.y.name)}
        case = begin, end, resident & touched, free
        if case not in self.judged:
            self.judged[case] = self.judge(stretch, free) if free >= 2 else (False, None)
        alone, cycles = self.judged[case]
        if over is not None:
            shorter = self.estimates.block_cycles(begin, resident, room, over=True)
            if shorter is not None and (cycles is None or shorter < cycles):
                return Leg(stretch, True, (over, self.operations[begin].y.name)), shorter
        return Leg(stretch, alone), cycles

    def over(self, index: int, resident: frozenset[str]) -> str | None:
        """The image that an operation adds to and nothing reads later, if its results can take that one's place.

        They lie a bank lower, in the same order: what a result covers has been read, and both are never in one bank at
        a time.
        """
        operation, bank = self.operations[index], self.chip.bank_words
        y, residual = operation.y, operation.residual
        if residual is None or residual.broadcast or residual.column or operation.unit == "stream" or operation.beside:
            return None
        name, words = residual.image, y.pixel_words(self.chip.word_bytes)
        if not {name, y.name} <= resident or name == operation.x.name or self.last[name] > index:
            return None
        whole = operation.landing is None and operation.region == y.whole
        alike = self.images[name].whole == y.whole and self.images[name].spread == y.spread == 0
        large = y.whole.positions * words >= APART * bank
        return name if whole and alike and large and bank % words == 0 else None

    def judge(self, stretch: Stretch, free: int) -> tuple[bool, int | None]:
        """Whether a stretch goes by blocks, and its cycles."""
        begin, end, resident = stretch.first, stretch.end, stretch.resident
        banded = all(self.fits[begin:end]) and not self.operations[begin].beside
        cycles = self.estimates.band_cycles(stretch, free) if banded else None
        single = None
        if end == begin + 1:
            compute = self.operations[begin].macs // self.chip.multipliers
            if cycles is None or cycles > 51 * compute // 50:
                single = self.estimates.block_cycles(begin, resident, free)
        if single is not None and (cycles is None or single < cycles):
            return True, single
        return False, cycles
