"""The functional model of the vector unit against the written functions of the reference, and its time."""

import numpy as np
import pytest

from lithify.chip.vector import DIVISION, DRAIN, FIRST, SCALAR, VectorShape
from lithify.isa.vector import A, B, C, Format, Micro, Second, Stream, VectorInstruction
from lithify.reference.arithmetic import round_to_int8
from lithify.reference.float32 import row_sum
from lithify.reference.row_functions import ROW_FUNCTIONS
from lithify.reference.written import evaluate
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
    cycles = retirement(VectorShape(4, 16), VectorInstruction(0, 3, 100, operations))
    assert cycles == len(operations) + FIRST + 3 * row + DRAIN
