"""Second operands: what of a product of two activations is loaded where a layer's weights would be.

`out[m, n] = sum_k a[m, k] * b[n, k]` is a convolution whose weight set (group, chunk) holds, for column c, word `chunk`
of row `group * columns + c` of b. Rows of b lie in DRAM, and a LOAD with strides puts their words in the order of
weight sets: so the array, its sequencers and their cycles are those of every other layer.

Zero points cost passes: sum (a - za)(b - zb) = sum a*b - za * sum b - zb * sum a + K * za * zb. A pass over padding
adds `padding * sum b`, a pass with one constant in place of b adds `constant * sum a`, and the last term goes into the
bias. The words after the last term of b are filled with zb, so that whatever stands there in a counts nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import DramImage
from lithify.compiler.operation import Operation, Second
from lithify.compiler.steps.step import Chunk, Step
from lithify.compiler.weights import (
    PARAMETER_WORDS,
    Part,
    group_result_words,
    pack_parameters,
    table_words,
    weight_words,
)
from lithify.isa import Instruction, instruction
from lithify.isa.program import Base


@dataclass(frozen=True)
class Constants:
    """Offsets of an operation's constants. table: of its look-up table; parameters: of all groups; zeros: words of a
    weight set; filled: for each constant a word of it for every column and chunk.
    """

    table: int
    parameters: int
    zeros: int
    filled: tuple[int, ...]


def constants_of(operation: Operation, chip: Chip) -> tuple[NDArray[np.uint8], Constants]:
    """[words, word bytes] that a program carries for an operation, and where each begins, from offset 0 on."""
    second = operation.second
    assert second is not None
    word = chip.word_bytes
    sets = operation.x.pixel_words(word) * chip.columns
    table = np.zeros(0, np.int8) if operation.table is None else operation.table
    parts = [table.view(np.uint8).reshape(-1, word), pack_parameters(operation, chip).reshape(-1, word)]
    parts.append(np.zeros((chip.columns, word), np.uint8))
    parts += [np.full((sets, word), value, np.int8).view(np.uint8) for value in second.constants]
    begins = [sum(len(part) for part in parts[:index]) * word for index in range(len(parts))]
    return np.concatenate(parts), Constants(begins[0], begins[1], begins[2], tuple(begins[3:]))


@dataclass(frozen=True)
class _Place:
    """Where the words of a chunk lie. group: words of a group; parameters: words of its parameters."""

    address: int
    group: int
    parameters: int


def second_loads(
    chunk: Chunk, step: Step, operation: Operation, lies: DramImage, offset: int, constants: Constants, chip: Chip
) -> Iterator[Instruction]:
    """The LOADs of a chunk that `step` uses. lies: the second operand in DRAM; offset: of the constants."""
    for entry in _words_of(chunk, step, operation, lies, offset, constants, chip):
        yield from _ported(entry, chunk, chip)


def _ported(entry: Instruction, chunk: Chunk, chip: Chip) -> Iterator[Instruction]:
    """The LOADs of one whose address is a number among the words of a chunk: of the words that each port reads one.

    With two ports, rows of one word that follow on each other or rows of several; other steps are even.
    """
    value = entry.integer
    if chunk.ports == 1:
        yield instruction("LOAD", **{**entry.values, "address": chunk.address + value("address")})
        return
    base, size, offset = Base(value("base")), value("row_bytes"), value("offset")
    count, step = value("rows"), value("row_stride")
    planes = value("planes"), value("plane_stride"), value("plane_words")
    if size > chip.word_bytes or (count > 1 and value("row_words") != 1):
        assert planes[0] == 1 and size % chip.word_bytes == 0
        planes = count, step, value("row_words")
        count, step, size = size // chip.word_bytes, chip.word_bytes, chip.word_bytes
    assert planes[2] % 2 == 0
    for port, (address, _) in enumerate(chunk.places(chip)):
        skipped = (port - value("address")) % 2
        rows = -(-(count - skipped) // 2), 2 * step, 1
        if rows[0]:
            place = address + (value("address") + skipped) // 2
            halved = planes[0], planes[1], planes[2] // 2
            yield _load(base, offset + skipped * step, place, size, rows, halved, value("fill"))


def _words_of(
    chunk: Chunk, step: Step, operation: Operation, lies: DramImage, offset: int, constants: Constants, chip: Chip
) -> Iterator[Instruction]:
    """`second_loads` with numbers among the words of the chunk for addresses."""
    second, part = operation.second, step.part
    assert second is not None and part is not None
    word, columns = chip.word_bytes, chip.columns
    own = 0 if step.keep else PARAMETER_WORDS * group_result_words(operation, chip)
    table = 0 if step.keep else table_words(operation, chip)
    if table:
        yield _load(Base.CONSTANTS, offset + constants.table, 0, table * word, (1, 0, 0))
    place = _Place(table, weight_words(operation, chip, part, not step.keep), own)
    count = chunk.end - chunk.first
    if own:
        first = offset + constants.parameters + chunk.first * own * word
        yield _load(Base.CONSTANTS, first, place.address, own * word, (count, own * word, place.group))
    sets = part.chunks[1] - part.chunks[0]
    outputs = operation.results.channels
    for turn, number in enumerate(range(*part.y)):
        begin = place.address + own + turn * sets * columns
        if 0 < number < second.inside:
            at = offset + constants.filled[number - 1]
            yield _load(Base.CONSTANTS, at, begin, sets * columns * word, (count, 0, place.group))
            continue
        whole = min(chunk.end, outputs // columns) - chunk.first
        yield from _rows(second, operation, part, lies, begin, (chunk.first, whole, columns), place.group, chip)
        rest = outputs - (chunk.first + whole) * columns
        if whole < count:
            last = chunk.first + whole, 1, rest
            at = begin + whole * place.group
            yield from _rows(second, operation, part, lies, at, last, place.group, chip)
            missing = columns - rest
            zeros = offset + constants.zeros
            yield _load(Base.CONSTANTS, zeros, at + rest, missing * word, (sets, 0, columns))


def _rows(
    second: Second,
    operation: Operation,
    part: Part,
    lies: DramImage,
    begin: int,
    groups: tuple[int, int, int],
    group_words: int,
    chip: Chip,
) -> Iterator[Instruction]:
    """Weight sets of one pass for some groups. groups: the first, how many, and columns of each."""
    first, count, columns = groups
    if count < 1:
        return
    word, terms = chip.word_bytes, operation.x.channels
    pixel = lies.pixel_stride * second.step
    origin = lies.offset + second.first * lies.pixel_stride + first * chip.columns * pixel + second.channel
    full = min(part.chunks[1], terms // word) - part.chunks[0]
    sets = range(full)
    if count > full:
        # All groups of a word of channels, then the next word.
        for number in sets:
            offset, address = origin + (part.chunks[0] + number) * word, begin + number * chip.columns
            planes = count, chip.columns * pixel, group_words
            yield _load(lies.base, offset, address, word, (columns, pixel, 1), planes)
    else:
        for number in range(count):
            offset = origin + part.chunks[0] * word + number * chip.columns * pixel
            planes = full, word, chip.columns
            if full:
                yield _load(lies.base, offset, begin + number * group_words, word, (columns, pixel, 1), planes)
    if part.chunks[0] + full < part.chunks[1]:
        offset = origin + (part.chunks[0] + full) * word
        planes = count, chip.columns * pixel, group_words
        address = begin + full * chip.columns
        yield _load(lies.base, offset, address, terms % word, (columns, pixel, 1), planes, second.fill)


def _load(
    base: Base,
    offset: int,
    address: int,
    row_bytes: int,
    rows: tuple[int, int, int],
    planes: tuple[int, int, int] = (1, 0, 0),
    fill: int = 0,
) -> Instruction:
    """rows, planes: how many, and from one to the next the bytes in DRAM and the words in the scratchpad."""
    count, stride, words = rows
    if planes[0] == 1:
        planes = (1, 0, 0)
    if count == 1:
        stride = words = 0
    return instruction(
        "LOAD",
        base=int(base),
        offset=offset,
        address=address,
        row_bytes=row_bytes,
        rows=count,
        row_stride=stride,
        row_words=words,
        planes=planes[0],
        plane_stride=planes[1],
        plane_words=planes[2],
        fill=fill,
    )
