"""What a vector instruction writes: its micro-operations in numpy, all rows at once."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.chip.vector import SCALARS, STRIP, TABLE, VectorShape
from lithify.errors import LithifyError
from lithify.isa.addresses import Addresses
from lithify.isa.checks import refuse
from lithify.isa.encoding import Instruction
from lithify.isa.operations import Queue
from lithify.isa.stream import ResultStream
from lithify.isa.vector import (
    INPUTS,
    TABULATED,
    A,
    B,
    C,
    Format,
    Micro,
    Second,
    Stream,
    VectorInstruction,
    check_program,
    program_addresses,
    program_words,
    stream_addresses,
    vector_instruction,
)
from lithify.reference.arithmetic import round_to_int8
from lithify.reference.float32 import PRIMITIVES, Values, flushed
from lithify.sim.functional.memory import block, check_words
from lithify.sim.functional.state import State, Written

ONE, NOTHING = np.float32(1), np.float32(-0.0)


@dataclass
class _State:
    """Of every row: registers, scalars, mask, accumulator [rows, 64]; strip: which one."""

    accumulator: Values
    registers: dict[int, Values] = field(default_factory=dict)
    scalars: dict[int, Values] = field(default_factory=dict)
    mask: Values | None = None
    strip: int = 0


@dataclass(frozen=True)
class Vector:
    """A VECTOR instruction, prepared. program: words of its program; target: words that it may write."""

    index: int
    instruction: Instruction
    shape: VectorShape
    program: slice
    target: Addresses

    @classmethod
    def of(cls, chip: Chip, index: int, instruction: Instruction) -> Self:
        """Checks where it reads and writes."""
        shape = chip.vector
        assert shape is not None, "checked before: the chip has the unit"
        roles = {"x": "reads its first input", "w": "reads its second input", "v": "reads its third input",
                 "y": "writes its output"}  # fmt: skip
        for name, role in roles.items():
            check_words(chip, index, instruction, stream_addresses(shape, instruction, name), role)
        words = program_addresses(shape, instruction)
        program = block(chip, index, instruction, int(words[0]), words.size, "reads its program")
        return cls(index, instruction, shape, program, stream_addresses(shape, instruction, "y").ravel())

    def run(self, state: State) -> None:
        """Reads the program, which is data of the scratchpad, and writes its results."""
        data = state.scratchpad.data
        try:
            entry = vector_instruction(self.instruction, data[self.program].tobytes())
            check_program(entry.operations, entry.strips)
        except LithifyError as error:
            raise LithifyError(f"Instruction {self.index} (VECTOR) has no valid program. {error}") from None
        cycles = entry.row_cycles(self.shape)
        if cycles != self.instruction.integer("row_cycles"):
            problem = f"has row_cycles {self.instruction.integer('row_cycles')}"
            raise refuse(self.index, self.instruction, problem, f"its program takes {cycles} cycles a row")
        for name, used in _used(entry):
            if used and self.instruction.integer(f"{name}_format") == Format.NONE:
                raise refuse(self.index, self.instruction, f"uses {name}", f"its {name}_format says that there is none")
        if TABULATED in _reads(entry) and not entry.table:
            raise refuse(self.index, self.instruction, "looks its first input up in a table", "it brings none")
        written = run_vector(self.shape, entry, data)
        data[written.addresses] = written.words
        if state.written is not None:
            state.written.append(Written(self.index, written, Queue.VECTOR))


def _used(entry: VectorInstruction) -> tuple[tuple[str, bool], ...]:
    inputs = ((name, number in _reads(entry)) for number, name in enumerate(INPUTS))
    return *inputs, ("y", any(micro.store for micro in entry.operations))


def _reads(entry: VectorInstruction) -> set[int]:
    """The streams that its program reads."""
    return {micro.stream for micro in entry.operations if micro.lane and micro.a is A.STREAM}


def run_vector(shape: VectorShape, instruction: VectorInstruction, words: NDArray[np.int8]) -> ResultStream:
    """The words that the instruction writes, in order, from the scratchpad's words [n, word bytes]; it changes none.

    Raises LithifyError for a program that is not one (`check_program`).
    """
    check_program(instruction.operations, instruction.strips)
    state = _State(np.full((instruction.rows, STRIP), np.nan, np.float32))
    stored: list[tuple[int, int, NDArray[np.int8]]] = []  # step, strip, [rows, strip bytes]
    operations = instruction.operations
    at = start = step = 0
    while at < len(operations):
        entry = operations[at]
        if entry.first and state.strip == 0:
            start = at
        _execute(shape, instruction, words, entry, state)
        if entry.store:
            stored.append((step, state.strip, _bytes(instruction, state.accumulator)))
        step += 1
        if entry.last and state.strip < instruction.strips - 1:
            state.strip += 1
            at = start
            continue
        if entry.last:
            state.strip = 0
        at += 1
    return _written(shape, instruction, stored)


def _execute(
    shape: VectorShape, instruction: VectorInstruction, words: NDArray[np.int8], entry: Micro, state: _State
) -> None:
    if not entry.lane:
        _divide(entry, state)
        return
    a = _stream(shape, instruction, words, entry, state.strip) if entry.a is A.STREAM else _a(entry, state)
    name = "scale" if entry.scale else "multiply"
    product = PRIMITIVES[name].meaning(a, _b(entry, state))
    result = _second(instruction, entry, state, product)
    state.accumulator = result
    if entry.write:
        state.registers[entry.target + state.strip * entry.write_strip] = result
    if entry.set_mask:
        state.mask = result
    if entry.to_scalar:
        state.scalars[entry.target % SCALARS] = result[:, :1]


def _divide(entry: Micro, state: _State) -> None:
    if entry.second is Second.DIVIDE:
        target = entry.target + state.strip * entry.write_strip
        divisor = state.registers[target] if entry.b is B.REGISTER else _b(entry, state)
        state.registers[target] = PRIMITIVES["divide"].meaning(_register(entry, state), divisor)
        return
    a = state.scalars[entry.scalar] if entry.a is A.REGISTER else np.float32(entry.constant)
    if entry.second is Second.SCALAR_ROOT:
        result = PRIMITIVES["square_root"].meaning(a)
    else:
        result = PRIMITIVES["divide"].meaning(a, _b(entry, state))
    state.scalars[entry.target % SCALARS] = np.broadcast_to(result, (len(state.accumulator), 1))


def _a(entry: Micro, state: _State) -> Any:
    if entry.a is A.CONSTANT:
        return np.full_like(state.accumulator, entry.constant)
    return _register(entry, state) if entry.a is A.REGISTER else state.accumulator


def _register(entry: Micro, state: _State) -> Values:
    return state.registers[entry.register + state.strip * entry.read_strip]


def _b(entry: Micro, state: _State) -> Any:
    match entry.b:
        case B.ONE:
            return ONE
        case B.CONSTANT:
            return np.float32(entry.constant)
        case B.REGISTER:
            return _register(entry, state)
        case B.SCALAR:
            return state.scalars[entry.scalar]
        case _:
            return state.accumulator


def _c(entry: Micro, state: _State) -> Any:
    match entry.c:
        case C.NOTHING:
            return NOTHING
        case C.CONSTANT:
            return np.float32(entry.constant)
        case C.REGISTER:
            return _register(entry, state)
        case C.SCALAR:
            return state.scalars[entry.scalar]
        case C.ACCUMULATOR:
            return state.accumulator
        case _:
            # Beyond the folded elements there is nothing that a program may use.
            return np.roll(state.accumulator, -entry.folded, axis=1)


def _second(instruction: VectorInstruction, entry: Micro, state: _State, product: Values) -> Values:
    if entry.second in (Second.ROUND, Second.EXPONENT, Second.SIGNIFICAND):
        return PRIMITIVES[entry.second.name.lower()].meaning(product)
    c = np.broadcast_to(_c(entry, state), product.shape)
    if entry.second is Second.REVERSE:
        return PRIMITIVES["subtract"].meaning(c, product)
    if entry.second is Second.SELECT:
        there = np.arange(STRIP) < instruction.columns - STRIP * state.strip
        mask = there.astype(np.float32) if entry.present else state.mask
        return PRIMITIVES["select"].meaning(mask, product, c)
    return PRIMITIVES[entry.second.name.lower()].meaning(product, c)


def _stream(
    shape: VectorShape, instruction: VectorInstruction, words: NDArray[np.int8], entry: Micro, strip: int
) -> Values:
    """The elements of a strip of every row; those that the row does not have are +0."""
    tabulated = entry.stream == TABULATED
    source: Stream = instruction.x if tabulated else getattr(instruction, INPUTS[entry.stream])
    size = source.format.bytes
    count = min(STRIP, instruction.columns - STRIP * strip)
    word = np.arange(-(-count * size // shape.word_bytes)) + strip * shape.strip_words(size)
    row = np.arange(instruction.rows)[:, None] * source.row_words
    data = words[source.address + row + word].reshape(instruction.rows, -1)[:, : count * size]
    elements = np.zeros((instruction.rows, STRIP), np.float32)
    if tabulated:
        start = instruction.program + program_words(shape, len(instruction.operations), False)
        table = words[start : start + TABLE * 4 // shape.word_bytes].reshape(-1).view("<f4")
        elements[:, :count] = table[data.astype(np.int32) + 128]
    elif source.format is Format.INT8:
        elements[:, :count] = data.astype(np.int32) - source.zero_point
    else:
        kind = "<i4" if source.format is Format.INT32 else "<f4"
        elements[:, :count] = np.ascontiguousarray(data).view(kind).astype(np.float32)
    return flushed(elements)


def _bytes(instruction: VectorInstruction, values: Values) -> NDArray[np.int8]:
    """The bytes of a strip of results in the format of the output."""
    y = instruction.y
    if y.format is Format.INT8:
        return round_to_int8(values, y.zero_point, instruction.minimum, instruction.maximum)
    return np.ascontiguousarray(values).view(np.int8)


def _written(
    shape: VectorShape, instruction: VectorInstruction, stored: list[tuple[int, int, NDArray[np.int8]]]
) -> ResultStream:
    """The words of all rows in the order in which they are written: row by row. Groups that a row lacks are zeros."""
    addresses: list[NDArray[np.int32]] = []
    words: list[NDArray[np.int8]] = []
    size = instruction.y.format.bytes
    for row in range(instruction.rows):
        for _, strip, data in stored:
            count = min(STRIP, instruction.columns - STRIP * strip)
            groups = -(-count // shape.lanes) * shape.lanes * size  # bytes of whole groups
            number = -(-groups // shape.word_bytes)
            line = np.zeros(number * shape.word_bytes, np.int8)
            line[:groups] = data[row, :groups]
            first = instruction.y.address + row * instruction.y.row_words + strip * shape.strip_words(size)
            addresses.append(np.arange(first, first + number, dtype=np.int32))
            words.append(line.reshape(number, shape.word_bytes))
    if not addresses:
        return ResultStream(np.empty(0, np.int32), np.empty((0, shape.word_bytes), np.int8))
    return ResultStream(np.concatenate(addresses), np.concatenate(words))
