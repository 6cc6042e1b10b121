"""Operators along int8 rows: bounds on what they may differ from exact values, and how often from ONNX Runtime."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.reference.quantized_rows import EXP_WITHIN, SOFTMAX, SOFTMAX_OF_MAXIMUM
from lithify.reference.rows import softmax_work
from lithify.reference.written import evaluate

UNIT = 2.0**-23
LENGTHS = (1, 10, 64, 100, 128, 197, 1000)


def test_exp_within_its_limits() -> None:
    """Within 1.25 units in the last place from -87 to 87."""
    random = np.random.default_rng(1)
    x = np.concatenate([random.uniform(-87, 87, 400_000), random.uniform(-1, 1, 400_000)]).astype(np.float32)
    wanted = np.exp(x.astype(np.float64))
    assert (np.abs(evaluate(EXP_WITHIN, x) - wanted) / np.spacing(wanted.astype(np.float32))).max() <= 1.25


def softmax(
    rows: int, columns: int, scale: float, step: float = 1 / 256, zero_points: tuple[int, int] = (3, -128)
) -> Graph:
    x = Tensor("x", (rows, columns), "int8", np.float32(scale), zero_points[0])
    y = Tensor("y", (rows, columns), "int8", np.float32(step), zero_points[1])
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (make_node("softmax", "Softmax", ("x",), ("y",)),))


def exact_shares(x: NDArray[np.int8], scale: np.float32) -> NDArray[np.float64]:
    power = np.exp((x.astype(np.float64) - x.max(-1, keepdims=True)) * float(scale))
    shares: NDArray[np.float64] = power / power.sum(-1, keepdims=True)
    return shares


@pytest.mark.parametrize("scale", [0.004, 0.1, 0.25, 0.2511, 0.9, 5.0])
@pytest.mark.parametrize("columns", LENGTHS)
def test_softmax_is_a_softmax(columns: int, scale: float) -> None:
    """Half a step, and of the exact result: twice the error of e^x (1.25 units, and half a unit for each 1 that x is
    below the top), half a unit for each addition that an element passes, and three roundings.
    """
    random = np.random.default_rng(columns)
    x = random.integers(-128, 128, (64, columns)).astype(np.int8)
    x[:16] = np.clip(random.normal(size=(16, columns)) * 12, -128, 127)
    graph = softmax(64, columns, scale)
    y = graph.tensors["y"]
    exact = exact_shares(x, np.float32(scale)) / float(y.scale)  # type: ignore[arg-type]
    depth = min(255 * scale, 87.0)
    relative = UNIT * (2.5 + depth + (-(-columns // 64) + 6) / 2 + 1.5)
    got = run(graph, {"x": x})["y"].astype(np.float64) - y.zero_point
    limited = np.clip(exact, None, 255)
    assert (np.abs(got - limited) <= 0.5 + relative * exact + 1e-30).all()


def test_softmax_looks_for_a_maximum_only_where_it_must() -> None:
    for scale, step, function in (
        (0.25, 1 / 256, SOFTMAX),
        (0.26, 1 / 256, SOFTMAX_OF_MAXIMUM),
        (0.25, 2.0**-25, SOFTMAX_OF_MAXIMUM),
    ):
        graph = softmax(1, 4, scale, step)
        assert softmax_work(graph.tensors["x"], graph.tensors["y"]).function is function


def test_softmax_of_extremes() -> None:
    """One value far above the rest takes all, equal ones share, in either form; so does the finest step."""
    for scale in (0.25, 10.0):
        x = np.array([[127, -128, -128, -128], [-128] * 4, [5, 5, -128, -128]], np.int8)
        got = run(softmax(3, 4, scale), {"x": x})["y"].astype(int) + 128
        assert got.tolist() == [[255, 0, 0, 0], [64] * 4, [128, 128, 0, 0]]
    fine = run(softmax(1, 2, 0.25, 2.0**-24, (0, 0)), {"x": np.array([[-128, -128]], np.int8)})["y"]
    assert fine.tolist() == [[127, 127]]


def qdq_softmax(graph: Graph, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """ONNX Runtime's DequantizeLinear, Softmax, QuantizeLinear."""
    runtime = pytest.importorskip("onnxruntime")
    source, target = graph.tensors["x"], graph.tensors["y"]
    constants = [
        helper.make_tensor(f"{tensor.name}_{part}", kind, (), [value])
        for tensor in (source, target)
        for part, kind, value in (
            ("scale", TensorProto.FLOAT, float(tensor.scale)),  # type: ignore[arg-type]
            ("zero", TensorProto.INT8, tensor.zero_point),
        )
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "x_scale", "x_zero"], ["float"]),
        helper.make_node("Softmax", ["float"], ["shares"], axis=-1),
        helper.make_node("QuantizeLinear", ["shares", "y_scale", "y_zero"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.INT8, x.shape) for name in ("x", "y")]
    proto = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(onnx.ModelProto.SerializeToString(model), options, ["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": x})
    return np.asarray(made, np.int8)


def test_softmax_near_onnx_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    """Never more than a step apart; the rate is in docs/numbers.md (printed with -s)."""
    random = np.random.default_rng(5)
    different = total = 0
    for columns, scale in ((10, 0.1), (128, 0.05), (197, 0.2), (1000, 0.3)):
        x = np.clip(random.normal(size=(400_000 // columns, columns)) * 30, -128, 127).astype(np.int8)
        graph = softmax(*x.shape, scale)  # type: ignore[misc]
        apart = np.abs(run(graph, {"x": x})["y"].astype(np.int32) - qdq_softmax(graph, x))
        assert apart.max() <= 1
        different, total = different + int(apart.sum()), total + apart.size
    with capsys.disabled():
        print(f"\nsoftmax: {different} of {total} one step from ONNX Runtime")
    assert different < total * 1e-5
