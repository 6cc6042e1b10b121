"""Instructions to bytes and back, from the table alone."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lithify.errors import LithifyError
from lithify.isa.operations import BY_NAME, BY_OPCODE, GRANULE_BYTES, OPERATIONS, Field, Operation

Value = int | float

OPCODES = 1 << BY_NAME["END"].fields[0].bits
"""How many opcodes there can be."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: an operation and a value for every field but the opcode (missing fields are 0).

    Integers lie in the field's range; float32 fields hold a Python float that float32 represents exactly.
    """

    operation: Operation
    values: Mapping[str, Value]

    def __getitem__(self, field: str) -> Value:
        return self.values.get(field, 0)

    def integer(self, field: str) -> int:
        """The value of an integer field."""
        return int(self.values.get(field, 0))


def instruction(name: str, **values: Value) -> Instruction:
    """An instruction by the name of its operation, with its fields checked."""
    operation = BY_NAME[name]
    known = _FIELDS[operation.opcode]
    for key, value in values.items():
        if key not in known or key == "opcode":
            raise LithifyError(f"{name} has no field '{key}'; its fields are {', '.join(known)}.")
        field, _, low, high = known[key]
        if not (isinstance(value, int) and low <= value <= high):
            to_bits(field, value)
    return Instruction(operation, values)


def value_range(field: Field) -> tuple[int, int]:
    """Smallest and largest integer of a field."""
    if field.kind == "signed":
        return -(1 << (field.bits - 1)), (1 << (field.bits - 1)) - 1
    return 0, (1 << field.bits) - 1


def to_bits(field: Field, value: Value) -> int:
    """The field's bits for a value; LithifyError if it does not fit."""
    if field.kind == "float32":
        return int(struct.unpack("<I", struct.pack("<f", value))[0])
    low, high = value_range(field)
    if int(value) != value or not low <= value <= high:
        raise LithifyError(f"Field '{field.name}' is {value}, but holds whole numbers from {low} to {high}.")
    return int(value) & ((1 << field.bits) - 1)


def from_bits(field: Field, bits: int) -> Value:
    """The value that the field's bits stand for."""
    if field.kind == "float32":
        return float(struct.unpack("<f", struct.pack("<I", bits))[0])
    if field.kind == "signed" and bits >> (field.bits - 1):
        return bits - (1 << field.bits)
    return bits


_FIELDS = {
    operation.opcode: {
        field.name: (field, offset, *((0, -1) if field.kind == "float32" else value_range(field)))
        for field, offset in zip(operation.fields, operation.offsets.values(), strict=True)
    }
    for operation in OPERATIONS
}
"""By opcode and name every field, its offset, and its smallest and largest integer; of a float32 none."""


def encode(instructions: Iterable[Instruction]) -> bytes:
    """The program's instruction bytes."""
    parts = []
    for entry in instructions:
        operation, fields = entry.operation, _FIELDS[entry.operation.opcode]
        word = operation.opcode << fields["opcode"][1]
        for name, value in entry.values.items():
            if name not in fields or name == "opcode":
                continue
            field, offset, _, high = fields[name]
            # Nearly all are whole numbers whose bits they are.
            bits = value if isinstance(value, int) and 0 <= value <= high else to_bits(field, value)
            word |= bits << offset
        parts.append(word.to_bytes(operation.granules * GRANULE_BYTES, "little"))
    return b"".join(parts)


_LAYOUTS = {
    operation.opcode: tuple(
        (field.name, field if field.kind in ("float32", "signed") else None, operation.offsets[field.name],
         (1 << field.bits) - 1)
        for field in operation.fields
        if field.name != "opcode"
    )
    for operation in OPERATIONS
}  # fmt: skip
"""By opcode every field behind the opcode: name, the field where its bits are not its value, offset, mask."""


def decode(data: bytes) -> Iterator[Instruction]:
    """The instructions of a program up to and including END; LithifyError on bytes that are none."""
    position = 0
    while position < len(data):
        opcode = data[position] & OPCODES - 1
        operation = BY_OPCODE.get(opcode)
        if operation is None:
            raise LithifyError(f"Byte {position} of the program is no instruction: opcode {opcode} is unknown.")
        size = operation.granules * GRANULE_BYTES
        if position + size > len(data):
            raise LithifyError(f"The program ends inside the {operation.name} instruction at byte {position}.")
        word = int.from_bytes(data[position : position + size], "little")
        values = {
            name: word >> offset & mask if field is None else from_bits(field, word >> offset & mask)
            for name, field, offset, mask in _LAYOUTS[operation.opcode]
        }
        yield Instruction(operation, values)
        if operation.name == "END":
            return
        position += size
    raise LithifyError("The program has no END instruction.")
