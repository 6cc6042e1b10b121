"""Weight memory: parameters and weight sets as the chip reads them (architecture, section 4), and vector programs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.operation import Operation
from lithify.isa.addresses import TABLE_BYTES
from lithify.isa.vector import encode_with_table
from lithify.isa.vector import program_words as isa_words

PARAMETER_WORDS = 8
"""Words of bias and multiplier for each result word of a group."""


@dataclass(frozen=True)
class Part:
    """A part of the reduction: passes and words of input channels, each from `first` to before `end`."""

    y: tuple[int, int]
    x: tuple[int, int]
    chunks: tuple[int, int]

    @property
    def sets(self) -> int:
        """Weight sets, which is passes."""
        return (self.y[1] - self.y[0]) * (self.x[1] - self.x[0]) * (self.chunks[1] - self.chunks[0])


def whole_part(operation: Operation, chip: Chip) -> Part:
    """The whole reduction of an array operation."""
    passes_y, passes_x = operation.passes
    chunks = 1 if operation.each_word_alone or operation.program else operation.x.pixel_words(chip.word_bytes)
    return Part((0, passes_y), (0, passes_x), (0, chunks))


def set_words(operation: Operation, chip: Chip) -> int:
    """Words of one weight set."""
    return chip.columns if operation.unit == "conv" else chip.word_bytes


def group_result_words(operation: Operation, chip: Chip) -> int:
    """Result words of a position in a group."""
    if operation.program is not None:
        return operation.results.pixel_words(chip.word_bytes)
    return chip.column_words if operation.unit == "conv" else 1


def group_channels(operation: Operation, chip: Chip) -> int:
    """Output channels of a group."""
    return group_result_words(operation, chip) * chip.word_bytes


def groups(operation: Operation, chip: Chip) -> int:
    """Groups of output channels."""
    return -(-operation.results.channels // group_channels(operation, chip))


def alike(operation: Operation, chip: Chip) -> bool:
    """Whether all groups read the same words, as those of an average do: one group's are loaded for all."""
    parameters = operation.parameters
    if parameters is None or operation.second is not None or parameters.weights.ndim != 3:
        return False
    if operation.results.channels % group_channels(operation, chip):
        return False  # the last group's missing channels have other words
    arrays = parameters.bias, parameters.multiplier, parameters.weights
    return all(bool((array == array[:1]).all()) for array in arrays)


def weight_words(operation: Operation, chip: Chip, part: Part, last: bool) -> int:
    """Words of one group's weights for a part of the reduction; only the last part has the parameters."""
    parameters = PARAMETER_WORDS * group_result_words(operation, chip) if last else 0
    return parameters + part.sets * set_words(operation, chip)


def table_words(operation: Operation, chip: Chip) -> int:
    """Words of the look-up table, which lies before the parameters of every chunk."""
    return 0 if operation.table is None else TABLE_BYTES // chip.word_bytes


def chunk_words(operation: Operation, chip: Chip, part: Part, count: int, last: bool) -> int:
    """Words of a chunk: `count` groups' weights for a part of the reduction, with the table if they give results."""
    if operation.program is not None:
        return program_words(operation, chip) + len(operation.program.data) * data_words(operation, chip)
    table = table_words(operation, chip) if last else 0
    return table + count * weight_words(operation, chip, part, last)


def program_words(operation: Operation, chip: Chip) -> int:
    """Words of a vector program and of its table; what it reads beside the image lies behind them."""
    assert operation.program is not None and chip.vector is not None
    return isa_words(chip.vector, len(operation.program.operations), operation.program.table is not None)


def data_words(operation: Operation, chip: Chip) -> int:
    """Words of each float32 row that a vector program reads."""
    together = operation.program.together if operation.program is not None else 1
    return -(-4 * together * operation.x.channels // chip.word_bytes)


def pack_program(operation: Operation, chip: Chip) -> NDArray[np.uint8]:
    """A vector program and what it reads: [words, word_bytes]."""
    program = operation.program
    assert program is not None and chip.vector is not None
    rows = (row.astype("<f4").tobytes() for row in program.data)
    parts = encode_with_table(chip.vector, program.operations, program.table), *rows
    padded = b"".join(part + bytes(-len(part) % chip.word_bytes) for part in parts)
    return np.frombuffer(padded, np.uint8).reshape(-1, chip.word_bytes)


def chunk_banks(words: int, ports: int, chip: Chip) -> int:
    """Banks that a chunk of so many words takes by itself: one at least for each of the words read in a cycle."""
    return max(ports, -(-words // chip.bank_words))


def pack_parameters(operation: Operation, chip: Chip) -> NDArray[np.uint8]:
    """Bias and multiplier of every group: [groups, words, word_bytes]."""
    assert operation.parameters is not None
    count = groups(operation, chip)
    bias = np.zeros(count * group_channels(operation, chip), "<i4")
    # Channels that do not exist get a multiplier too, so that every multiplier the lanes see is a normal number.
    multiplier = np.ones(bias.size, "<f4")
    channels = operation.results.channels
    bias[:channels] = operation.parameters.bias
    multiplier[:channels] = operation.parameters.multiplier
    word = chip.word_bytes
    both = np.stack([bias.view(np.uint8).reshape(-1, 4 * word), multiplier.view(np.uint8).reshape(-1, 4 * word)], 1)
    return both.reshape(count, -1, word)


def pack_sets(operation: Operation, chip: Chip) -> NDArray[np.uint8]:
    """Weight sets of every group and pass: [groups, passes_y, passes_x, chunks, set_words, word_bytes]."""
    assert operation.parameters is not None
    weights = operation.parameters.weights
    count, word = groups(operation, chip), chip.word_bytes
    passes_y, passes_x = operation.passes
    if operation.unit == "conv" and operation.each_word_alone:
        single = np.zeros((count, passes_y, passes_x, 1, word, word), np.int8)
        padded = np.zeros((count * word, passes_y, passes_x), np.int8)
        padded[: weights.shape[0]] = weights
        diagonal = np.arange(word)
        single[:, :, :, 0, diagonal, diagonal] = padded.reshape(count, word, passes_y, passes_x).transpose(0, 2, 3, 1)
        return single.view(np.uint8)
    if operation.unit == "conv":
        chunks = operation.x.pixel_words(word)
        padded = np.zeros((count * chip.columns, passes_y, passes_x, chunks * word), np.int8)
        padded[: weights.shape[0], :, :, : weights.shape[3]] = weights
        sets = padded.reshape(count, chip.columns, passes_y, passes_x, chunks, word).transpose(0, 2, 3, 4, 1, 5)
        return np.ascontiguousarray(sets).view(np.uint8)
    height, width = operation.cut
    padded = np.zeros((count * word, passes_y * height, passes_x * width), np.int8)
    padded[: weights.shape[0], : weights.shape[1], : weights.shape[2]] = weights
    taps = padded.reshape(count, word, passes_y, height, passes_x, width).transpose(0, 2, 4, 1, 5, 3)
    # Column by column, the newest word first: the reverse of the order in which the taps are read.
    newest_first = taps.reshape(count, passes_y, passes_x, word, width * height)[..., ::-1]
    sets = np.zeros((count, passes_y, passes_x, 1, word, word), np.int8)
    sets[:, :, :, 0, :, : width * height] = newest_first
    return sets.view(np.uint8)
