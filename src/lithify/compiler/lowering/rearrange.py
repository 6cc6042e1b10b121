"""Rearrange: any movement of values within an image, as products with 1, each for the results it can walk through.

Results that are made alike, from the same places about a pixel, are of one class; a class is cut into grids of results
whose pixels lie at equal steps in rows and columns, in the input as in the result. Each grid is one operation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.identity import gathered
from lithify.compiler.lowering.node import Unsupported
from lithify.compiler.lowering.progressions import Places, Progression, progressions
from lithify.compiler.operation import Landing, Operation, Sliding
from lithify.reference.graph import Node

Indices = NDArray[np.int64]

MOST_GRIDS = 512
"""Operations that one movement may take."""
MOST_WEIGHTS = 1 << 23
"""Bytes of zeros and ones that one movement may take."""
DIRECT_GRIDS = 16
"""Grids from which on rows and columns are moved one after the other, if they can be."""


@dataclass(frozen=True, eq=False)
class _Class:
    """Results that are made alike. y, x: [results], their places; from_y, from_x: the first pixel each is made from.

    taps: [channels], the index of each channel's value in the window of `kernel` taps; -1 for padding.
    """

    y: Indices
    x: Indices
    from_y: Indices
    from_x: Indices
    kernel: tuple[int, int]
    taps: Indices


@dataclass(frozen=True)
class _Grid:
    """Rows and columns of results; turned: rows walk the columns of the input, and columns its rows."""

    rows: Progression
    columns: Progression
    turned: bool


def rearranged(
    node: Node, chip: Chip, source: Image, target: Image, index: Indices, pad: int = 0
) -> tuple[Operation, ...]:
    """The operations that make `target`; raises Unsupported where there would be too many.

    index: [height, width, channels] of the target, the index of each value in the source, row-major as well; -1 for
    the value `pad`.
    """
    classes = tuple(_classes(source, np.asarray(index, np.int64)))
    split = _rows_first(node, chip, source, target, classes)
    if split is not None:
        return split
    operations: list[Operation] = []
    weights = 0
    for made in classes:
        for grid in _grids(made):
            operations.append(_moved(node, chip, source, target, made, grid, pad))
            parameters = operations[-1].parameters
            weights += parameters.weights.size if parameters else 0
            if len(operations) > MOST_GRIDS or weights > MOST_WEIGHTS:
                raise Unsupported("it scatters its values, and the chip moves them in regular steps")
    return tuple(operations)


def _classes(source: Image, index: Indices) -> Iterator[_Class]:
    height, width, channels = index.shape
    flat = index.reshape(height * width, channels)
    known = flat >= 0
    pixels, of_channel = np.divmod(flat, source.channels)
    rows, columns = np.divmod(pixels, source.width)
    beyond = source.height + source.width
    nothing = ~known.any(axis=1)
    from_y, from_x = (np.where(known, part, beyond).min(axis=1) for part in (rows, columns))
    from_y[nothing] = from_x[nothing] = 0
    down, right = (np.where(known, p - q[:, None], 0) for p, q in ((rows, from_y), (columns, from_x)))
    pattern = np.where(known, (down * source.width + right) * source.channels + of_channel, -1)
    # Equal patterns have equal sums of odd random numbers; they are compared all the same.
    factors = np.random.default_rng(0).integers(1, 1 << 62, channels) | 1
    _, first, which = np.unique(pattern @ factors, return_index=True, return_inverse=True)
    if len(first) > MOST_GRIDS:
        raise Unsupported("it scatters its values, and the chip moves them in regular steps")
    assert (pattern == pattern[first][which]).all()
    for number, example in enumerate(first):
        (members,) = np.nonzero(which == number)
        kernel = int(down[example].max()) + 1, int(right[example].max()) + 1
        taps = (down[example] * kernel[1] + right[example]) * source.channels + of_channel[example]
        taps[~known[example]] = -1
        if len(taps) * kernel[0] * kernel[1] * source.channels > MOST_WEIGHTS:
            raise Unsupported("it gathers its values from too far apart for weights of zeros and ones")
        y, x = np.divmod(members, width)
        yield _Class(y, x, from_y[members], from_x[members], kernel, taps)


def _grids(made: _Class) -> Iterator[_Grid]:
    for turned in (False, True):
        axes = _axes(made, turned)
        if axes is not None:
            down, right = (progressions(places) for places in axes)
            yield from (_Grid(rows, columns, turned) for rows in down for columns in right)
            return
    # Rows unlike each other go by themselves, along the rows or the columns of the input, whichever is more regular.
    for y in np.unique(made.y):
        row = made.y == y
        places, from_y, from_x = (values[row].tolist() for values in (made.x, made.from_y, made.from_x))
        straight = progressions({x: (b, (a,)) for x, a, b in zip(places, from_y, from_x, strict=True)})
        turned_row = progressions({x: (a, (b,)) for x, a, b in zip(places, from_y, from_x, strict=True)})
        turned = len(turned_row) < len(straight)
        for columns in turned_row if turned else straight:
            yield _Grid(Progression(int(y), 1, 1, columns.kind[0], 1, ()), columns, turned)


def _axes(made: _Class, turned: bool) -> tuple[Places, Places] | None:
    """Rows and columns, where the source of each depends on its own coordinate only, over a whole grid."""
    rows, columns = np.unique(made.y), np.unique(made.x)
    if len(made.y) != len(rows) * len(columns):
        return None
    # Members are in raster order.
    shape = len(rows), len(columns)
    down, right = (made.from_x, made.from_y) if turned else (made.from_y, made.from_x)
    down, right = down.reshape(shape), right.reshape(shape)
    if (down != down[:, :1]).any() or (right != right[:1]).any():
        return None
    return (
        {place: (source, ()) for place, source in zip(rows.tolist(), down[:, 0].tolist(), strict=True)},
        {place: (source, ()) for place, source in zip(columns.tolist(), right[0].tolist(), strict=True)},
    )


def _moved(node: Node, chip: Chip, source: Image, target: Image, made: _Class, grid: _Grid, pad: int = 0) -> Operation:
    """One grid of a class."""
    rows, columns = grid.rows, grid.columns
    first, second = (columns, rows) if grid.turned else (rows, columns)
    sliding = Sliding(made.kernel, (first.stride, second.stride), (-first.source, -second.source), turned=grid.turned)
    return landed(gathered(node, chip, source, target, made.taps, sliding, pad), rows, columns)


def landed(operation: Operation, rows: Progression, columns: Progression) -> Operation:
    """An operation whose results are these rows and columns of its image; sliding counts from the first of them."""
    if operation.y.whole == Rectangle(rows.first, columns.first, rows.count, columns.count) and not (
        operation.sliding.turned
    ):
        return operation
    landing = Landing((rows.first, columns.first), (rows.step, columns.step), 0, operation.y.channels)
    return replace(operation, region=Rectangle(0, 0, rows.count, columns.count), landing=landing)


def _rows_first(
    node: Node, chip: Chip, source: Image, target: Image, classes: tuple[_Class, ...]
) -> tuple[Operation, ...] | None:
    """Rows moved first, then columns, where both at once would take many operations."""
    if len(classes) != 1 or classes[0].kernel != (1, 1) or classes[0].taps.min() < 0:
        return None
    (made,) = classes
    axes = _axes(made, False)
    if axes is None:
        return None
    rows, columns = (progressions(places) for places in axes)
    if len(rows) * len(columns) <= DIRECT_GRIDS or min(len(rows), len(columns)) == 1:
        return None
    between = Image(f"{target.name} (rows of {node.name})", target.height, source.width, source.channels)
    every = np.arange(between.width)
    same = np.arange(source.channels)
    whole = Progression(0, 1, between.width, 0, 1, ())
    down = _Class(every, every, every, every, (1, 1), same)
    operations = [
        replace(_moved(node, chip, source, between, down, _Grid(piece, whole, False)), tensor=target.name)
        for piece in rows
    ]
    all_rows = Progression(0, 1, target.height, 0, 1, ())
    operations += [_moved(node, chip, between, target, made, _Grid(all_rows, piece, False)) for piece in columns]
    if len(operations) > MOST_GRIDS:
        raise Unsupported("it scatters its values, and the chip moves them in regular steps")
    return tuple(operations)
