"""Plan: which images stay on the chip, which operations run together band by band, and where all lies.

A dynamic program walks over the boundaries between operations. Its state is which of the images that are live there
are resident; a step runs one stretch of operations (`bands.py`), or a single one block by block (`blocks.py`) where
rows are too long or weights too many. Where no such walk exists `memory.py` decides.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from lithify.chip import Chip
from lithify.compiler.bands import Bands, fits_bands, plan_bands
from lithify.compiler.beside import banks_for, last_uses
from lithify.compiler.blocks import Blocks, Measures, RingTooSmall, Staged, TooLarge, cut, pack
from lithify.compiler.cuts import Cut, cuts, narrowed
from lithify.compiler.image import Image
from lithify.compiler.memory import best_plan as plan_by_blocks
from lithify.compiler.operation import Operation
from lithify.compiler.row_rings import ring_layout
from lithify.compiler.spread import layout
from lithify.compiler.stretch import Stretch, plan_turns
from lithify.compiler.weights import chunk_banks, chunk_words, table_words, whole_part

LONGEST = 5
"""Operations of a stretch at most."""
CHOICES = 3
"""Images of a boundary of which each may be resident or not; where there are more, the largest lie in DRAM."""

STATES = 64
"""States of a boundary that are followed, the cheapest: of networks without recurrence all (yolov8n has 53)."""

WORSE = 50
"""By one part in so many an operation may take longer in banks that the one before leaves free."""

APART = 4
"""Banks at least of results that take the place of what is added to them: the last of a group are written while the
first of the next are read.
"""

SINGLE = (1, 1), (0, 0)
"""Kernel and padding of what reads the pixels of its results' places."""

PRESSURE = 8
"""A stretch whose images take the whole scratchpad is judged longer by one part in so many (found by trying)."""


@dataclass(frozen=True)
class Single:
    """One operation, block by block."""

    operation: int
    blocks: Blocks


@dataclass(frozen=True)
class Plan:
    """homes: first bank of each resident image. phases: in order. cycles: the estimate of the whole. apart: whether
    operations beside each other keep to their own banks (`banks_for`); where there is no room for that they do not.
    """

    homes: Mapping[str, int]
    phases: tuple[Bands | Single, ...]
    cycles: int
    apart: bool = True

    @property
    def operations(self) -> tuple[range, ...]:
        """The numbers of the operations of each phase."""
        return tuple(
            range(phase.operation, phase.operation + 1)
            if isinstance(phase, Single)
            else range(phase.stretch.first, phase.stretch.end)
            for phase in self.phases
        )

    @property
    def ring_banks(self) -> tuple[int, ...]:
        """Upper banks that hold the weights of each operation."""
        banks: list[int] = []
        for phase in self.phases:
            if isinstance(phase, Single):
                banks.append(phase.blocks.ring_banks)
            else:
                banks += [phase.ring_banks] * (phase.stretch.end - phase.stretch.first)
        return tuple(banks)


class _Fragmented(Exception):
    """An image that the walk holds resident found no room in one piece."""

    def __init__(self, name: str) -> None:
        self.name = name


def best_plan(
    operations: tuple[Operation, ...],
    images: Mapping[str, Image],
    sources: frozenset[str],
    wanted: frozenset[str],
    views: Mapping[str, str],
    chip: Chip,
) -> Plan:
    """The plan that is estimated fastest.

    sources: images that lie in DRAM before the segment; wanted: those that must lie there after it.
    views: images that are others' in DRAM, read with other strides -> those others.
    Raises LithifyError if the chip is too small for one tile of a layer.
    """
    planner = _Planner(operations, images, wanted, views, chip)
    while True:
        walk = planner.walk()
        if walk is None and any(operation.beside for operation in operations):
            together = tuple(replace(operation, beside=None) for operation in operations)
            return replace(best_plan(together, images, sources, wanted, views, chip), apart=False)
        if walk is None:
            old = plan_by_blocks(operations, images, sources, wanted, chip)
            return Plan(old.homes, tuple(Single(i, blocks) for i, blocks in enumerate(old.blocks)), old.cycles)
        try:
            return planner.place(walk)
        except _Fragmented as problem:
            if problem.name in planner.banned:
                planner.banned.update(images)
            planner.banned.add(problem.name)


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


def descents(legs: "Sequence[_Leg]", name: str) -> int:
    """How often results take the place of an image, and others the place of these."""
    count = 0
    for leg in legs:
        if leg.over is not None and leg.over[0] == name:
            count, name = count + 1, leg.over[1]
    return count


@dataclass(frozen=True)
class _Leg:
    """One step of the walk: a stretch, and whether it goes by blocks. over: if its results take the place of an image,
    that and theirs.
    """

    stretch: Stretch
    single: bool
    over: tuple[str, str] | None = None


class _Planner:
    def __init__(
        self,
        operations: tuple[Operation, ...],
        images: Mapping[str, Image],
        wanted: frozenset[str],
        views: Mapping[str, str],
        chip: Chip,
    ) -> None:
        self.operations, self.images, self.views = operations, images, views
        self.wanted, self.chip = wanted, chip
        self.banned = _read_unfinished(operations, views)
        self.several_units = any(operation.beside for operation in operations)
        until = last_uses(operations)
        self.costs: dict[Hashable, int | None] = {}
        self.found: dict[Hashable, Blocks | None] = {}
        self.cuts: dict[Hashable, tuple[Cut, ...]] = {}
        self.measures: dict[int, Measures] = {}
        self.banks: dict[str, int] = {}
        self.fits = [fits_bands(operation) for operation in operations]
        # Stretch, its residents among the images that it touches, free banks -> single or not, and the estimate.
        self.judged: dict[Hashable, tuple[bool, int | None]] = {}
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        for index, operation in enumerate(operations):
            self.first.setdefault(operation.y.name, index)
            for name in (*operation.reads, operation.y.name):
                # Operations beside each other take turns, step by step.
                self.last[name] = max(self.last.get(name, 0), until[index])

    def banks_of(self, name: str) -> int:
        """Banks of a whole image."""
        if name not in self.banks:
            self.banks[name] = layout(self.images[name], self.images[name].height, self.chip).banks
        return self.banks[name]

    def live(self, boundary: int) -> list[str]:
        """Images that operations before the boundary made and others behind it touch."""
        return [name for name, first in self.first.items() if first < boundary <= self.last[name]]

    def walk(self) -> list[_Leg] | None:
        """The cheapest walk from the first operation behind the last."""
        count = len(self.operations)
        # Of each boundary: what is resident -> the cycles so far, the state before, and the step from there.
        best: list[dict[frozenset[str], tuple[int, tuple[int, frozenset[str]] | None, _Leg | None]]]
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
        legs: list[_Leg] = []
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
        return sorted(found, key=self.banks_of)[:CHOICES]

    def leg(self, begin: int, end: int, resident: frozenset[str]) -> tuple[_Leg | None, int | None]:
        """A stretch with these residents, and its cycles."""
        first, last = banks_for(self.operations[begin], self.chip)
        free = last - first - sum(map(self.banks_of, resident)) * (first == 0)
        over = self.over(begin, resident) if end == begin + 1 else None
        room = free if over is None else free + self.banks_of(over) - 1
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
            shorter = self.block_cycles(begin, resident, room, over=True)
            if shorter is not None and (cycles is None or shorter < cycles):
                return _Leg(stretch, True, (over, self.operations[begin].y.name)), shorter
        return _Leg(stretch, alone), cycles

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
        cycles = self.band_cycles(stretch, free) if banded else None
        single = None
        if end == begin + 1:
            compute = self.operations[begin].macs // self.chip.multipliers
            if cycles is None or cycles > 51 * compute // 50:
                single = self.block_cycles(begin, resident, free)
        if single is not None and (cycles is None or single < cycles):
            return True, single
        return False, cycles

    def band_cycles(self, stretch: Stretch, free: int) -> int | None:
        """The estimate for a stretch, found once for stretches of equal shapes."""
        shape = self.shape(stretch)
        case = shape, free
        if case not in self.costs:
            if shape not in self.cuts:
                self.cuts[shape] = cuts(self.operations, stretch, self.images, self.chip)
            bands = plan_bands(self.operations, stretch, self.cuts[shape], free, self.chip)
            self.costs[case] = self.pressed(bands.cycles, bands.ring_banks) if bands else None
        return self.costs[case]

    def pressed(self, cycles: int, ring_banks: int) -> int:
        """The estimate of a stretch with what its images keep from the weights of later layers, which could come
        meanwhile.
        """
        banks = self.chip.scratchpad_banks
        return cycles + cycles * (banks - ring_banks) ** 2 // (PRESSURE * banks**2)

    def shape(self, stretch: Stretch) -> tuple[Hashable, ...]:
        """What the estimate of a stretch depends on."""
        numbers: dict[str, int] = {}
        shapes: list[Hashable] = []
        for operation in self.operations[stretch.first : stretch.end]:
            names = (operation.x.name, operation.residual.image if operation.residual else "", operation.y.name)
            shapes.append(
                (
                    operation.unit,
                    operation.each_word_alone,
                    operation.residual is None,
                    operation.residual and self.images[operation.residual.image].width,
                    operation.table is None,
                    operation.program and operation.program.extent,
                    (operation.x.height, operation.x.width, operation.x.channels),
                    (operation.y.height, operation.y.width, operation.y.channels),
                    (operation.x.spread, operation.y.spread),
                    operation.sliding if operation.second is None else operation.second.inside,
                    operation.cut,
                    # What lies under a window depends on the borders too; under single pixels it does not.
                    (operation.region.height, operation.region.width)
                    if operation.second is not None or (operation.sliding.kernel, operation.sliding.pads) == SINGLE
                    else operation.region,
                    operation.landing and operation.landing.channels,
                    tuple(
                        (numbers.setdefault(name, len(numbers)), name in stretch.resident, name in stretch.stored)
                        for name in names
                    ),
                )
            )
        return tuple(shapes)

    def staged(self, index: int, resident: frozenset[str], over: bool = False) -> Staged:
        """What of an operation passes through staging banks."""
        operation = self.operations[index]
        return Staged(
            operation.x.name not in resident,
            operation.residual is not None and operation.residual.image not in resident,
            operation.y.name not in resident,
            APART * self.chip.bank_words if over else 0,
        )

    def block_cycles(self, index: int, resident: frozenset[str], free: int, over: bool = False) -> int | None:
        """The estimate for an operation by blocks with `free` banks in one piece."""
        staged = self.staged(index, resident, over)
        case = ("blocks", *self.shape(Stretch(index, index + 1, resident, frozenset())), staged, free)
        if case not in self.costs:
            blocks = self.blocks(index, staged, [(0, free)], free)
            self.costs[case] = self.pressed(blocks.cycles, blocks.ring_banks) if blocks else None
        return self.costs[case]

    def blocks(self, index: int, staged: Staged, runs: list[tuple[int, int]], top: int) -> Blocks | None:
        """The best cut with several sizes of the ring, found once for operations of equal shapes. runs: free banks; the
        last run ends at bank `top`.
        """
        case = self.shape(Stretch(index, index + 1, frozenset(), frozenset())), staged, tuple(runs)
        if case not in self.found:
            self.found[case] = self.cut(index, staged, runs, top)
        return self.found[case]

    def cut(self, index: int, staged: Staged, runs: list[tuple[int, int]], top: int) -> Blocks | None:
        best: Blocks | None = None
        if index not in self.measures:
            self.measures[index] = Measures(self.operations[index], self.chip)
        for first, most in dict.fromkeys((runs[-1], max(runs, key=lambda run: run[1]))):
            # Weights lie in the last run, or in the largest: at its end.
            for ring in sorted({max(1, most * part // 8) for part in range(1, 9)}):
                room = (first, most - ring)
                free = [run for run in (room if run[0] == first else run for run in runs) if run[1]]
                try:
                    blocks = cut(self.operations[index], self.chip, ring, staged, free, self.measures[index])
                except (TooLarge, RingTooSmall):
                    continue
                if best is None or blocks.cycles < best.cycles:
                    best = blocks
                if blocks.weights is None:
                    break
        return best

    def place(self, legs: Sequence[_Leg]) -> Plan:
        """The walk with addresses; raises _Fragmented."""
        homes: dict[str, int] = {}
        held: dict[str, tuple[int, int]] = {}
        phases: list[Bands | Single] = []
        # Of the array and the vector unit: the staging banks of the operation before.
        before: dict[bool, frozenset[int]] = {}
        # Of images over which others will lie: the banks below that these will need.
        below: dict[str, tuple[int, int]] = {}
        for number, leg in enumerate(legs):
            stretch, vector = leg.stretch, self.operations[leg.stretch.first].program is not None
            for name in sorted(stretch.resident - set(held), key=lambda name: (-self.banks_of(name), name)):
                needed, steps = self.banks_of(name), descents(legs[number + 1 :], name)
                if leg.over is not None and name == leg.over[1]:
                    first = held[leg.over[0]][0] - 1
                    if not any(start <= first < start + count for start, count in self.runs(held)):
                        raise _Fragmented(name)
                    below.pop(leg.over[0], None)
                else:
                    taken = {**held, **{f"below {other}": place for other, place in below.items() if place[1]}}
                    runs = self.runs(taken)
                    fitting = [run for run in runs if run[1] >= needed + steps] or [
                        run for run in runs if run[1] >= needed
                    ]
                    if not fitting:
                        raise _Fragmented(name)
                    # The lowest: what is highest bounds the ring of weights.
                    first = fitting[0][0] + min(steps, fitting[0][1] - needed)
                homes[name] = first
                held[name] = first, needed
                if steps:
                    below[name] = max(0, first - steps), min(first, steps)
            phase: Single | Bands | None
            if leg.single:
                phase = self.single(stretch, held, before.get(vector, frozenset()), leg.over is not None)
                before[vector] = phase.blocks.banks if phase else frozenset()
            else:
                phase, before = self.bands(stretch, held), {}
            if phase is None:
                if not held:
                    raise _Fragmented(self.operations[stretch.first].y.name)
                raise _Fragmented(max(held, key=lambda name: held[name]))
            phases.append(phase)
            below = {name: place for name, place in below.items() if self.last[name] >= stretch.end}
            held = {name: place for name, place in held.items() if self.last[name] >= stretch.end}
        cycles = sum(phase.blocks.cycles if isinstance(phase, Single) else phase.cycles for phase in phases)
        return Plan(homes, tuple(phases), cycles)

    def runs(
        self, held: Mapping[str, tuple[int, int]], begin: int = 0, end: int | None = None
    ) -> list[tuple[int, int]]:
        """Runs of free banks, of those from `begin` to before `end`: (first, count)."""
        end = self.chip.scratchpad_banks if end is None else end
        place, found = begin, []
        for first, count in (*sorted(held.values()), (end, 0)):
            if min(first, end) > place:
                found.append((place, min(first, end) - place))
            place = max(place, first + count)
        return found

    def single(
        self, stretch: Stretch, held: Mapping[str, tuple[int, int]], before: frozenset[int], over: bool
    ) -> Single | None:
        """before: banks of the operation before, which it had better leave alone: then neither waits for the other.
        over: whether results take the place of what is added to them.
        """
        begin, end = banks_for(self.operations[stretch.first], self.chip)
        runs = self.runs(held, begin, end)
        staged = self.staged(stretch.first, stretch.resident, over)
        if runs and not (staged.input or staged.residual or staged.output):
            # Nothing but weights, of which only each chunk needs banks in one piece.
            free = sum(count - count % self.chip.weight_ports for _, count in runs)
            blocks = self.blocks(stretch.first, staged, [(0, free)], free) if free else None
            table = table_words(self.operations[stretch.first], self.chip)
            largest = chunk_banks(table, self.chip.weight_ports, self.chip)
            if blocks is not None and blocks.weights is not None:
                largest = blocks.weights.chunk_banks
            if blocks is not None and largest <= max(count for _, count in runs):
                return Single(stretch.first, blocks)
        if not runs:
            return None
        blocks = self.blocks(stretch.first, staged, runs, sum(runs[-1]))
        if blocks is not None and before & blocks.banks and self.several_units:
            others = self.runs({**held, **{f"bank {bank}": (bank, 1) for bank in before}}, begin, end)
            found = self.blocks(stretch.first, staged, others, sum(others[-1])) if others else None
            if found is not None and found.cycles <= blocks.cycles + blocks.cycles // WORSE:
                blocks = found
        return Single(stretch.first, blocks) if blocks else None

    def bands(self, stretch: Stretch, held: Mapping[str, tuple[int, int]]) -> Bands | None:
        """The best bands whose weights lie above all rings; where there are none, and all images are resident, those
        with weights in any banks.
        """
        runs = self.runs(held)
        if not runs:
            return None
        candidates = cuts(self.operations, stretch, self.images, self.chip)
        most, scattered = sum(count for _, count in runs), None
        for free in range(most, 1, -1):
            bands = plan_bands(self.operations, stretch, candidates, free, self.chip)
            if bands is None:
                break
            if free == most and not bands.rows and self.largest_chunk(bands) <= max(count for _, count in runs):
                scattered = bands
            top = sum(runs[-1]) - bands.ring_banks
            if top >= runs[-1][0]:
                below = [(first, min(count, top - first)) for first, count in runs if first < top]
                placed = self.rings(stretch, bands, below)
                if placed is not None:
                    return self.listed(placed)
        return scattered and self.listed(scattered)

    def listed(self, bands: Bands) -> Bands:
        """Bands with their turns."""
        narrow = narrowed(self.operations, bands.stretch, self.images, bands.strips)
        return replace(bands, turns=plan_turns(self.operations, bands.stretch, narrow, bands.way, self.chip))

    def largest_chunk(self, bands: Bands) -> int:
        """Banks of the largest chunk of weights of a stretch."""
        first, sizes = bands.stretch.first, [0]
        for index, count in enumerate(bands.chunk_groups, first):
            operation = self.operations[index]
            if operation.parameters is not None:
                words = chunk_words(operation, self.chip, whole_part(operation, self.chip), count, True)
            else:
                words = table_words(operation, self.chip)
            sizes.append(chunk_banks(words, self.chip.weight_ports, self.chip))
        return max(sizes)

    def rings(self, stretch: Stretch, bands: Bands, runs: list[tuple[int, int]]) -> Bands | None:
        """Bands with the places of their rings, which lie within these runs of banks."""
        made = {operation.y.name for operation in self.operations[stretch.first : stretch.end]}
        narrow = narrowed(self.operations, stretch, self.images, bands.strips)
        layouts = [ring_layout(narrow[name], rows, stretch, made, self.chip) for name, rows in bands.rows.items()]
        slots = pack([ring.banks for ring in layouts], runs)
        return replace(bands, slots=dict(zip(bands.rows, slots, strict=True))) if slots is not None else None
