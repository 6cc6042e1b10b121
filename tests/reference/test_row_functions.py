"""Softmax and the normalisations as written, against float64 and ONNX Runtime."""

import numpy as np
import pytest

from lithify.reference.float_functions import FLOAT_FUNCTIONS
from lithify.reference.row_functions import ROW_FUNCTIONS
from lithify.reference.written import evaluate

LENGTHS = (1, 3, 64, 65, 128, 197, 768, 1000)
EPSILON = np.float32(1e-5)


def rows(random: np.random.Generator, length: int, spread: float = 4.0, middle: float = 0.0) -> np.ndarray:
    return (random.normal(size=(24, length)) * spread + middle).astype(np.float32)


def units(got: np.ndarray, wanted: np.ndarray) -> float:
    size = np.maximum(np.abs(wanted), 2.0**-126).astype(np.float32)
    return float((np.abs(got - wanted) / np.spacing(size)).max())


@pytest.mark.parametrize("length", LENGTHS)
def test_softmax(length: int) -> None:
    """Within 6 units: e^x one, the rounding of x - max as much again for each 1 that it is large, sum and share."""
    random = np.random.default_rng(length)
    x = rows(random, length)
    exact = x.astype(np.float64)
    power = np.exp(exact - exact.max(-1, keepdims=True))
    wanted = power / power.sum(-1, keepdims=True)
    got = evaluate(ROW_FUNCTIONS["softmax"], x)
    assert (np.abs(got - wanted) <= wanted * 2.0**-23 * (6 + np.abs(exact - exact.max(-1, keepdims=True)) / 2)).all()
    assert np.abs(got.astype(np.float64).sum(-1) - 1).max() < 2.0**-20


def test_softmax_of_extremes() -> None:
    got = evaluate(ROW_FUNCTIONS["softmax"], np.float32([[0, -np.inf, 0], [300, -300, 299], [-1e38, 1e38, 0]]))
    assert got[0].tolist() == [0.5, 0.0, 0.5] and got[2].tolist() == [0.0, 1.0, 0.0]
    assert got[1, 1] == 0
    assert np.isnan(evaluate(ROW_FUNCTIONS["softmax"], np.full((1, 3), -np.inf, np.float32))).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_log_softmax(length: int) -> None:
    x = rows(np.random.default_rng(length), length)
    exact = x.astype(np.float64)
    below = exact - exact.max(-1, keepdims=True)
    wanted = below - np.log(np.exp(below).sum(-1, keepdims=True))
    got = evaluate(ROW_FUNCTIONS["log_softmax"], x)
    assert (np.abs(got - wanted) <= (3 + np.abs(wanted) * 2) * 2.0**-23).all()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("middle", [0.0, 100.0])
def test_layer_norm(length: int, middle: float) -> None:
    """The error is that of the mean: some units of the largest value, over the deviation."""
    random = np.random.default_rng(length)
    x = rows(random, length, 2.0, middle)
    scale, bias = random.normal(size=(2, length)).astype(np.float32)
    exact = x.astype(np.float64)
    around = exact - exact.mean(-1, keepdims=True)
    deviation = np.sqrt((around**2).mean(-1, keepdims=True) + float(EPSILON))
    wanted = around / deviation * scale + bias
    got = evaluate(ROW_FUNCTIONS["layer_norm"], x, length, EPSILON, scale, bias)
    largest = np.abs(exact).max(-1, keepdims=True) / deviation
    assert (np.abs(got - wanted) <= (np.abs(scale) * (8 + 4 * largest) + np.abs(bias) + 8) * 2.0**-23).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_rms_norm(length: int) -> None:
    random = np.random.default_rng(length)
    x, scale = rows(random, length), random.normal(size=length).astype(np.float32)
    exact = x.astype(np.float64)
    wanted = exact / np.sqrt((exact**2).mean(-1, keepdims=True) + float(EPSILON)) * scale
    assert units(evaluate(ROW_FUNCTIONS["rms_norm"], x, length, EPSILON, scale), wanted) <= 8


@pytest.mark.parametrize("length", LENGTHS)
def test_reductions(length: int) -> None:
    x = np.abs(rows(np.random.default_rng(length), length))
    exact = x.astype(np.float64)
    assert units(evaluate(ROW_FUNCTIONS["mean"], x, length), exact.mean(-1, keepdims=True)) <= 4
    assert units(evaluate(ROW_FUNCTIONS["sum_of_squares"], x), (exact**2).sum(-1, keepdims=True)) <= 5
    assert units(evaluate(ROW_FUNCTIONS["l2_norm"], x), np.sqrt((exact**2).sum(-1, keepdims=True))) <= 4


@pytest.mark.parametrize("name", ROW_FUNCTIONS)
def test_a_row_has_the_same_bits_alone_and_among_others(name: str) -> None:
    function = ROW_FUNCTIONS[name]
    random = np.random.default_rng(1)
    x = rows(random, 130)
    others = {"n": np.float32(130), "epsilon": EPSILON, "scale": random.normal(size=130), "bias": x[0]}
    given = [others[entry] for entry in function.inputs[1:]]
    together = evaluate(function, x, *given)
    alone = [evaluate(function, row, *given) for row in x]
    assert together.tobytes() == np.stack(alone).astype(np.float32).tobytes()


def test_near_onnx_runtime() -> None:
    """Softmax and LayerNormalization of float data differ from ONNX Runtime's by a few units at most."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper, random = onnx.helper, np.random.default_rng(2)
    x, scale, bias = rows(random, 197), *random.normal(size=(2, 197)).astype(np.float32)
    kind = onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Softmax", ["x"], ["softmax"]),
        helper.make_node("LayerNormalization", ["x", "scale", "bias"], ["layer_norm"], epsilon=float(EPSILON)),
    ]
    values = [helper.make_tensor_value_info(name, kind, None) for name in ("softmax", "layer_norm")]
    inputs = [helper.make_tensor_value_info(name, kind, data.shape) for name, data in
              (("x", x), ("scale", scale), ("bias", bias))]  # fmt: skip
    graph = helper.make_graph(nodes, "g", inputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    softmax, norm = session.run(None, {"x": x, "scale": scale, "bias": bias})
    assert units(evaluate(ROW_FUNCTIONS["softmax"], x), softmax.astype(np.float64)) <= 8
    assert np.abs(evaluate(ROW_FUNCTIONS["layer_norm"], x, 197, EPSILON, scale, bias) - norm).max() <= 1e-5


def test_what_softmax_costs() -> None:
    """Steps of a row: those of exp and four more an element, one division a row, and its two reductions."""
    softmax = ROW_FUNCTIONS["softmax"]
    assert softmax.count() == FLOAT_FUNCTIONS["exp"].count() + 5
    assert (softmax.count("divide"), softmax.count("row_sum", "row_maximum")) == (1, 2)
