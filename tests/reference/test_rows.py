"""Operators along int8 rows: bounds on what they may differ from exact values, and how often from ONNX Runtime."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lithify.errors import LithifyError
from lithify.reference.check import check
from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.reference.quantized_rows import EXP_WITHIN, SOFTMAX, SOFTMAX_OF_MAXIMUM
from lithify.reference.rows import work_of
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


def exact_shares(x: NDArray[Any], scale: np.float32) -> NDArray[np.float64]:
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


@pytest.mark.parametrize("scale", [0.004, 0.25, 0.2511, 5.0])
@pytest.mark.parametrize("columns", [1, 64, 100, 197])
def test_what_is_masked_has_no_share(columns: int, scale: float) -> None:
    """The bound of `test_softmax_is_a_softmax`, of the elements that count; the others get 0, whatever they hold."""
    random = np.random.default_rng(columns)
    x = random.integers(-128, 128, (3, 16, columns)).astype(np.int8)
    keep = (random.random((16, columns)) < 0.5).astype(np.int8)
    keep[:, 0] = 1
    x[0] = np.where(keep, x[0] // 8 - 100, 127)  # the largest are masked
    graph = masked(x.shape, keep, scale)
    y = graph.tensors["y"]
    exact = exact_shares(np.where(keep, x, -np.inf), np.float32(scale)) / float(y.scale)  # type: ignore[arg-type]
    relative = UNIT * (2.5 + min(255 * scale, 87.0) + (-(-columns // 64) + 6) / 2 + 1.5)
    got = run(graph, {"x": x})["y"].astype(np.float64) - y.zero_point
    assert (np.abs(got - np.clip(exact, None, 255)) <= 0.5 + relative * exact + 1e-30).all()
    assert not got[:, keep == 0].any()


def test_a_row_that_keeps_nothing_is_not_a_number() -> None:
    for scale in (0.1, 1.0):
        got = run(
            masked((1, 2, 3), np.array([[0, 0, 0], [0, 1, 0]], np.int8), scale), {"x": np.zeros((1, 2, 3), np.int8)}
        )
        assert (got["y"].astype(int) + 128).tolist() == [[[0, 0, 0], [0, 255, 0]]]


@pytest.mark.parametrize("shape", [(3, 5), (4, 6), (1, 4, 5)])
def test_a_mask_has_rows_as_long_and_goes_into_those_of_x(shape: tuple[int, ...]) -> None:
    with pytest.raises(LithifyError, match="whose rows are as long and go into those of x a whole number of times"):
        check(masked((2, 2, 5), np.ones(shape, np.int8), 0.1))


def masked(shape: tuple[int, ...], keep: NDArray[np.int8], scale: float) -> Graph:
    tensors = softmax(1, 1, scale).tensors
    tensors = {name: replace(tensor, shape=shape) for name, tensor in tensors.items()}
    tensors["keep"] = Tensor("keep", keep.shape, "int8", np.float32(1), 0)
    node = make_node("softmax", "MaskedSoftmax", ("x", "keep"), ("y",))
    return Graph("g", ("x",), ("y",), tensors, {"keep": keep}, (node,))


def test_softmax_looks_for_a_maximum_only_where_it_must() -> None:
    for scale, step, function in (
        (0.25, 1 / 256, SOFTMAX),
        (0.26, 1 / 256, SOFTMAX_OF_MAXIMUM),
        (0.25, 2.0**-25, SOFTMAX_OF_MAXIMUM),
    ):
        graph = softmax(1, 4, scale, step)
        assert work_of(graph.nodes[0], graph).function is function


def test_softmax_of_extremes() -> None:
    """One value far above the rest takes all, equal ones share, in either form; so does the finest step."""
    for scale in (0.25, 10.0):
        x = np.array([[127, -128, -128, -128], [-128] * 4, [5, 5, -128, -128]], np.int8)
        got = run(softmax(3, 4, scale), {"x": x})["y"].astype(int) + 128
        assert got.tolist() == [[255, 0, 0, 0], [64] * 4, [128, 128, 0, 0]]
    fine = run(softmax(1, 2, 0.25, 2.0**-24, (0, 0)), {"x": np.array([[-128, -128]], np.int8)})["y"]
    assert fine.tolist() == [[127, 127]]


@pytest.mark.parametrize("scale", [0.004, 0.1, 0.25, 0.3, 2.0])
@pytest.mark.parametrize("columns", LENGTHS)
def test_log_softmax_is_one(columns: int, scale: float) -> None:
    """Half a step, and what e^x, its sum, the logarithm and two roundings of the result add."""
    random = np.random.default_rng(columns)
    x = random.integers(-128, 128, (64, columns)).astype(np.int8)
    graph = softmax(64, columns, scale, 0.8 * scale, (3, 120))
    graph = replace(graph, nodes=(make_node("log", "LogSoftmax", ("x",), ("y",)),))
    exact = np.log(exact_shares(x, np.float32(scale)))
    depth = 255 * scale
    error = UNIT * (1.25 + 2 * depth + (-(-columns // 64) + 6) / 2 + np.log(columns) + 2 * np.abs(exact))
    y = graph.tensors["y"]
    got = run(graph, {"x": x})["y"].astype(np.float64) - y.zero_point
    wanted = np.clip(exact / float(y.scale), -128 - y.zero_point, None)  # type: ignore[arg-type]
    assert (np.abs(got - wanted) <= 0.5 + error / float(y.scale)).all()  # type: ignore[arg-type]


def normalized(operator: str, x: NDArray[np.int8], scale: float, step: float, epsilon: float = 1e-5) -> Graph:
    columns = x.shape[-1]
    random = np.random.default_rng(columns)
    rows = {"scale": random.normal(size=columns).astype(np.float32) + 1}
    if operator == "LayerNormalization":
        rows["bias"] = random.normal(size=columns).astype(np.float32)
    tensors = {name: Tensor(name, (columns,), "float32") for name in rows}
    tensors["x"] = Tensor("x", x.shape, "int8", np.float32(scale), 7)
    tensors["y"] = Tensor("y", x.shape, "int8", np.float32(step), -4)
    node = make_node("norm", operator, ("x", *rows), ("y",), epsilon=epsilon)
    return Graph("g", ("x",), ("y",), tensors, rows, (node,))


@pytest.mark.parametrize("operator", ["LayerNormalization", "RMSNormalization"])
@pytest.mark.parametrize("scale", [0.001, 0.05, 3.0])
@pytest.mark.parametrize("columns", LENGTHS)
def test_normalizations_are_what_they_say(columns: int, scale: float, operator: str) -> None:
    """Half a step, and that of `layer_norm` in docs/vector.md, in steps: most comes from the mean, where the deviation
    is small beside the values.
    """
    random = np.random.default_rng(columns + 1)
    x = random.integers(-128, 128, (64, columns)).astype(np.int8)
    x[:24] = np.clip(random.normal(size=(24, columns)) * 2 + 100, -128, 127)
    graph = normalized(operator, x, scale, 0.04)
    values = (x.astype(np.float64) - 7) * float(np.float32(scale))
    around = values - (values.mean(-1, keepdims=True) if operator == "LayerNormalization" else 0)
    deviation = np.sqrt((around**2).mean(-1, keepdims=True) + 1e-5)
    step = float(np.float32(0.04))
    factor, bias = graph.constants["scale"] / step, graph.constants.get("bias", np.zeros(columns)) / step
    exact = around / deviation * factor + bias
    largest = np.abs(values).max(-1, keepdims=True) / deviation
    error = (np.abs(factor) * (8 + 4 * largest) + np.abs(bias) + 8) * UNIT
    got = run(graph, {"x": x})["y"].astype(np.float64) + 4
    assert (np.abs(got - np.clip(exact, -124, 131)) <= 0.5 + error).all()


@pytest.mark.parametrize("scale", [0.004, 0.1, 0.9])
@pytest.mark.parametrize("columns", [1, 64, 100, 1000])
def test_reductions_are_what_they_say(columns: int, scale: float) -> None:
    """Half a step, and the roundings of docs/numbers.md; of logarithms those of e^x, its sum, log and the top."""
    random = np.random.default_rng(columns)
    x = random.integers(-128, 128, (32, columns)).astype(np.int8)
    values = (x.astype(np.float64) - 7) * float(np.float32(scale))
    positive = np.abs(values)
    exact = {
        "ReduceL1": positive.sum(-1),
        "ReduceSumSquare": (values**2).sum(-1),
        "ReduceL2": np.sqrt((values**2).sum(-1)),
        "ReduceLogSumExp": np.log(np.exp(values - values.max(-1, keepdims=True)).sum(-1)) + values.max(-1),
    }
    for operator, wanted in exact.items():
        step = np.float32(np.abs(wanted).max() / 200)
        tensors = {
            "x": Tensor("x", x.shape, "int8", np.float32(scale), 7),
            "y": Tensor("y", x.shape, "int8", step, -90),
        }
        node = make_node("reduced", operator, ("x",), ("y",))
        got = run(Graph("g", ("x",), ("y",), tensors, {}, (node,)), {"x": x})["y"].astype(np.float64) + 90
        assert (got == got[:, :1]).all()
        steps = np.clip(wanted / float(step), -38, 217)
        units = columns / 128 + 4 + (12 + 255 * scale if "Log" in operator else 0)
        assert (np.abs(got[:, 0] - steps) <= 0.5 + units * UNIT * (np.abs(steps) + 255 * scale / step)).all()


@pytest.mark.parametrize("scale", [0.009, 0.02, 0.1])
@pytest.mark.parametrize("columns", [1, 9, 64, 300])
def test_products_are_what_they_say(columns: int, scale: float) -> None:
    """Half a step, and the roundings of the logarithms and of their sum (docs/numbers.md)."""
    random = np.random.default_rng(columns)
    x = random.integers(-128, 128, (32, columns)).astype(np.int8)
    x[x == 7] = 8
    x[0, 0] = 7
    values = x.astype(np.float64) - 7
    with np.errstate(divide="ignore"):
        logarithms = np.log(np.abs(values))
    sizes = logarithms.sum(-1) + columns * np.log(float(np.float32(scale)))
    step = np.float32(np.exp(np.clip(np.median(sizes[1:]) - 3, -80, 80)))
    tensors = {
        "x": Tensor("x", x.shape, "int8", np.float32(scale), 7),
        "y": Tensor("y", x.shape, "int8", step, 3),
    }
    node = make_node("reduced", "ReduceProd", ("x",), ("y",))
    got = run(Graph("g", ("x",), ("y",), tensors, {}, (node,)), {"x": x})["y"].astype(np.float64) - 3
    assert (got == got[:, :1]).all() and got[0, 0] == 0
    exact = np.sign(values).prod(-1) * np.exp(np.clip(sizes - np.log(float(step)), -99, 9))
    steps = np.clip(exact, -131, 124)
    shift = np.abs(columns * np.log(scale) - np.log(float(step)))
    units = 6 + columns / 64 + (columns / 128 + 4) * (logarithms[1:].sum(-1) + shift)
    assert (np.abs(got[1:, 0] - steps[1:]) <= 0.5 + units * UNIT * np.abs(steps[1:])).all()


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("columns", [1, 64, 100])
def test_lp_normalization_is_one(columns: int, p: int) -> None:
    random = np.random.default_rng(columns)
    x = random.integers(-128, 128, (32, columns)).astype(np.int8)
    x[0] = 7
    values = x.astype(np.float64) - 7
    norm = np.maximum((np.abs(values) ** p).sum(-1, keepdims=True) ** (1 / p), 1)
    tensors = {
        "x": Tensor("x", x.shape, "int8", np.float32(0.3), 7),
        "y": Tensor("y", x.shape, "int8", np.float32(0.01), 2),
    }
    node = make_node("normal", "LpNormalization", ("x",), ("y",), p=p)
    got = run(Graph("g", ("x",), ("y",), tensors, {}, (node,)), {"x": x})["y"].astype(np.float64) - 2
    exact = values / norm / float(np.float32(0.01))
    assert (np.abs(got - np.clip(exact, -130, 125)) <= 0.5 + 4 * UNIT * np.abs(exact)).all()
    assert not got[0].any()


@pytest.mark.parametrize(("groups", "empty"), [(1, 0), (2, 0), (6, 0), (1, 14), (3, 14)])
def test_group_norm_is_one(groups: int, empty: int) -> None:
    """The bound of LayerNormalization, of each group as a row; empty places behind each channel change nothing."""
    random = np.random.default_rng(groups)
    x = random.integers(-128, 128, (2, 6, 50)).astype(np.int8)
    rows = {name: random.normal(size=6).astype(np.float32) for name in ("scale", "bias")}
    tensors = {name: Tensor(name, (6,), "float32") for name in rows}
    given = np.pad(x, ((0, 0), (0, 0), (0, empty)), constant_values=7)
    tensors["x"] = Tensor("x", given.shape, "int8", np.float32(0.05), 7)
    tensors["y"] = Tensor("y", given.shape, "int8", np.float32(0.04), -4)
    values = {"values": 50} if empty else {}
    node = make_node("norm", "GroupNormalization", ("x", *rows), ("y",), groups=groups, **values)
    values = ((x.astype(np.float64) - 7) * float(np.float32(0.05))).reshape(2, groups, -1)
    around = values - values.mean(-1, keepdims=True)
    deviation = np.sqrt((around**2).mean(-1, keepdims=True) + 1e-5)
    scale, bias = (rows[name].astype(np.float64)[:, None] / float(np.float32(0.04)) for name in ("scale", "bias"))
    exact = (around / deviation).reshape(x.shape) * scale + bias
    error = (np.abs(scale) * (8 + 4 * (np.abs(values).max() / deviation).max()) + np.abs(bias) + 8) * UNIT
    made = run(Graph("g", ("x",), ("y",), tensors, rows, (node,)), {"x": given})["y"]
    got = made[:, :, :50].astype(np.float64) + 4
    assert (np.abs(got - np.clip(exact, -124, 131)) <= 0.5 + error).all()
    assert (made[:, :, 50:] == -128).all()


def test_scale_and_bias_are_rows_of_constants() -> None:
    x = np.zeros((2, 5), np.int8)
    graph = normalized("LayerNormalization", x, 0.1, 0.1)
    short = {**graph.tensors, "bias": Tensor("bias", (4,), "float32")}
    with pytest.raises(LithifyError, match=r"given 'bias' of shape \(4,\); it must be \(5,\), a number for each"):
        check(replace(graph, tensors=short, constants={**graph.constants, "bias": np.zeros(4, np.float32)}))
    with pytest.raises(LithifyError, match=r"was given epsilon = 0\.0; it must be a finite number above zero"):
        normalized("LayerNormalization", x, 0.1, 0.1, 0.0)


def near_onnx_runtime(graph: Graph, x: NDArray[np.int8], **attributes: float) -> tuple[int, int]:
    """How many results are another than those of ONNX Runtime's DequantizeLinear, operator, QuantizeLinear, and of how
    many; never more than a step apart.
    """
    runtime = pytest.importorskip("onnxruntime")
    source, target, operator = graph.tensors["x"], graph.tensors["y"], graph.nodes[0].operator
    constants = [
        helper.make_tensor(f"{tensor.name}_{part}", kind, (), [value])
        for tensor in (source, target)
        for part, kind, value in (
            ("scale", TensorProto.FLOAT, float(tensor.scale)),  # type: ignore[arg-type]
            ("zero", TensorProto.INT8, tensor.zero_point),
        )
    ] + [numpy_helper.from_array(data, name) for name, data in graph.constants.items()]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "x_scale", "x_zero"], ["float"]),
        helper.make_node(operator, ["float", *graph.constants], ["made"], axis=-1, **attributes),
        helper.make_node("QuantizeLinear", ["made", "y_scale", "y_zero"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.INT8, x.shape) for name in ("x", "y")]
    proto = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": x})
    apart = np.abs(run(graph, {"x": x})["y"].astype(np.int32) - made)
    assert apart.max() <= 1
    return int(apart.sum()), apart.size


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "LayerNormalization"])
def test_near_onnx_runtime(operator: str) -> None:
    """Fewer than one of 100,000 results a step apart; the rates are in docs/numbers.md."""
    random = np.random.default_rng(5)
    different = total = 0
    for columns, scale in ((10, 0.1), (128, 0.05), (197, 0.2), (768, 0.02)):
        x = np.clip(random.normal(size=(400_000 // columns, columns)) * 30, -128, 127).astype(np.int8)
        if operator == "LayerNormalization":
            graph = normalized(operator, x, scale, 0.03)
            found = near_onnx_runtime(graph, x, epsilon=1e-5)
        else:
            graph = softmax(
                *x.shape, scale, *((1 / 256, (3, -128)) if operator == "Softmax" else (0.8 * scale, (3, 120)))
            )
            found = near_onnx_runtime(replace(graph, nodes=(make_node("n", operator, ("x",), ("y",)),)), x)
        different, total = different + found[0], total + found[1]
    assert different < total * 1e-5, f"{different} of {total}"
