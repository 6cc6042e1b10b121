"""Written functions as programs of the vector unit: the same bits, and by name what cannot be."""

import numpy as np
import pytest

from lithify.chip.vector import VectorShape
from lithify.compiler.vector import Source, Streamed, tabulated, translate
from lithify.errors import LithifyError
from lithify.isa.vector import TABULATED, Format, Stream, VectorInstruction, encode_with_table
from lithify.reference.arithmetic import round_to_int8
from lithify.reference.float_functions import FLOAT_FUNCTIONS
from lithify.reference.quantized_rows import LAYER_NORM, LOG_SOFTMAX, SOFTMAX
from lithify.reference.row_functions import ROW_FUNCTIONS
from lithify.reference.written import Written, evaluate, written
from lithify.sim.functional.vector import run_vector

from .random_functions import random_text

SHAPE = VectorShape(4, 16)
EPSILON = float(np.float32(1e-5))
ROWS, INPUT, WEIGHTS, OUTPUT = 5, 0, 1000, 2000


def sources(name: str, columns: int, x: Source) -> dict[str, Source]:
    known: dict[str, Source] = {"x": x, "n": float(columns), "epsilon": EPSILON, "scale": Streamed(1), "bias": 0.5}
    return {entry: known[entry] for entry in ROW_FUNCTIONS[name].inputs}


@pytest.mark.parametrize("columns", [1, 64, 100, 128, 200])
@pytest.mark.parametrize("name", ["softmax", "normalize", "layer_norm", "rms_norm"])
def test_functions_of_a_row(name: str, columns: int) -> None:
    """int8 in and out, and float32 out; whole strips, or rows that end within one; with values kept and without."""
    random = np.random.default_rng(columns)
    memory = random.integers(-128, 128, (4000, SHAPE.word_bytes)).astype(np.int8)
    weights = random.normal(size=columns).astype(np.float32)
    memory.reshape(-1)[WEIGHTS * 16 : WEIGHTS * 16 + 4 * columns] = weights.view(np.int8)
    scale, y_scale, row_words = np.float32(0.043), np.float32(0.011), -(-columns // 16)
    x = (memory[INPUT : INPUT + ROWS * row_words].reshape(ROWS, -1)[:, :columns] - np.float32(7)) * scale
    known = {"x": x, "n": columns, "epsilon": EPSILON, "scale": weights, "bias": np.float32(0.5)}
    exact = evaluate(ROW_FUNCTIONS[name], *(known[entry] for entry in ROW_FUNCTIONS[name].inputs))
    inputs = Stream(INPUT, row_words, Format.INT8, 7), Stream(WEIGHTS, 0, Format.FLOAT32)
    given, whole = sources(name, columns, Streamed(0, float(scale))), columns % 64 == 0

    program = translate(ROW_FUNCTIONS[name], given, whole_strips=whole, strips=-(-columns // 64))
    y = Stream(OUTPUT, -(-columns // 4), Format.FLOAT32)
    written = run_vector(SHAPE, VectorInstruction(0, ROWS, columns, program, *inputs, y), memory)
    got = written.words.view(np.float32).reshape(ROWS, -1)[:, :columns]
    assert got.tobytes() == exact.tobytes()

    program = translate(ROW_FUNCTIONS[name], given, divide_by=float(y_scale), whole_strips=whole)
    y = Stream(OUTPUT, row_words, Format.INT8, -20)
    written = run_vector(SHAPE, VectorInstruction(0, ROWS, columns, program, *inputs, y), memory)
    assert (written.words.reshape(ROWS, -1)[:, :columns] == round_to_int8(exact / y_scale, -20)).all()


@pytest.mark.parametrize("name", ["exp", "log", "sigmoid", "silu", "tanh"])
def test_functions_of_one_number(name: str) -> None:
    x = (np.random.default_rng(3).normal(size=(ROWS, 100)) * 20).astype(np.float32)
    x[0, :6] = [0, -0.0, np.inf, -np.inf, np.nan, 1]
    memory = np.zeros((4000, SHAPE.word_bytes), np.int8)
    memory[: ROWS * 25] = x.view(np.int8).reshape(-1, 16)
    program = translate(FLOAT_FUNCTIONS[name], {"x": Streamed(0)})
    stream = Stream(0, 25, Format.FLOAT32)
    entry = VectorInstruction(0, ROWS, 100, program, stream, y=Stream(OUTPUT, 25, Format.FLOAT32))
    got = run_vector(SHAPE, entry, memory).words.view(np.float32).reshape(ROWS, -1)
    assert got.tobytes() == evaluate(FLOAT_FUNCTIONS[name], x).tobytes()


@pytest.mark.parametrize("columns", [1, 64, 100, 200])
@pytest.mark.parametrize(
    "function", [SOFTMAX, LOG_SOFTMAX, FLOAT_FUNCTIONS["gelu"]], ids=lambda function: function.name
)
def test_a_function_of_one_int8_is_looked_up(function: Written, columns: int) -> None:
    """e^x in softmax, e^x beside x itself, and a whole function, which the unit has no division for."""
    random = np.random.default_rng(columns)
    memory = random.integers(-128, 128, (4000, SHAPE.word_bytes)).astype(np.int8)
    scale, zero, row_words = np.float32(0.1), 127, -(-columns // 16)
    number = {"steps": 256.0} if "steps" in function.inputs else {}
    values = (np.arange(-128, 128) - zero).astype(np.float32) * scale
    found = tabulated(function, number, values)
    assert found is not None and len(found.function.steps) < 60
    given: dict[str, Source] = number | {
        function.inputs[0]: Streamed(0, float(scale)),
        found.value: Streamed(TABULATED),
    }
    program = translate(found.function, given, whole_strips=columns % 64 == 0, strips=-(-columns // 64))
    code = np.frombuffer(encode_with_table(SHAPE, program, found.table), np.int8).reshape(-1, SHAPE.word_bytes)
    memory[OUTPUT : OUTPUT + len(code)] = code
    x, y = Stream(INPUT, row_words, Format.INT8, zero), Stream(3000, -(-columns // 4), Format.FLOAT32)
    written = run_vector(SHAPE, VectorInstruction(OUTPUT, ROWS, columns, program, x, y=y, table=True), memory)
    rows = memory[INPUT : INPUT + ROWS * row_words].reshape(ROWS, -1)[:, :columns]
    wanted = evaluate(function, (rows - np.float32(zero)) * scale, *number.values())
    assert written.words.view(np.float32).reshape(ROWS, -1)[:, :columns].tobytes() == wanted.tobytes()


def test_what_is_not_worth_a_table() -> None:
    """A few steps, numbers alone, and what needs the whole row."""
    values = np.arange(-128, 128).astype(np.float32)
    assert tabulated(LAYER_NORM, {"n": 64.0, "epsilon": 0.1}, values) is None
    few = written("f(x, n) -> y", "a = multiply(n, n)\nb = add(a, a)\nc = add(b, a)\nd = add(c, c)\ny = add(x, d)")
    assert tabulated(few, {"n": 3.0}, values) is None
    rest = written("f(x) -> y", "m = row_sum(x)\na = add(x, m)\nb = add(a, a)\nc = add(b, a)\ny = add(c, c)")
    assert tabulated(rest, {}, values) is None


def compare_random(seed: int) -> bool:
    """Whether the unit can run the function of a seed; asserts that then it has the function's bits."""
    random = np.random.default_rng(seed)
    function = written("f(x, n) -> y", random_text(random))
    columns, scale = int(random.choice([5, 64, 100, 128])), np.float32(random.choice([1.0, 0.3]))
    x = (random.normal(size=(3, columns)) * 3).astype(np.float32)
    try:
        given = {"x": Streamed(0, float(scale)), "n": float(columns)}
        strips = -(-columns // 64) if seed % 2 else None
        program = translate(function, given, whole_strips=columns % 64 == 0, strips=strips)
    except LithifyError:
        return False
    row_words = -(-columns // 4)
    memory = np.zeros((OUTPUT, SHAPE.word_bytes), np.int8)
    memory[: 3 * row_words].reshape(3, -1)[:, : 4 * columns] = x.view(np.int8)
    inputs, y = Stream(0, row_words, Format.FLOAT32), Stream(OUTPUT, row_words, Format.FLOAT32)
    written_words = run_vector(SHAPE, VectorInstruction(0, 3, columns, program, inputs, y=y), memory).words
    wanted = np.broadcast_to(evaluate(function, x * scale, columns), x.shape)
    assert written_words.view(np.float32).reshape(3, -1)[:, :columns].tobytes() == wanted.tobytes(), function
    return True


def test_random_functions() -> None:
    assert sum(compare_random(seed) for seed in (*range(200), 577)) >= 190


@pytest.mark.campaign
def test_many_random_functions() -> None:
    assert sum(compare_random(seed) for seed in range(200, 20_000)) >= 19_000


def test_what_a_program_costs() -> None:
    """The cycles of docs/decisions/0006, and the micro-operations of exp: a product and its sum are one."""
    x = {"x": Streamed(0, 0.1)}
    assert len(translate(FLOAT_FUNCTIONS["exp"], x)) == 17 < FLOAT_FUNCTIONS["exp"].count()
    softmax = translate(SOFTMAX, x | {"steps": 256.0}, whole_strips=True, strips=2)
    numbers: dict[str, Source] = {"n": 768.0, "epsilon": 0.001}
    given = numbers | {"x": Streamed(0), "scale": Streamed(1), "bias": Streamed(2)}
    found = tabulated(SOFTMAX, {"steps": 256.0}, np.zeros(256, np.float32))
    assert found is not None
    looked_up = translate(
        found.function, {"steps": 256.0, found.value: Streamed(TABULATED)}, whole_strips=True, strips=2
    )
    layer_norm = translate(LAYER_NORM, given, whole_strips=True, strips=12)
    for shape, cycles in (
        (VectorShape(2, 16), (1183, 415, 3390)),
        (SHAPE, (607, 223, 1758)),
        (VectorShape(8, 32), (599, 215, 1742)),
    ):
        rows = (*(VectorInstruction(0, 1, 128, made) for made in (softmax, looked_up)),
                VectorInstruction(0, 1, 768, layer_norm))  # fmt: skip
        assert tuple(row.row_cycles(shape) for row in rows) == cycles


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reciprocal_square_root", "The vector unit cannot square_root as reciprocal_square_root asks for: "),
        ("log_softmax", "A vector program has 75 micro-operations; it must have 1 to 64."),
    ],
)
def test_what_the_unit_cannot_is_said_by_name(name: str, message: str) -> None:
    with pytest.raises(LithifyError) as caught:
        translate((FLOAT_FUNCTIONS | ROW_FUNCTIONS)[name], {"x": Streamed(0)})
    assert str(caught.value).startswith(message)
