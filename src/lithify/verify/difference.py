"""Where two views of a network disagree: layer, tensor, index, both values, and the instruction that wrote it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.isa.listing import instruction_line
from lithify.isa.operations import Queue
from lithify.isa.program import Program
from lithify.isa.sequence import all_instructions
from lithify.runtime.memory import image_shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Difference:
    """One value that `judge` and `judged` do not share.

    input: which of the verified inputs. index: in the layout of ONNX. instruction: its listing; "" for what no
    instruction wrote.
    """

    input: int
    layer: str
    tensor: str
    index: tuple[int, ...]
    judge: str
    expected: float
    judged: str
    found: float
    instruction: str = ""

    @property
    def sentence(self) -> str:
        """The difference in one sentence."""
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        wrote = f"; written by instruction {self.instruction}" if self.instruction else ""
        return (
            f"Input {self.input}, layer '{self.layer}', tensor '{self.tensor}'{place}: "
            f"{self.expected:g} in the {self.judge}, {self.found:g} in the {self.judged}{wrote}."
        )


def unequal(one: Array, other: Array) -> NDArray[np.bool_]:
    """Where two arrays of one shape and type differ in their bits' meaning: NaN equals NaN, -0 does not equal 0."""
    if one.dtype.kind != "f":
        return np.asarray(one != other)
    same = (one == other) & (np.signbit(one) == np.signbit(other))
    return np.asarray(~(same | (np.isnan(one) & np.isnan(other))))


def writer_of(program: Program, tensor: str, index: tuple[int, ...]) -> tuple[str, str]:
    """Layer and listing of the instruction that wrote an element of a tensor last; ("", "") where none did."""
    if tensor not in program.tensors:
        return "", ""
    shape = program.tensors[tensor].shape
    if len(shape) == 4:
        place = (index[0] * shape[2] + index[2], index[3], index[1])
    else:
        _, _, channels = image_shape(shape)
        flat = int(np.ravel_multi_index(index, shape)) if shape else 0
        place = (0, flat // channels, flat % channels)
    instructions = all_instructions(program)
    for result in reversed(program.results):
        instruction = instructions[result.instruction]
        if result.tensor != tensor:
            continue
        if instruction.operation.queue is Queue.VECTOR:
            _, width, _ = image_shape(shape)
            row = (place[0] - result.y) * width + place[1] - result.x
            channel = place[2] - result.channel
            if 0 <= row < instruction.integer("rows") and 0 <= channel < instruction.integer("columns"):
                return result.layer, instruction_text(program, result.instruction)
            continue
        if instruction.operation.queue is not Queue.COMPUTE:
            continue
        words = (instruction.integer("groups") - 1) * instruction.integer("group_words")
        words += instruction.integer("last_group_words")
        size = (
            instruction.integer("out_height"),
            instruction.integer("out_width"),
            words * program.chip.word_bytes,
        )
        from_start = (place[0] - result.y, place[1] - result.x, place[2] - result.channel)
        steps = (result.step_y, result.step_x, 1)
        if all(
            0 <= at < extent * step and at % step == 0 for at, extent, step in zip(from_start, size, steps, strict=True)
        ):
            return result.layer, instruction_text(program, result.instruction)
    return "", ""


def instruction_text(program: Program, index: int) -> str:
    """The listing line of an instruction, with its index in the program's list."""
    return " ".join(instruction_line(index, all_instructions(program)[index]).split())
