"""The result stream of a chip segment, element by element: to which tensor, place and instruction a word belongs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.addresses import positions, result_count
from lithify.isa.encoding import Instruction
from lithify.isa.operations import Queue
from lithify.isa.program import ChipSegment, Program, Result
from lithify.isa.sequence import first_instruction, segment_instructions
from lithify.isa.stream import ResultStream
from lithify.isa.vector import stream_addresses
from lithify.runtime.memory import from_image, image_shape


@dataclass(frozen=True)
class Scattered:
    """A tensor as a stream wrote it. data, covered: the tensor's shape in ONNX; where `covered` is False data is 0."""

    data: NDArray[np.int8]
    covered: NDArray[np.bool_]


@dataclass(frozen=True)
class Element:
    """Where one byte of a result word belongs.

    instruction: index in the program's list. index: into the tensor in the layout of ONNX; None for a byte that is no
    element (the rest of a last word of channels).
    """

    instruction: int
    operation: str
    layer: str
    tensor: str
    index: tuple[int, ...] | None


@dataclass(frozen=True)
class _Writer:
    """An instruction that writes, and which words of the segment's stream are its."""

    result: Result
    instruction: Instruction
    start: int
    count: int


def scatter(program: Program, segment: ChipSegment, stream: ResultStream) -> dict[str, Scattered]:
    """Every tensor that the segment's compute and vector instructions wrote, by name.

    Raises LithifyError if the stream has not as many words as the segment's instructions write.
    """
    expected = _words(program, segment)
    if len(stream.words) != expected:
        raise LithifyError(
            f"The result stream of segment '{segment.name}' has {len(stream.words)} words, "
            f"but its instructions write {expected}."
        )
    images: dict[str, tuple[NDArray[np.int8], NDArray[np.bool_]]] = {}
    for writer in _writers(program, segment):
        name = writer.result.tensor
        if name not in images:
            shape = image_shape(program.tensors[name].shape)
            images[name] = np.zeros(shape, np.int8), np.zeros(shape, np.bool_)
        data, covered = images[name]
        words = stream.words[writer.start : writer.start + writer.count]
        result = writer.result
        if writer.instruction.operation.queue is Queue.VECTOR:
            rows, columns = (writer.instruction.integer(field) for field in ("rows", "columns"))
            _, width, channels = data.shape
            first = result.y * width + result.x
            together = _pixels_together(columns, channels, words.shape[1])
            rows, columns = rows * together, columns // together
            pixels = slice(first, first + rows), slice(result.channel, result.channel + columns)
            part = data.reshape(-1, channels)[pixels]
            part[:] = words.reshape(rows, -1)[: part.shape[0], : part.shape[1]]
            covered.reshape(-1, channels)[pixels] = True
            continue
        block = _block(writer.instruction, words)
        target = (
            slice(result.y, None, result.step_y),
            slice(result.x, None, result.step_x),
            slice(result.channel, None),
        )
        # Channels beyond the tensor's fill its last word.
        height, width, channels = (min(a, b) for a, b in zip(data[target].shape, block.shape, strict=True))
        data[target][:height, :width, :channels] = block[:height, :width, :channels]
        covered[target][:height, :width, :channels] = True
    return {
        name: Scattered(from_image(data, program.tensors[name].shape), from_image(covered, program.tensors[name].shape))
        for name, (data, covered) in images.items()
    }


def element_of(program: Program, segment: ChipSegment, word: int, byte: int) -> Element:
    """To what byte `byte` of word `word` of the segment's result stream belongs."""
    for writer in _writers(program, segment):
        if word < writer.start + writer.count:
            return _element(program, writer, word - writer.start, byte)
    raise LithifyError(
        f"The result stream of segment '{segment.name}' has no word {word}; "
        f"its instructions write {_words(program, segment)}."
    )


def _element(program: Program, writer: _Writer, word: int, byte: int) -> Element:
    value = writer.instruction.integer
    word_bytes = program.chip.word_bytes
    shape = program.tensors[writer.result.tensor].shape
    height, width, channels = image_shape(shape)
    if writer.instruction.operation.queue is Queue.VECTOR:
        together = _pixels_together(value("columns"), channels, word_bytes)
        row, word = divmod(word, writer.count // (value("rows") * together))
        y, x = divmod(writer.result.y * width + writer.result.x + row, width)
        channel = word * word_bytes + byte
        exists = channel < min(channels, value("columns"))
        return _at(writer, (y, x, writer.result.channel + channel) if exists else None, shape)
    places, words = positions(writer.instruction), value("group_words")
    group = min(word // (places * words), value("groups") - 1)
    in_group = words if group < value("groups") - 1 else value("last_group_words")
    place, j = divmod(word - group * places * words, in_group)
    channel = writer.result.channel + (group * words + j) * word_bytes + byte
    y, x = divmod(place, value("out_width"))
    y, x = y * writer.result.step_y + writer.result.y, x * writer.result.step_x + writer.result.x
    exists = y < height and x < width and channel < channels
    return _at(writer, (y, x, channel) if exists else None, shape)


def _pixels_together(columns: int, channels: int, word_bytes: int) -> int:
    """Pixels that make a row of a vector instruction: several where it treats all of their elements alike."""
    return max(1, columns // (-(-channels // word_bytes) * word_bytes)) if columns > channels else 1


def _at(writer: _Writer, place: tuple[int, int, int] | None, shape: tuple[int, ...]) -> Element:
    """The element at (y, x, channel) of the image of a tensor; None: it is none."""
    index: tuple[int, ...] | None = None
    if place is not None:
        y, x, channel = place
        if len(shape) == 4:
            index = (y // shape[2], channel, y % shape[2], x)
        else:
            flat = x * image_shape(shape)[2] + channel
            index = tuple(int(entry) for entry in np.unravel_index(flat, shape)) if shape else ()
    result = writer.result
    return Element(result.instruction, writer.instruction.operation.name, result.layer, result.tensor, index)


def _writers(program: Program, segment: ChipSegment) -> Iterator[_Writer]:
    results: Mapping[int, Result] = {result.instruction: result for result in program.results}
    first, start = first_instruction(program, segment), 0
    instructions = list(enumerate(segment_instructions(program, segment), first))
    for queue in (Queue.COMPUTE, Queue.VECTOR):
        for number, instruction in instructions:
            count = _count(program, instruction) if instruction.operation.queue is queue else 0
            if count == 0:
                continue
            if number not in results:
                raise LithifyError(
                    f"The program '{program.name}' does not say what its instruction {number} "
                    f"({instruction.operation.name}) writes; compile the network again."
                )
            yield _Writer(results[number], instruction, start, count)
            start += count


def _count(program: Program, instruction: Instruction) -> int:
    """Words that an instruction writes; a vector instruction stores every element of its rows once."""
    if instruction.operation.queue is Queue.COMPUTE:
        return 0 if instruction.integer("keep") else result_count(instruction)
    assert program.chip.vector is not None, "a vector instruction without a vector unit"
    return stream_addresses(program.chip.vector, instruction, "y").size


def _words(program: Program, segment: ChipSegment) -> int:
    return sum(writer.count for writer in _writers(program, segment))


def _block(instruction: Instruction, words: NDArray[np.int8]) -> NDArray[np.int8]:
    """The words of one instruction, in order of writing, as [height, width, channels]."""
    value = instruction.integer
    places, word_bytes = positions(instruction), words.shape[1]
    whole = (value("groups") - 1) * places * value("group_words")
    first = words[:whole].reshape(value("groups") - 1, places, value("group_words") * word_bytes)
    last = words[whole:].reshape(places, value("last_group_words") * word_bytes)
    block = np.concatenate([first.transpose(1, 0, 2).reshape(places, -1), last], axis=1)
    return block.reshape(value("out_height"), value("out_width"), -1)
