"""Instructions to bytes and back."""

import struct

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.isa import BY_NAME, OPERATIONS, Instruction, decode, encode, instruction
from lithify.isa.encoding import value_range


def random_values(operation: str, generator: np.random.Generator) -> dict[str, int | float]:
    values: dict[str, int | float] = {}
    for field in BY_NAME[operation].fields:
        if field.name == "opcode":
            continue
        if field.kind == "float32":
            values[field.name] = float(np.float32(generator.normal()))
        else:
            low, high = value_range(field)
            values[field.name] = int(generator.choice([low, high, int(generator.integers(low, high + 1))]))
    return values


def test_every_field_survives_encoding() -> None:
    generator = np.random.default_rng(0)
    names = [operation.name for operation in OPERATIONS if operation.name != "END"]
    entries = [instruction(name, **random_values(name, generator)) for name in names * 20]
    decoded = list(decode(encode([*entries, instruction("END")])))
    assert [Instruction(entry.operation, dict(entry.values)) for entry in decoded[:-1]] == entries
    assert decoded[-1].operation.name == "END"


def test_fields_lie_where_the_table_says() -> None:
    data = encode([instruction("LOAD", base=5, offset=0x12345678, fill=-1, wait=3, signal=8)])
    assert len(data) == 32
    word = int.from_bytes(data, "little")
    offsets = BY_NAME["LOAD"].offsets
    assert data[0] == 1 and data[1] == 0x83
    assert word >> offsets["base"] & 7 == 5
    assert word >> offsets["offset"] & 0xFFFFFFFF == 0x12345678
    assert word >> offsets["fill"] & 255 == 255
    data = encode([instruction("CONV", b_multiplier=0.1)])
    bits = int.from_bytes(data, "little") >> BY_NAME["CONV"].offsets["b_multiplier"] & 0xFFFFFFFF
    assert bits == struct.unpack("<I", struct.pack("<f", 0.1))[0]


def test_what_follows_end_is_not_decoded() -> None:
    data = encode([instruction("END")]) + b"\xff" * 96
    assert [entry.operation.name for entry in decode(data)] == ["END"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: instruction("END", base=1),
            "END has no field 'base'; its fields are opcode, when, wait, signal.",
        ),
        (
            lambda: instruction("LOAD", fill=128),
            "Field 'fill' is 128, but holds whole numbers from -128 to 127.",
        ),
        (
            lambda: instruction("CONV", tile=1.5),
            "Field 'tile' is 1.5, but holds whole numbers from 0 to 255.",
        ),
        (
            lambda: list(decode(b"\x09" + bytes(31))),
            "Byte 0 of the program is no instruction: opcode 9 is unknown.",
        ),
        (
            lambda: list(decode(encode([instruction("LOAD")]) + b"\x03" + bytes(31))),
            "The program ends inside the CONV instruction at byte 32.",
        ),
        (lambda: list(decode(encode([instruction("LOAD")]))), "The program has no END instruction."),
    ],
)
def test_what_is_no_instruction_is_refused(make, message: str) -> None:
    with pytest.raises(LithifyError) as caught:
        make()
    assert str(caught.value) == message
