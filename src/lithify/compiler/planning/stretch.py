"""A stretch of operations that run together, and its turns: whose rows are made when, what is loaded before and stored
after.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.operation import Operation
from lithify.compiler.planning.spread import row_words

OVERTAKEN = 2
"""Turns that another one may overtake."""
ROWS_OF_BANKS, MANY_ROWS = 4, 8
"""Rows that together fill banks are kept together if they are at most so many: as a rule, and where it pays."""
BEYOND = 1 << 16
"""In place of a row that nobody needs."""


@dataclass(frozen=True)
class Turn:
    """Rows `first` to before `end` of the results of an operation, with the rows (image, first, end) to load before
    and to store after: those that nothing will read any more, or share a bank with what is read.
    """

    operation: int
    first: int
    end: int
    loads: tuple[tuple[str, int, int], ...]
    stores: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Stretch:
    """What runs together. operations: of the segment, numbers `first` to before `end`.

    resident: images that lie in the scratchpad whole; stored: results that must get to DRAM.
    """

    first: int
    end: int
    resident: frozenset[str]
    stored: frozenset[str]


class Way(NamedTuple):
    """How the rows of a stretch are gone through: in about so many `bands`. whole_banks: rows are loaded in numbers
    that fill banks, where so few do. small_first: the first operation begins with what few rows of its input give.
    woven: turns of neighbouring bands are mixed, so that none reads what the one just before made.
    """

    bands: int
    whole_banks: int = ROWS_OF_BANKS
    small_first: bool = False
    woven: bool = False


class Window(NamedTuple):
    """Rows of an operation: kernel, stride, padding and dilation, and how many there are of x and of its results."""

    kernel: int
    stride: int
    pad: int
    dilation: int
    x_height: int
    y_height: int


class Shape(NamedTuple):
    """What the order of work in a stretch depends on, and nothing else: equal shapes have equal turns and rings.

    Operations and images are numbers from 0 on. reads: of each operation the images that it reads, x first; makes: the
    one that it makes; windows: its rows. heights, words: of each image its rows, and the words of one; resident,
    stored: whether it is. rings: images that need one, in order. whole_words: of a row of each operation's results,
    and first of the first one's x, whatever the strips.
    """

    reads: tuple[tuple[int, ...], ...]
    makes: tuple[int, ...]
    windows: tuple[Window, ...]
    heights: tuple[int, ...]
    words: tuple[int, ...]
    resident: tuple[bool, ...]
    stored: tuple[bool, ...]
    rings: tuple[int, ...]
    whole_words: tuple[int, ...]
    bank_words: int


Rows = tuple[int, int, int]
"""An image, the first of its rows and the one behind the last."""


class Numbered(NamedTuple):
    """A turn of a shape: `Turn` with numbers in place of names."""

    operation: int
    first: int
    end: int
    loads: tuple[Rows, ...]
    stores: tuple[Rows, ...]


def shape_of(
    operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], chip: Chip
) -> tuple[Shape, tuple[str, ...]]:
    """The shape of a stretch, and the names of its images."""
    part = operations[stretch.first : stretch.end]
    names = tuple(dict.fromkeys(name for operation in part for name in (*operation.reads, operation.y.name)))
    number = {name: index for index, name in enumerate(names)}
    windows = []
    for operation in part:
        sliding = operation.sliding
        axis = sliding.kernel[0], sliding.strides[0], sliding.pads[0], sliding.dilations[0]
        windows.append(Window(*axis, operation.x.height, operation.y.height))
    ordered = dict.fromkeys(
        (*(name for operation in part for name in operation.reads), *sorted(operation.y.name for operation in part))
    )
    shape = Shape(
        tuple(tuple(number[name] for name in operation.reads) for operation in part),
        tuple(number[operation.y.name] for operation in part),
        tuple(windows),
        tuple(images[name].height for name in names),
        tuple(row_words(images[name], chip) for name in names),
        tuple(name in stretch.resident for name in names),
        tuple(name in stretch.stored for name in names),
        tuple(number[name] for name in ordered if name not in stretch.resident),
        tuple(row_words(image, chip) for image in (part[0].x, *(operation.y for operation in part))),
        chip.bank_words,
    )
    return shape, names


def reduced(shape: Shape) -> Shape:
    """The shape with words that are as many times smaller in banks as in rows: what it is asked for is how many rows
    fill how many banks, so that its turns and rings stay the same, and chips of wider words have the same as others.
    """
    common = math.gcd(shape.bank_words, *shape.words, *shape.whole_words)
    if common == 1:
        return shape
    words, whole = ([count // common for count in counts] for counts in (shape.words, shape.whole_words))
    return shape._replace(words=tuple(words), whole_words=tuple(whole), bank_words=shape.bank_words // common)


def aligned_rows(image: Image, most: int, chip: Chip) -> int:
    """Rows after which a row begins at a bank again; 1 where those are more than `most`."""
    return aligned(row_words(image, chip), most, chip.bank_words)


def aligned(words: int, most: int, bank_words: int) -> int:
    """As `aligned_rows`, of rows of so many words."""
    count = bank_words // math.gcd(words, bank_words)
    return count if count <= most else 1


def plan_turns(
    operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], way: Way, chip: Chip
) -> tuple[Turn, ...]:
    """The order of work with about `way.bands` bands."""
    shape, names = shape_of(operations, stretch, images, chip)

    def named(rows: tuple[Rows, ...]) -> tuple[tuple[str, int, int], ...]:
        return tuple((names[image], first, end) for image, first, end in rows)

    return tuple(
        Turn(stretch.first + turn.operation, turn.first, turn.end, named(turn.loads), named(turn.stores))
        for turn in turns_of(shape, way)
    )


def turns_of(shape: Shape, way: Way) -> list[Numbered]:
    """The order of work in a stretch of a shape."""
    reads, makes, windows, heights = shape.reads, shape.makes, shape.windows, shape.heights
    resident, stored, words, bank = shape.resident, shape.stored, shape.words, shape.bank_words
    maker = [-1] * len(heights)
    for index, image in enumerate(makes):
        maker[image] = index
    # Of each operation its images, each with the rows that rows of results need; and of each image who reads it.
    needs = [
        [(image, needed_ends(window) if place == 0 else None) for place, image in enumerate(own)]
        for own, window in zip(reads, windows, strict=True)
    ]
    readers = readers_of(shape)
    steps = [aligned(count, way.whole_banks, bank) for count in words]
    saves = [[image for image in (made, *own) if stored[image]] for made, own in zip(makes, reads, strict=True)]
    done = [0] * len(makes)
    loaded = [-1] * len(heights)
    saved = [0] * len(heights)
    turns: list[Numbered] = []

    def oldest(image: int) -> int:
        found = readers[image]
        if len(found) == 1:  # as nearly always
            ((reader, firsts),) = found
            return firsts[done[reader]]
        return min([firsts[done[reader]] for reader, firsts in found])

    def pull(index: int, target: int) -> None:
        if done[index] >= target:
            return
        for image, ends in needs[index]:
            made_by, needed = maker[image], ends[target] if ends else target
            if made_by >= 0 and done[made_by] < needed:
                pull(made_by, needed)
        loads: list[Rows] = []
        for image, ends in needs[index]:
            if maker[image] < 0 and not resident[image]:
                end, before = ends[target] if ends else target, loaded[image]
                if max(before, 0) < end:
                    end = min(heights[image], -(-end // steps[image]) * steps[image])
                    # Rows that a stride steps over before the first that is needed are never loaded.
                    loads.append((image, before if before >= 0 else oldest(image), end))
                    loaded[image] = end
        before, done[index] = done[index], target
        stores: list[Rows] = []
        for image in saves[index]:
            end = done[maker[image]]
            if readers[image]:
                end = min(end, oldest(image))
            if end >= heights[image]:
                end = heights[image]
            else:
                # Of these rows those that share no bank with the next, which is written while they are stored.
                end = end * words[image] // bank * bank // words[image]
            if end > saved[image]:
                stores.append((image, saved[image], end))
                saved[image] = end
        turns.append(Numbered(index, before, target, tuple(loads), tuple(stores)))

    if way.small_first:
        for rows in _first_rows(shape, way):
            pull(0, rows)
    ends = [index for index, image in enumerate(makes) if not readers[image]]
    for band in range(way.bands):
        for index in ends:
            image = makes[index]
            height = -(-heights[image] // way.bands)
            step = aligned(shape.whole_words[1 + index], ROWS_OF_BANKS, bank)
            if height >= step and way.bands > 1:
                height = -(-height // step) * step
            pull(index, min(heights[image], (band + 1) * height))
    # Rows that a stride steps over are results like all others.
    for index in range(len(makes)):
        pull(index, windows[index].y_height)
    return woven(shape, turns) if way.woven else turns


@lru_cache(maxsize=64)
def readers_of(shape: Shape) -> list[list[tuple[int, tuple[int, ...]]]]:
    """Of each image the operations that read it, each with `needed_firsts`."""
    readers: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in shape.heights]
    for index, (own, window) in enumerate(zip(shape.reads, shape.windows, strict=True)):
        for place, image in enumerate(own):
            readers[image].append((index, needed_firsts(window, place == 0)))
    return readers


def woven(shape: Shape, turns: Sequence[Numbered]) -> list[Numbered]:
    """The turns in an order in which, where it can be, none reads what the one before made: the next that needs neither
    that nor one that is still to come goes first. What was written before is there by then.
    """
    waiting, ordered = list(turns), list(turns[:0])
    while waiting:
        chosen = 0
        if ordered and reads_from(shape, waiting[0], ordered[-1]):
            for place in range(1, min(len(waiting), OVERTAKEN + 1)):
                turn = waiting[place]
                if reads_from(shape, turn, ordered[-1]):
                    continue
                if not any(_depends(shape, turn, other) for other in waiting[:place]):
                    chosen = place
                    break
        ordered.append(waiting.pop(chosen))
    return ordered


def reads_from(shape: Shape, turn: Numbered, other: Numbered) -> bool:
    """Whether a turn reads the image that another one makes."""
    return shape.makes[other.operation] in shape.reads[turn.operation]


def _depends(shape: Shape, turn: Numbered, other: Numbered) -> bool:
    """Whether a turn must come after an earlier one: it reads what that makes or loads, or is of the same operation."""
    reads = shape.reads[turn.operation]
    loaded = any(image in reads for image, _, _ in other.loads)
    stored = {image for image, _, _ in (*turn.stores, *other.stores)}
    touched = {*reads, shape.makes[turn.operation], *(image for image, _, _ in turn.stores)}
    clash = bool(stored & touched) and any(image in touched for image, _, _ in other.stores)
    return turn.operation == other.operation or loaded or clash or reads_from(shape, turn, other)


def _first_rows(shape: Shape, way: Way) -> list[int]:
    """Rows of results that the first rows of the input give which fill banks, and twice as many; at least one."""
    needed = needed_ends(shape.windows[0])[1:]
    step = max(needed[0], aligned(shape.whole_words[0], way.whole_banks, shape.bank_words))
    return [max(1, sum(end <= step * times for end in needed)) for times in (1, 2)]


@lru_cache(maxsize=4096)
def needed_ends(window: Window) -> tuple[int, ...]:
    """Rows of x that the first 0, 1, 2 ... rows of results need; of none nothing is asked."""
    reach = (window.kernel - 1) * window.dilation - window.pad + 1
    return tuple(
        max(1, min(window.x_height, (rows - 1) * window.stride + reach)) for rows in range(window.y_height + 1)
    )


@lru_cache(maxsize=4096)
def needed_firsts(window: Window, slides: bool) -> tuple[int, ...]:
    """The first row of an image that results from row 0, 1, 2 ... on need; behind the last there are none. slides: of
    x; else of what is added to each row.
    """
    if not slides:
        return (*range(window.y_height), BEYOND)
    last = window.x_height - 1
    rows = range(window.y_height)
    return (*(min(max(row * window.stride - window.pad, 0), last) for row in rows), BEYOND)
