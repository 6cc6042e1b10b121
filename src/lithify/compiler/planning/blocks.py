"""Blocks: how one operation is cut so that its staging copies fit in the free banks.

Images that lie in DRAM pass through staging banks. A visit handles one block (a rectangle of results) for one slice (a
range of groups of output channels), with all its weights in chunks. With slices as the outer loop weights can stay, and
inputs come again for each; with blocks outside it is the other way round. Reductions whose weights or inputs do not fit
at once are split further, tile by tile.
"""

from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.image import Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.planning.chunks import Weights


@dataclass(frozen=True)
class Blocks:
    """How an operation is cut.

    rows, columns: largest rectangle of results of a block. slice_groups: groups of a slice. blocks_outside: whether
    blocks are the outer loop. split_inputs: whether the inputs are staged part by part of the reduction too. inputs,
    residuals, outputs: first banks of the staging copies; empty where the image is resident. banks: all banks of the
    copies. ring_banks: upper banks that hold its weights. cycles: the estimate.
    """

    rows: int
    columns: int
    slice_groups: int
    blocks_outside: bool
    split_inputs: bool
    weights: Weights | None
    inputs: tuple[int, ...]
    residuals: tuple[int, ...]
    outputs: tuple[int, ...]
    ring_banks: int
    cycles: int
    banks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Staged:
    """Which images of an operation lie in DRAM. least: words of results that a block must have, if not all."""

    input: bool
    residual: bool
    output: bool
    least: int = 0


def is_matrix(operation: Operation, chip: Chip) -> bool:
    """Whether an operation is a product of matrices: one row of at least a tile of positions, each of which reads
    its own pixel."""
    region = operation.region
    alone = operation.unit == "conv" and operation.sliding.kernel == (1, 1)
    return alone and region.height == 1 and region.width >= chip.accumulators


def shapes_and_counts(region: Rectangle, rows: int, columns: int) -> list[tuple[Rectangle, int]]:
    """The different shapes of blocks (at most four: whole ones and what remains), and how many there are of each."""
    return [
        (Rectangle(0, 0, height, width), many_y * many_x)
        for height, many_y in ((rows, region.height // rows), (region.height % rows, 1))
        for width, many_x in ((columns, region.width // columns), (region.width % columns, 1))
        if height and width and many_y and many_x
    ]


def tile_shape(block: Rectangle, chip: Chip) -> tuple[int, int]:
    columns = min(block.width, chip.accumulators)
    return max(1, chip.accumulators // columns), columns


def tiles(block: Rectangle, chip: Chip) -> tuple[Rectangle, ...]:
    """The block cut into rectangles of one tile each."""
    return block.pieces(*tile_shape(block, chip))


def in_turn(pieces: tuple[Rectangle, ...]) -> tuple[Rectangle, ...]:
    """Tiles with a small last one put second: weights come while the last works, and the first of the next round."""
    if len(pieces) > 2 and pieces[-1].positions < pieces[0].positions:
        return pieces[0], pieces[-1], *pieces[1:-1]
    return pieces
