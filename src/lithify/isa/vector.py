"""What the vector unit executes: the table of a micro-operation's fields, and those of the instruction that runs them.

A micro-operation is `second(f32(a * b), c)` on a strip of 64 elements, a division of a register, or an operation on
scalars. docs/vector.md says what each does.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.chip.vector import DIVISION, PROGRAM_OPERATIONS, REGISTERS, SCALAR, SCALARS, STRIP, TABLE, VectorShape
from lithify.errors import LithifyError
from lithify.isa.addresses import Addresses
from lithify.isa.encoding import Instruction, instruction
from lithify.isa.operations import BY_NAME, Field

MICRO_BYTES = 8


class Second(IntEnum):
    """The second operation, on the product and c; the last three stand for the whole micro-operation."""

    ADD = 0
    SUBTRACT = 1
    REVERSE = 2
    MAXIMUM = 3
    MINIMUM = 4
    LESS = 5
    EQUAL = 6
    SELECT = 7
    SIGNED = 8
    ROUND = 9
    EXPONENT = 10
    SIGNIFICAND = 11
    DIVIDE = 12
    SCALAR_DIVIDE = 13
    SCALAR_ROOT = 14


class A(IntEnum):
    """Where the first operand comes from; in an operation on scalars REGISTER is the scalar."""

    ACCUMULATOR = 0
    REGISTER = 1
    CONSTANT = 2
    STREAM = 3


class B(IntEnum):
    """Where the second operand comes from; in a division of a register REGISTER is the one that is written."""

    ONE = 0
    CONSTANT = 1
    REGISTER = 2
    SCALAR = 3
    ACCUMULATOR = 4


class C(IntEnum):
    """Where the third operand comes from. NOTHING is -0, which added changes nothing; FOLDED: see `fold`."""

    NOTHING = 0
    CONSTANT = 1
    REGISTER = 2
    SCALAR = 3
    ACCUMULATOR = 4
    FOLDED = 5


class Format(IntEnum):
    """Of a stream's elements in the scratchpad; NONE: the program does not use the stream."""

    INT8 = 0
    INT32 = 1
    FLOAT32 = 2
    NONE = 3

    @property
    def bytes(self) -> int:
        """Bytes of an element."""
        return 1 if self is Format.INT8 else 4


MICRO_FIELDS: tuple[Field, ...] = (
    Field("constant", 32, "The constant, wherever an operand is CONSTANT.", "float32"),
    Field("second", 4, "The second operation."),
    Field("a", 2, "Source of a."),
    Field("b", 3, "Source of b."),
    Field("c", 3, "Source of c."),
    Field(
        "register",
        3,
        "The register that is read; where c = FOLDED, n above 0: element i of the accumulator is combined with element "
        "i + 2^(n-1).",
    ),
    Field("scalar", 2, "The scalar that is read."),
    Field("scale", 1, "The product is a * 2^rint(b).", "flag"),
    Field("first", 1, "A loop over the strips of the row begins here.", "flag"),
    Field("last", 1, "The loop ends here.", "flag"),
    Field("present", 1, "SELECT chooses by whether the row has the element, not by the mask.", "flag"),
    Field("set_mask", 1, "The results, of LESS or EQUAL, are the mask from now on.", "flag"),
    Field("write", 1, "The results go to the register `target`.", "flag"),
    Field("target", 3, "The register, or the scalar, that is written."),
    Field("to_scalar", 1, "The first element goes to the scalar `target`.", "flag"),
    Field("stream", 2, "The stream that a = STREAM reads: 0 x, 1 w, 2 v, 3 x as the table says."),
    Field("read_strip", 1, "The register that is read is `register` + the strip's number.", "flag"),
    Field("write_strip", 1, "The register that is written is `target` + the strip's number.", "flag"),
    Field("store", 1, "The results go to the output stream.", "flag"),
)
"""The fields of a micro-operation in their order; 64 bits."""

assert sum(entry.bits for entry in MICRO_FIELDS) == 8 * MICRO_BYTES

INPUTS = ("x", "w", "v")
"""The streams that are read, in the order of their numbers."""

TABULATED = len(INPUTS)
"""The number of the stream of x's elements, each looked up in the table."""

VECTOR = BY_NAME["VECTOR"]
"""The instruction."""

VECTOR_FIELDS: tuple[Field, ...] = tuple(
    entry for entry in VECTOR.fields if entry.name not in ("opcode", "when", "wait", "signal", "row_cycles")
)
"""The fields of the instruction that the unit reads."""

_STREAM = ("address", "row_words", "format", "zero_point")


@dataclass(frozen=True)
class Micro:
    """A micro-operation; see `MICRO_FIELDS`. The defaults pass the accumulator on.

    fold: n, for c = FOLDED, which reads no register; it stands in the bits of `register`.
    """

    second: Second = Second.ADD
    a: A = A.ACCUMULATOR
    b: B = B.ONE
    c: C = C.NOTHING
    constant: float = 0.0
    register: int = 0
    scalar: int = 0
    scale: int = 0
    first: int = 0
    last: int = 0
    present: int = 0
    set_mask: int = 0
    fold: int = 0
    write: int = 0
    target: int = 0
    to_scalar: int = 0
    stream: int = 0
    read_strip: int = 0
    write_strip: int = 0
    store: int = 0

    @property
    def lane(self) -> bool:
        """Whether the lanes execute it."""
        return self.second < Second.DIVIDE

    @property
    def folded(self) -> int:
        """The distance, in elements, of a fold; 0 for none."""
        return 1 << self.fold >> 1

    @property
    def bits(self) -> int:
        """The 64 bits."""
        word = position = 0
        assert not (self.fold and self.register), "a fold reads no register"
        for entry in MICRO_FIELDS:
            value = self.fold if entry.name == "register" and self.fold else getattr(self, entry.name)
            raw = struct.unpack("<I", struct.pack("<f", value))[0] if entry.kind == "float32" else int(value)
            assert 0 <= raw < 1 << entry.bits, f"{entry.name} is {value}"
            word |= raw << position
            position += entry.bits
        return word


assert {entry.name for entry in MICRO_FIELDS} | {"fold"} == {entry.name for entry in fields(Micro)}


@dataclass(frozen=True)
class Stream:
    """A tensor in the scratchpad: rows of elements, from a word's first byte on."""

    address: int = 0
    row_words: int = 0
    format: Format = Format.INT8
    zero_point: int = 0


@dataclass(frozen=True)
class VectorInstruction:
    """A program and what it runs over. v_address, v_format: of `v`. minimum, maximum: of an int8 result.

    table: whether a table follows the program, in which x is looked up.
    """

    program: int
    rows: int
    columns: int
    operations: tuple[Micro, ...]
    x: Stream = field(default_factory=Stream)
    w: Stream = field(default_factory=Stream)
    y: Stream = field(default_factory=Stream)
    minimum: int = -128
    maximum: int = 127
    v_address: int = 0
    v_format: Format = Format.NONE
    table: bool = False

    @property
    def v(self) -> Stream:
        """The third input: its rows lie as far apart as those of w, and it has w's zero point."""
        return Stream(self.v_address, self.w.row_words, self.v_format, self.w.zero_point)

    @property
    def strips(self) -> int:
        """Strips of a row; the last may be shorter."""
        return -(-self.columns // STRIP)

    @property
    def values(self) -> dict[str, int]:
        """The values of `VECTOR_FIELDS`."""
        streams = {f"{name}_{part}": int(getattr(getattr(self, name), part)) for name in "xwy" for part in _STREAM}
        own = {"program": self.program, "operations": len(self.operations), "rows": self.rows, "columns": self.columns}
        third = {"v_address": self.v_address, "v_format": int(self.v_format)}
        return own | streams | third | {"table": int(self.table)} | {"minimum": self.minimum, "maximum": self.maximum}

    def row_cycles(self, shape: VectorShape) -> int:
        """Cycles of a row on a unit: those of its micro-operations, in loops as often as the row has strips."""
        total, inside = 0, False
        for entry in self.operations:
            inside |= bool(entry.first)
            total += micro_cycles(shape, entry) * (self.strips if inside else 1)
            inside &= not entry.last
        return total

    def encoded(self, shape: VectorShape, wait: int = 0, signal: int = 0) -> Instruction:
        """The instruction; its program is `encode_program(operations)`, at the scratchpad address `program`."""
        return instruction("VECTOR", wait=wait, signal=signal, row_cycles=self.row_cycles(shape), **self.values)


def vector_instruction(entry: Instruction, program: bytes) -> VectorInstruction:
    """What an instruction and the bytes of its program say; raises LithifyError for micro-operations that are none."""
    value = entry.integer
    streams = {
        name: Stream(
            value(f"{name}_address"), value(f"{name}_row_words"), Format(value(f"{name}_format")),
            value(f"{name}_zero_point"),
        )
        for name in "xwy"
    }  # fmt: skip
    return VectorInstruction(
        value("program"), value("rows"), value("columns"), decode_program(program, value("operations")), **streams,
        minimum=value("minimum"), maximum=value("maximum"), v_address=value("v_address"),
        v_format=Format(value("v_format")), table=bool(value("table")),
    )  # fmt: skip


def program_addresses(shape: VectorShape, entry: Instruction) -> Addresses:
    """Scratchpad words of the program of a VECTOR instruction, and of its table."""
    words = program_words(shape, entry.integer("operations"), bool(entry.integer("table")))
    return entry.integer("program") + np.arange(words, dtype=np.int32)


def program_words(shape: VectorShape, operations: int, table: bool) -> int:
    """Scratchpad words of a program of so many micro-operations, and of its table where it has one."""
    return -(-operations * MICRO_BYTES // shape.word_bytes) + table * TABLE * 4 // shape.word_bytes


def stream_addresses(shape: VectorShape, entry: Instruction, name: str) -> Addresses:
    """Scratchpad words of the stream "x", "w", "v" or "y" of a VECTOR instruction: [rows, words of a row]; or none."""
    value = entry.integer
    form = Format(value(f"{name}_format"))
    if form is Format.NONE:
        return np.empty((0, 0), np.int32)
    row = np.arange(value("rows"), dtype=np.int32)[:, None] * value(f"{'w' if name == 'v' else name}_row_words")
    words = np.arange(-(-value("columns") * form.bytes // shape.word_bytes), dtype=np.int32)
    addresses: Addresses = value(f"{name}_address") + row + words
    return addresses


def micro_cycles(shape: VectorShape, entry: Micro) -> int:
    """Cycles from the start of a micro-operation to that of the next."""
    if entry.second is Second.DIVIDE:
        return DIVISION
    if not entry.lane:
        return SCALAR
    return shape.period + entry.folded // shape.lanes


def encode_program(operations: Iterable[Micro]) -> bytes:
    """The program's bytes, as they lie in the scratchpad."""
    return b"".join(entry.bits.to_bytes(MICRO_BYTES, "little") for entry in operations)


def encode_with_table(shape: VectorShape, operations: Iterable[Micro], table: NDArray[np.float32] | None) -> bytes:
    """The program's bytes in whole words and its table's, as they lie in the scratchpad.

    table: [256], for the values -128 to 127; None: there is none.
    """
    program = encode_program(operations)
    program = program.ljust(-(-len(program) // shape.word_bytes) * shape.word_bytes, b"\0")
    return program if table is None else program + np.ascontiguousarray(table, "<f4").tobytes()


def decode_program(program: bytes, count: int) -> tuple[Micro, ...]:
    """The micro-operations of a program's bytes; raises LithifyError for a value that a field does not have."""
    kinds: dict[str, type[IntEnum]] = {"second": Second, "a": A, "b": B, "c": C}
    entries = []
    for number in range(count):
        word = int.from_bytes(program[number * MICRO_BYTES : (number + 1) * MICRO_BYTES], "little")
        values: dict[str, Any] = {}
        for entry in MICRO_FIELDS:
            raw, word = word & ((1 << entry.bits) - 1), word >> entry.bits
            if entry.kind == "float32":
                values[entry.name] = struct.unpack("<f", struct.pack("<I", raw))[0]
            elif entry.name not in kinds:
                values[entry.name] = raw
            elif raw in set(kinds[entry.name]):
                values[entry.name] = kinds[entry.name](raw)
            else:
                raise _refuse(number, f"has {entry.name} {raw}, of which there is none")
        if values["c"] is C.FOLDED:
            values["fold"], values["register"] = values["register"], 0
        entries.append(Micro(**values))
    return tuple(entries)


def check_program(operations: tuple[Micro, ...], strips: int = 1) -> None:
    """Raises LithifyError for a program that the unit does not run as it is meant on rows of so many strips.

    In each row, registers, scalars and the mask are written before they are read, and the accumulator is taken from
    the micro-operation just before: so rows are independent, and nothing depends on what the unit did earlier.
    """
    if not 1 <= len(operations) <= PROGRAM_OPERATIONS:
        raise LithifyError(
            f"A vector program has {len(operations)} micro-operations; it must have 1 to {PROGRAM_OPERATIONS}."
        )
    known: set[str] = set()
    left: int = 0  # elements of the accumulator that mean something
    start: int | None = None
    for number, entry in enumerate(operations):
        if entry.first:
            if start is not None:
                raise _refuse(number, "begins a loop inside a loop")
            start = number
        left = _check_operation(number, entry, known, left, 0)
        if entry.last:
            if start is None:
                raise _refuse(number, "ends a loop that has not begun")
            # The accumulator comes round from the loop's end to its start.
            if _takes_accumulator(operations[start]) and not (entry.lane and left == STRIP):
                raise _refuse(start, "takes the accumulator at the start of a loop, where its end does not leave one")
            body = operations[start : number + 1]
            # What the later strips know that the first did not is only what is numbered by the strip.
            if any(other.read_strip or other.write_strip for other in body):
                for strip in range(1, strips):
                    for at, other in enumerate(body, start):
                        left = _check_operation(at, other, known, left, strip)
            start = None
    if start is not None:
        raise _refuse(start, "begins a loop that does not end")


def _refuse(number: int, problem: str) -> LithifyError:
    return LithifyError(f"Micro-operation {number} {problem}.")


def _takes_accumulator(entry: Micro) -> bool:
    return entry.lane and (entry.a is A.ACCUMULATOR or entry.b is B.ACCUMULATOR or entry.c is C.ACCUMULATOR)


def _check_operation(number: int, entry: Micro, known: set[str], left: int, strip: int) -> int:
    """Checks a micro-operation; adds to `known` what it writes; the elements it leaves in the accumulator."""
    register, target = entry.register + strip * entry.read_strip, entry.target + strip * entry.write_strip
    if max(register, target) >= REGISTERS:
        raise _refuse(number, f"has register {max(register, target)} for strip {strip}; there are {REGISTERS}")
    scalars = entry.second in (Second.SCALAR_DIVIDE, Second.SCALAR_ROOT)
    if entry.write_strip and (entry.to_scalar or scalars):
        raise _refuse(number, "writes a scalar, and numbers what it writes by the strip")
    if scalars:
        if entry.a not in (A.REGISTER, A.CONSTANT) or entry.b not in (B.ONE, B.SCALAR, B.CONSTANT):
            raise _refuse(number, "is on scalars, and takes something else")
        reads = [f"scalar {entry.scalar}"] * (entry.a is A.REGISTER or entry.b is B.SCALAR)
    elif entry.second is Second.DIVIDE:
        if entry.a is not A.REGISTER or entry.b not in (B.SCALAR, B.CONSTANT, B.REGISTER):
            raise _refuse(number, "divides, which is a register by a scalar, a constant or the target")
        reads = [f"register {register}"] + [f"scalar {entry.scalar}"] * (entry.b is B.SCALAR)
        reads += [f"register {target}"] * (entry.b is B.REGISTER)
    else:
        reads = [f"register {register}"] * (entry.a is A.REGISTER or entry.b is B.REGISTER or entry.c is C.REGISTER)
        reads += [f"scalar {entry.scalar}"] * (entry.b is B.SCALAR or entry.c is C.SCALAR)
        reads += ["mask"] * (entry.second is Second.SELECT and not entry.present)
    for name in reads:
        if name not in known:
            raise _refuse(number, f"reads {name}, which nothing before it in the row has written")
    if entry.fold or entry.c is C.FOLDED:
        combines = entry.second in (Second.ADD, Second.MAXIMUM, Second.MINIMUM)
        plain = entry.a is A.ACCUMULATOR and entry.b is B.ONE and entry.c is C.FOLDED and entry.fold and not entry.scale
        if not (combines and plain):
            raise _refuse(number, "folds, which is the accumulator with itself by ADD, MAXIMUM or MINIMUM")
        if left < 2 * entry.folded:
            raise _refuse(number, f"folds {2 * entry.folded} elements, of which {left} are there")
        left = entry.folded
    elif _takes_accumulator(entry) and left == 0:
        raise _refuse(number, "takes the accumulator, which the one before it did not leave")
    elif entry.lane and not _takes_accumulator(entry):
        left = STRIP
    if entry.lane and (entry.write or entry.set_mask or entry.store) and left < STRIP:
        raise _refuse(number, f"writes a strip of which {left} elements are there")
    if not entry.lane and (entry.write or entry.set_mask or entry.store or entry.to_scalar):
        raise _refuse(number, "is no operation of the lanes; where its result goes is fixed")
    if entry.lane and entry.to_scalar and f"scalar {entry.target % SCALARS}" in reads:
        raise _refuse(number, "reads the scalar that its first element goes to")
    if entry.set_mask and entry.second not in (Second.LESS, Second.EQUAL):
        raise _refuse(number, "sets the mask, and is neither LESS nor EQUAL")
    if entry.write or entry.second is Second.DIVIDE:
        known.add(f"register {target}")
    if entry.to_scalar or scalars:
        known.add(f"scalar {entry.target % SCALARS}")
    if entry.set_mask:
        known.add("mask")
    return left if entry.lane else 0
