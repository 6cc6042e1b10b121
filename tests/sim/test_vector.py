"""The functional model of the vector unit against the written functions of the reference, and its time."""

import numpy as np
import pytest

from lithify.chip import load_chip
from lithify.chip.vector import DIVISION, DRAIN, FIRST, SCALAR, VectorShape
from lithify.errors import LithifyError
from lithify.isa import Instruction, Queue, encode, instruction
from lithify.isa.vector import A, B, C, Format, Micro, Second, Stream, VectorInstruction, encode_program
from lithify.reference.arithmetic import round_to_int8
from lithify.reference.float32 import row_sum
from lithify.reference.row_functions import ROW_FUNCTIONS
from lithify.reference.written import evaluate
from lithify.sim.functional import check_order, run_segment
from lithify.sim.functional.vector import run_vector
from lithify.sim.timing.vector import retirement
from rtl.vector.programs import folds, softmax

SHAPES = [VectorShape(2, 8), VectorShape(4, 16), VectorShape(4, 32), VectorShape(8, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("columns", [1, 64, 128, 100, 197])
def test_softmax(shape: VectorShape, columns: int) -> None:
    memory = np.random.default_rng(columns).integers(-128, 128, (2000, shape.word_bytes)).astype(np.int8)
    scale = np.float32(0.0371)
    instruction = softmax(5, columns, float(scale), 11, 1 / 256, -128, (0, 100, 1000), shape.word_bytes)
    written = run_vector(shape, instruction, memory)
    row_words = instruction.x.row_words
    x = memory[100 : 100 + 5 * row_words].reshape(5, -1)[:, :columns].astype(np.float32)
    exact = evaluate(ROW_FUNCTIONS["softmax"], (x - np.float32(11)) * scale)
    wanted = round_to_int8(exact / np.float32(1 / 256), -128)
    assert written.words.reshape(5, -1)[:, :columns].tolist() == wanted.tolist()
    assert written.addresses.tolist() == list(range(1000, 1000 + 5 * row_words))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_sum_has_the_bits_of_the_reference_whatever_the_lanes(shape: VectorShape) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 150)).astype(np.float32)
    row_words = -(-600 // shape.word_bytes)
    memory = np.zeros((3 * row_words, shape.word_bytes), np.int8)
    memory.reshape(3, -1)[:, :600] = rows.view(np.int8)
    operations = (
        Micro(a=A.CONSTANT, constant=0.0, write=1),
        Micro(a=A.STREAM, c=C.REGISTER, write=1, first=1, last=1),
        *folds(Second.ADD, 2),
        Micro(a=A.CONSTANT, b=B.SCALAR, constant=1.0, scalar=2, store=1),
    )
    instruction = VectorInstruction(
        0, 3, 150, operations, x=Stream(0, row_words, Format.FLOAT32), y=Stream(0, row_words, Format.FLOAT32)
    )
    written = run_vector(shape, instruction, memory).words.view(np.float32).reshape(3, -1)
    assert (written == row_sum(rows)).all()


CHIP = load_chip("tiny").model_copy(update={"vector_lanes": 2})


def one(**values: int) -> tuple[list[Instruction], np.ndarray]:
    """A program that loads a vector program and a row and runs it, and its DRAM; values: changed fields."""
    words = CHIP.bank_words
    operations = (Micro(a=A.STREAM, store=1),)
    vector = VectorInstruction(0, 1, 8, operations, Stream(words), Stream(0), Stream(2 * words))
    transfer = {"row_bytes": 8, "rows": 1, "planes": 1, "base": 0}
    fields = {**vector.encoded(VectorShape(2, 8), 1 << Queue.LOAD, 1 << Queue.STORE).values, **values}
    program = [
        instruction("LOAD", address=0, **transfer),
        instruction("LOAD", address=words, offset=8, signal=1 << Queue.VECTOR, **transfer),
        instruction("VECTOR", **fields),
        instruction("STORE", address=2 * words, offset=16, wait=1 << Queue.VECTOR, **transfer),
        instruction("END"),
    ]
    dram = np.zeros(24, np.uint8)
    dram[:8] = np.frombuffer(encode_program(operations), np.uint8)
    dram[8:16] = [1, 2, 3, 255, 128, 127, 0, 9]
    return program, dram


def test_a_segment_runs_it() -> None:
    program, dram = one()
    check_order(CHIP, program)
    run_segment(CHIP, encode(program), {0: dram})
    assert dram[16:].tolist() == [1, 2, 3, 255, 128, 127, 0, 9]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"row_cycles": 31},
            "Instruction 2 (VECTOR) has row_cycles 31, but its program takes 32 cycles a row.",
        ),
        ({"x_format": 3}, "Instruction 2 (VECTOR) uses x, but its x_format says that there is none."),
        (
            {"operations": 2, "row_cycles": 64},
            "Instruction 2 (VECTOR) has no valid program. Micro-operation 1 ",
        ),
        (
            {"x_address": 60000},
            "Instruction 2 (VECTOR) reads its first input at scratchpad word 60000, but chip 'tiny' has 8192 words.",
        ),
    ],
)
def test_what_is_refused(values: dict[str, int], message: str) -> None:
    program, dram = one(**values)
    with pytest.raises(LithifyError) as caught:
        run_segment(CHIP, encode(program), {0: dram}, seed=3)
    assert str(caught.value).startswith(message)


def test_its_output_has_banks_of_its_own() -> None:
    program, _ = one(y_address=CHIP.bank_words + 100)
    with pytest.raises(LithifyError) as caught:
        check_order(CHIP, program[:3])
    assert str(caught.value) == (
        "Instruction 2 (VECTOR) reads and writes in scratchpad bank 1; its output must be in banks of its own."
    )


def test_the_time_is_a_sum() -> None:
    """4 lanes: a period of 16; a loop as often as the row has strips; a fold waits for the groups that it folds."""
    operations = (
        Micro(a=A.STREAM, first=1, write=1),
        Micro(Second.DIVIDE, a=A.REGISTER, b=B.CONSTANT, last=1),
        Micro(a=A.REGISTER),
        *folds(Second.ADD, 0),
        Micro(Second.SCALAR_ROOT, a=A.REGISTER),
    )
    row = 2 * (16 + DIVISION) + 16 + (6 * 16 + 8 + 4 + 2 + 1) + SCALAR
    shape = VectorShape(4, 16)
    entry = VectorInstruction(0, 3, 100, operations).encoded(shape)
    assert entry["row_cycles"] == row
    cycles = retirement(entry)
    assert cycles == len(operations) + FIRST + 3 * row + DRAIN
