"""Places: banks for what a walk keeps on the chip, and for the staging copies, rings and weights of every leg."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lithify.compiler.planning.bands import Bands, plan_bands
from lithify.compiler.planning.beside import banks_for
from lithify.compiler.planning.block_search import pack
from lithify.compiler.planning.cuts import cuts, narrowed
from lithify.compiler.planning.estimates import Estimates
from lithify.compiler.planning.plan import Plan, Single
from lithify.compiler.planning.row_rings import ring_layout
from lithify.compiler.planning.stretch import Stretch, plan_turns
from lithify.compiler.planning.walk import Leg
from lithify.compiler.weights import chunk_banks, chunk_words, table_words, whole_part

WORSE = 50
"""By one part in so many an operation may take longer in banks that the one before leaves free."""


class Fragmented(Exception):
    """An image that the walk holds resident found no room in one piece."""

    def __init__(self, name: str) -> None:
        self.name = name


def descents(legs: Sequence[Leg], name: str) -> int:
    """How often results take the place of an image, and others the place of these."""
    count = 0
    for leg in legs:
        if leg.over is not None and leg.over[0] == name:
            count, name = count + 1, leg.over[1]
    return count


class Places:
    """last: of each image the last operation that touches it."""

    def __init__(self, estimates: Estimates, last: Mapping[str, int]) -> None:
        self.estimates, self.operations, self.images = estimates, estimates.operations, estimates.images
        self.chip, self.last = estimates.chip, last
        self.several_units = any(operation.beside for operation in self.operations)

    def place(self, legs: Sequence[Leg]) -> Plan:
        """The walk with addresses; raises Fragmented."""
        homes: dict[str, int] = {}
        held: dict[str, tuple[int, int]] = {}
        phases: list[Bands | Single] = []
        # Of the array and the vector unit: the staging banks of the operation before.
        before: dict[bool, frozenset[int]] = {}
        # Of images over which others will lie: the banks below that these will need.
        below: dict[str, tuple[int, int]] = {}
        for number, leg in enumerate(legs):
            stretch, vector = leg.stretch, self.operations[leg.stretch.first].program is not None
            for name in sorted(stretch.resident - set(held), key=lambda name: (-self.estimates.banks_of(name), name)):
                needed, steps = self.estimates.banks_of(name), descents(legs[number + 1 :], name)
                if leg.over is not None and name == leg.over[1]:
                    first = held[leg.over[0]][0] - 1
                    if not any(start <= first < start + count for start, count in self.runs(held)):
                        raise Fragmented(name)
                    below.pop(leg.over[0], None)
                else:
                    taken = {**held, **{f"below {other}": place for other, place in below.items() if place[1]}}
                    runs = self.runs(taken)
                    fitting = [run for run in runs if run[1] >= needed + steps] or [
                        run for run in runs if run[1] >= needed
                    ]
                    if not fitting:
                        raise Fragmented(name)
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
                    raise Fragmented(self.operations[stretch.first].y.name)
                raise Fragmented(max(held, key=lambda name: held[name]))
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
        staged = self.estimates.staged(stretch.first, stretch.resident, over)
        if runs and not (staged.input or staged.residual or staged.output):
            # Nothing but weights, of which only each chunk needs banks in one piece.
            free = sum(count - count % self.chip.weight_ports for _, count in runs)
            blocks = self.estimates.blocks(stretch.first, staged, [(0, free)], free) if free else None
            table = table_words(self.operations[stretch.first], self.chip)
            largest = chunk_banks(table, self.chip.weight_ports, self.chip)
            if blocks is not None and blocks.weights is not None:
                largest = blocks.weights.chunk_banks
            if blocks is not None and largest <= max(count for _, count in runs):
                return Single(stretch.first, blocks)
        if not runs:
            return None
        blocks = self.estimates.blocks(stretch.first, staged, runs, sum(runs[-1]))
        if blocks is not None and before & blocks.banks and self.several_units:
            others = self.runs({**held, **{f"bank {bank}": (bank, 1) for bank in before}}, begin, end)
            found = self.estimates.blocks(stretch.first, staged, others, sum(others[-1])) if others else None
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
