"""A stretch of operations that run together, and its turns: whose rows are made when, what is loaded before and stored
after.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.operation import Operation
from lithify.compiler.spread import row_words

OVERTAKEN = 2
"""Turns that another one may overtake."""
ROWS_OF_BANKS, MANY_ROWS = 4, 8
"""Rows that together fill banks are kept together if they are at most so many: as a rule, and where it pays."""


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


@dataclass(frozen=True)
class Way:
    """How the rows of a stretch are gone through: in about `count` bands. whole_banks: rows are loaded in such numbers
    that fill banks, where so many do. small_first: the first operation begins with what few rows of its input give.
    woven: turns of neighbouring bands are mixed, so that none reads what the one just before made.
    """

    count: int
    whole_banks: int = ROWS_OF_BANKS
    small_first: bool = False
    woven: bool = False


def aligned_rows(image: Image, most: int, chip: Chip) -> int:
    """Rows after which a row begins at a bank again; 1 where those are more than `most`."""
    count = chip.bank_words // math.gcd(row_words(image, chip), chip.bank_words)
    return count if count <= most else 1


def plan_turns(
    operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], way: Way, chip: Chip
) -> tuple[Turn, ...]:
    """The order of work with about `way.count` bands."""
    count = way.count
    made = {operations[index].y.name: index for index in range(stretch.first, stretch.end)}
    inner = {name for index in range(stretch.first, stretch.end) for name in operations[index].reads}
    ends = [index for name, index in made.items() if name not in inner]
    done = dict.fromkeys(made.values(), 0)
    loaded: dict[str, int] = {}
    saved = dict.fromkeys(stretch.stored, 0)
    readers: dict[str, list[int]] = {name: [] for name in stretch.stored}
    for index in range(stretch.first, stretch.end):
        for name in operations[index].reads:
            readers.setdefault(name, []).append(index)
    turns: list[Turn] = []
    steps: dict[str, int] = {}

    def step_of(name: str) -> int:
        if name not in steps:
            steps[name] = aligned_rows(images[name], way.whole_banks, chip)
        return steps[name]

    def pull(index: int, target: int) -> None:
        if done[index] >= target:
            return
        operation = operations[index]
        loads: list[tuple[str, int, int]] = []
        for name in operation.reads:
            if name in made:
                pull(made[name], needed_end(operation, name, target))
        for name in operation.reads:
            end = needed_end(operation, name, target)
            if name not in made and name not in stretch.resident and loaded.get(name, 0) < end:
                step = step_of(name)
                end = min(images[name].height, -(-end // step) * step)
                # Rows that a stride steps over before the first that is needed are never loaded.
                first = min(needed_first(operations[reader], name, done[reader]) for reader in readers[name])
                begin = loaded.get(name, first)
                loads.append((name, begin, end))
                loaded[name] = end
        before, done[index] = done[index], target
        stores: list[tuple[str, int, int]] = []
        for name in (operation.y.name, *operation.reads):
            if name in saved:
                image = images[name]
                needed = [needed_first(operations[reader], name, done[reader]) for reader in readers[name]]
                end = storable(image, min([done[made[name]], *needed]), chip)
                if end > saved[name]:
                    stores.append((name, saved[name], end))
                    saved[name] = end
        turns.append(Turn(index, before, target, tuple(loads), tuple(stores)))

    if way.small_first:
        for rows in _first_rows(operations[stretch.first], way, chip):
            pull(stretch.first, rows)
    for band in range(count):
        for index in ends:
            image = operations[index].y
            height = -(-image.height // count)
            step = aligned_rows(image, ROWS_OF_BANKS, chip)
            if height >= step and count > 1:
                height = -(-height // step) * step
            pull(index, min(image.height, (band + 1) * height))
    # Rows that a stride steps over are results like all others.
    for index in done:
        pull(index, operations[index].y.height)
    return woven(operations, turns) if way.woven else tuple(turns)


def woven(operations: Sequence[Operation], turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns in an order in which, where it can be, none reads what the one before made: the next that needs neither
    that nor one that is still to come goes first. What was written before is there by then.
    """
    waiting, ordered = list(turns), list(turns[:0])
    while waiting:
        chosen = 0
        if ordered and reads_from(operations, waiting[0], ordered[-1]):
            for place in range(1, min(len(waiting), OVERTAKEN + 1)):
                turn = waiting[place]
                if reads_from(operations, turn, ordered[-1]):
                    continue
                if not any(_depends(operations, turn, other) for other in waiting[:place]):
                    chosen = place
                    break
        ordered.append(waiting.pop(chosen))
    return tuple(ordered)


def reads_from(operations: Sequence[Operation], turn: Turn, other: Turn) -> bool:
    """Whether a turn reads the image that another one makes."""
    return operations[other.operation].y.name in operations[turn.operation].reads


def _depends(operations: Sequence[Operation], turn: Turn, other: Turn) -> bool:
    """Whether a turn must come after an earlier one: it reads what that makes or loads, or is of the same operation."""
    reads = operations[turn.operation].reads
    loaded = any(name in reads for name, _, _ in other.loads)
    stored = {name for name, _, _ in (*turn.stores, *other.stores)}
    touched = {*reads, operations[turn.operation].y.name, *(name for name, _, _ in turn.stores)}
    clash = bool(stored & touched) and any(name in touched for name, _, _ in other.stores)
    return turn.operation == other.operation or loaded or clash or reads_from(operations, turn, other)


def _first_rows(operation: Operation, way: Way, chip: Chip) -> list[int]:
    """Rows of results that the first rows of the input give which fill banks, and twice as many; at least one."""
    step = max(needed_end(operation, operation.x.name, 1), aligned_rows(operation.x, way.whole_banks, chip))
    needed = [needed_end(operation, operation.x.name, rows) for rows in range(1, operation.y.height + 1)]
    return [max(1, sum(end <= step * times for end in needed)) for times in (1, 2)]


def storable(image: Image, rows: int, chip: Chip) -> int:
    """Of the first `rows` rows those that share no bank with the next, which is written while they are stored."""
    if rows >= image.height:
        return image.height
    each = row_words(image, chip)
    return rows * each // chip.bank_words * chip.bank_words // each


def needed_end(operation: Operation, name: str, rows: int) -> int:
    """Rows of the image `name` that the first `rows` rows of results need."""
    if name != operation.x.name:
        return rows
    sliding = operation.sliding
    last = (rows - 1) * sliding.strides[0] - sliding.pads[0] + (sliding.kernel[0] - 1) * sliding.dilations[0]
    return max(1, min(operation.x.height, last + 1))


def needed_first(operation: Operation, name: str, row: int) -> int:
    """The first row of the image `name` that results from `row` on need; beyond the image where there are none."""
    if row >= operation.y.height:
        return 1 << 16
    if name != operation.x.name:
        return row
    return min(max(row * operation.sliding.strides[0] - operation.sliding.pads[0], 0), operation.x.height - 1)
