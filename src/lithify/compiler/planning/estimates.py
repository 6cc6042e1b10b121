"""Estimates of the cycles of a stretch and of an operation by blocks, each found once for what is of equal shape."""

from collections.abc import Hashable, Mapping

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.operation import Operation
from lithify.compiler.planning.bands import plan_bands
from lithify.compiler.planning.block_cycles import Measures
from lithify.compiler.planning.block_search import TooLarge, cut
from lithify.compiler.planning.blocks import Blocks, Staged
from lithify.compiler.planning.chunks import RingTooSmall
from lithify.compiler.planning.cuts import Cut, cuts
from lithify.compiler.planning.spread import layout
from lithify.compiler.planning.stretch import Stretch

APART = 4
"""Banks at least of results that take the place of what is added to them: the last of a group are written while the
first of the next are read.
"""

SINGLE = (1, 1), (0, 0)
"""Kernel and padding of what reads the pixels of its results' places."""

PRESSURE = 8
"""A stretch whose images take the whole scratchpad is judged longer by one part in so many (found by trying)."""


class Estimates:
    """Of the operations of a segment. images: all that they touch, by name."""

    def __init__(self, operations: tuple[Operation, ...], images: Mapping[str, Image], chip: Chip) -> None:
        self.operations, self.images, self.chip = operations, images, chip
        self.costs: dict[Hashable, int | None] = {}
        self.found: dict[Hashable, Blocks | None] = {}
        self.cuts: dict[Hashable, tuple[Cut, ...]] = {}
        self.measures: dict[int, Measures] = {}
        self.banks: dict[str, int] = {}

    def banks_of(self, name: str) -> int:
        """Banks of a whole image."""
        if name not in self.banks:
            self.banks[name] = layout(self.images[name], self.images[name].height, self.chip).banks
        return self.banks[name]

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
