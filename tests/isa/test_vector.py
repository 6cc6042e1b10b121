"""Vector programs: what is refused, and how they lie in memory."""

from dataclasses import replace

import pytest

from lithify.chip import load_chip
from lithify.chip.vector import VectorShape
from lithify.errors import LithifyError
from lithify.isa import Instruction, instruction
from lithify.isa.checks import check_instruction
from lithify.isa.vector import (
    A,
    B,
    C,
    Format,
    Micro,
    Second,
    Stream,
    VectorInstruction,
    check_program,
    decode_program,
    encode_program,
    vector_instruction,
)

SHAPE = VectorShape(4, 16)
READ = Micro(a=A.STREAM)
FOLD = Micro(Second.ADD, c=C.FOLDED, fold=6)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ((), "A vector program has 0 micro-operations; it must have 1 to 64."),
        ((Micro(),), "Micro-operation 0 takes the accumulator, which the one before it did not leave."),
        (
            (replace(READ, c=C.REGISTER, register=5),),
            "Micro-operation 0 reads register 5, which nothing before it in the row has written.",
        ),
        (
            (replace(READ, b=B.SCALAR, scalar=2),),
            "Micro-operation 0 reads scalar 2, which nothing before it in the row has written.",
        ),
        (
            (replace(READ, second=Second.SELECT),),
            "Micro-operation 0 reads mask, which nothing before it in the row has written.",
        ),
        ((READ, FOLD, FOLD), "Micro-operation 2 folds 64 elements, of which 32 are there."),
        ((READ, replace(FOLD, store=1)), "Micro-operation 1 writes a strip of which 32 elements are there."),
        (
            (READ, replace(FOLD, second=Second.SUBTRACT)),
            "Micro-operation 1 folds, which is the accumulator with itself by ADD, MAXIMUM or MINIMUM.",
        ),
        ((replace(READ, first=1),), "Micro-operation 0 begins a loop that does not end."),
        ((replace(READ, last=1),), "Micro-operation 0 ends a loop that has not begun."),
        ((replace(READ, first=1), replace(READ, first=1)), "Micro-operation 1 begins a loop inside a loop."),
        (
            (READ, Micro(first=1), replace(FOLD, last=1)),
            "Micro-operation 1 takes the accumulator at the start of a loop, where its end does not leave one.",
        ),
        (
            (Micro(Second.DIVIDE, a=A.STREAM),),
            "Micro-operation 0 divides, which is a register by a scalar, a constant or the target.",
        ),
        (
            (Micro(Second.SCALAR_ROOT, a=A.STREAM),),
            "Micro-operation 0 is on scalars, and takes something else.",
        ),
        (
            (Micro(Second.SCALAR_DIVIDE, a=A.CONSTANT, write=1),),
            "Micro-operation 0 is no operation of the lanes; where its result goes is fixed.",
        ),
        (
            (replace(READ, to_scalar=1), replace(READ, b=B.SCALAR, to_scalar=1, target=4)),
            "Micro-operation 1 reads the scalar that its first element goes to.",
        ),
        ((replace(READ, set_mask=1),), "Micro-operation 0 sets the mask, and is neither LESS nor EQUAL."),
        (
            (replace(READ, write=1, write_strip=1, to_scalar=1),),
            "Micro-operation 0 writes a scalar, and numbers what it writes by the strip.",
        ),
        (
            (Micro(Second.SCALAR_ROOT, a=A.CONSTANT, constant=2.0, write_strip=1),),
            "Micro-operation 0 writes a scalar, and numbers what it writes by the strip.",
        ),
    ],
)
def test_what_is_refused(program: tuple[Micro, ...], message: str) -> None:
    with pytest.raises(LithifyError) as caught:
        check_program(program)
    assert str(caught.value) == message


KEEP = replace(READ, first=1, last=1, write=1, write_strip=1, target=5)
TAKE = Micro(a=A.REGISTER, first=1, last=1, register=5, read_strip=1)


def test_registers_numbered_by_the_strip() -> None:
    for strips in (1, 2, 3):
        check_program((KEEP, TAKE), strips)
    with pytest.raises(LithifyError, match=r"^Micro-operation 0 has register 8 for strip 3; there are 8\.$"):
        check_program((KEEP, TAKE), 4)
    once = replace(KEEP, first=0, last=0)
    check_program((once, TAKE), 1)
    with pytest.raises(LithifyError, match=r"^Micro-operation 1 reads register 6, which nothing before it"):
        check_program((once, TAKE), 2)
    # What the last strip's register holds is known behind the loop, if the row has so many.
    last = Micro(a=A.REGISTER, register=6)
    check_program((KEEP, last), 2)
    with pytest.raises(LithifyError, match=r"^Micro-operation 1 reads register 6, which nothing before it"):
        check_program((KEEP, last), 1)


def test_a_fold_of_64_elements() -> None:
    folds = tuple(replace(FOLD, fold=n) for n in range(6, 0, -1))
    check_program((READ, *folds, Micro(to_scalar=1), replace(READ, c=C.SCALAR, store=1)))


def entry(**values: int) -> Instruction:
    operations = (replace(READ, store=1),)
    return replace_values(VectorInstruction(0, 2, 64, operations).encoded(SHAPE), **values)


def replace_values(given: Instruction, **values: int) -> Instruction:
    return instruction("VECTOR", **{**given.values, **values})


WITH_UNIT = load_chip("edge")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rows": 0}, "Instruction 7 (VECTOR) has rows 0, but it must be at least 1."),
        (
            {"operations": 65},
            "Instruction 7 (VECTOR) has a program of 65 micro-operations, but the unit holds 64.",
        ),
        ({"table": 1, "x_format": 2}, "Instruction 7 (VECTOR) has a table, but its first input is not int8."),
        ({"y_format": 1}, "Instruction 7 (VECTOR) has an output of int32, but it writes int8 or float32."),
        (
            {"minimum": 5, "maximum": 4},
            "Instruction 7 (VECTOR) has minimum 5 above maximum 4, but minimum must not exceed maximum.",
        ),
    ],
)
def test_instructions_that_are_refused(values: dict[str, int], message: str) -> None:
    check_instruction(WITH_UNIT, 7, entry())
    with pytest.raises(LithifyError) as caught:
        check_instruction(WITH_UNIT, 7, entry(**values))
    assert str(caught.value) == message


def test_a_chip_without_the_unit_refuses_it() -> None:
    with pytest.raises(LithifyError) as caught:
        check_instruction(WITH_UNIT.model_copy(update={"vector_lanes": 0}), 7, entry())
    assert str(caught.value) == (
        "Instruction 7 (VECTOR) needs the vector unit, but chip 'edge' has none; its vector_lanes is 0."
    )


def test_a_program_reads_back() -> None:
    operations = (replace(READ, constant=-0.0), *(Micro(Second(n), constant=n / 8, register=n % 8) for n in range(12)))
    operations += (replace(FOLD, constant=2.5, stream=2), Micro(read_strip=1), Micro(write_strip=1, target=3))
    given = VectorInstruction(3, 9, 77, operations, w=Stream(5, 6, Format.FLOAT32, -7), minimum=-3,
                              v_address=77, v_format=Format.INT32, table=True)  # fmt: skip
    assert vector_instruction(given.encoded(SHAPE), encode_program(operations)) == given
    with pytest.raises(LithifyError) as caught:
        decode_program(bytes([0, 0, 0, 0, 15, 0, 0, 0]), 1)
    assert str(caught.value) == "Micro-operation 0 has second 15, of which there is none."


def test_the_constant_comes_first_and_flags_after_it() -> None:
    entry = Micro(Second.MAXIMUM, a=A.CONSTANT, constant=-1.0, store=1)
    code = encode_program((entry, Micro()))
    assert len(code) == 16
    assert code[:4] == bytes([0, 0, 0x80, 0xBF])
    assert code[4] == 3 | 2 << 4 and code[7] == 0x80
    assert int.from_bytes(code[8:], "little") == 0
