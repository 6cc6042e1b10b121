"""QDQ models as quantised graphs: which nodes become which unit, judged by ONNX Runtime on the whole model."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, typed
from tests.quantize.judge import agree, by_reference, by_runtime, kinds

from lithify.errors import LithifyError
from lithify.frontend.shapes import infer
from lithify.quantize import host, inputs_of, read, seeded
from lithify.reference.check import check


def _ints(seed: int, *shape: int) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-127, 128, shape, np.int8)


CONSTANTS: dict[str, NDArray[Any]] = {
    "sx": np.array(0.02, np.float32),
    "zx": np.array(-5, np.int8),
    "sy": np.array(0.07, np.float32),
    "zy": np.array(11, np.int8),
    "sz": np.array(0.03, np.float32),
    "zz": np.array(-128, np.int8),
    "z0": np.zeros(4, np.int8),
    "zb": np.zeros(4, np.int32),
    "sw": np.array([0.01, 0.02, 0.004, 0.015], np.float32),
    "wq": _ints(1, 4, 3, 3, 3),
    "dense": _ints(2, 75, 4),
    "bq": np.array([100, -2000, 37, 0], np.int32),
    "bf": floats(3, 4),
    "zero": np.array(0, np.float32),
    "six": np.array(1.5, np.float32),
    "low": np.array(-0.4, np.float32),
    "flat": np.array([1, 75], np.int64),
    "ones": np.array([1, 1], np.int64),
    "axes": np.array([2, 3], np.int64),
    "factor": np.array(0.5, np.float32),
    "condition": np.array(True),
}
CONSTANTS["sb"] = CONSTANTS["sx"] * CONSTANTS["sw"]
HEAD = """q = QuantizeLinear(x, sx, zx)
    d = DequantizeLinear(q, sx, zx)
    w = DequantizeLinear<axis = 0>(wq, sw, z0)
    b = DequantizeLinear<axis = 0>(bq, sb, zb)
"""
TAIL = """
    qy = QuantizeLinear(r, sy, zy)
    y = DequantizeLinear(qy, sy, zy)"""


def _model(body: str, tail: str = TAIL, output: str = "float[n, c, h, v] y") -> ir.Model:
    text = f"g (float[1, 3, 5, 5] x) => ({output}) {{ {HEAD}{body}{tail} }}"
    model = typed(text, CONSTANTS)
    infer(model, Path("test"))
    return model


IMAGE_BODIES = {
    "conv": ("r = Conv(d, w, b)", ["Conv"]),
    "conv float bias": ("r = Conv(d, w, bf)", ["Conv"]),
    "conv no bias": ("r = Conv<pads = [1, 1, 1, 1], strides = [2, 2], dilations = [2, 1]>(d, w)", ["Conv"]),
    "conv same upper": ('r = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(d, w, b)', ["Conv"]),
    "conv same lower": ('r = Conv<auto_pad = "SAME_LOWER", strides = [2, 1]>(d, w, b)', ["Conv"]),
    "conv valid": ('r = Conv<auto_pad = "VALID">(d, w, b)', ["Conv"]),
    "conv relu": ("c = Conv(d, w, b)\n r = Relu(c)", ["Conv"]),
    "max pool": ("m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(d)\n r = Identity(m)", ["MaxPool", "Lookup"]),
    "max pool ceil": (
        "r = MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(d)", ["MaxPool", "Lookup"],
    ),
    "average pool": ("r = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 0, 0]>(d)", ["AveragePool"]),
    "average pool all": (
        "r = AveragePool<kernel_shape = [3, 2], pads = [1, 1, 1, 1], count_include_pad = 1>(d)", ["AveragePool"],
    ),
    "global": ("r = GlobalAveragePool(d)", ["GlobalAveragePool"]),
    "global relu": ("m = GlobalAveragePool(d)\n r = Relu(m)", ["GlobalAveragePool", "Clip"]),
    "relu": ("r = Relu(d)", ["Lookup"]),
    "leaky": ("r = LeakyRelu<alpha = 0.1>(d)", ["Lookup"]),
    "hard swish": ("r = HardSwish(d)", ["Lookup"]),
    "hard sigmoid, clip": ("a = HardSigmoid(d)\n r = Clip(a, zero, six)", ["Lookup"]),
    "sigmoid": ("r = Sigmoid(d)", ["Lookup"]),
    "tanh": ("r = Tanh(d)", ["Lookup"]),
    "rescale": ("r = Identity(d)", ["Lookup"]),
    "transpose of nothing": ("r = Transpose<perm = [1, 0, 2, 3]>(d)", ["Reshape", "Lookup"]),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGE_BODIES)
def test_units(name: str) -> None:
    body, expected = IMAGE_BODIES[name]
    # Fused, ONNX Runtime drops the second of two neighbouring Q/DQ pairs, which changes values: not a judge there.
    assert kinds(agree(_model(body), fused=name != "rescale")) == ["Quantize", *expected, "Dequantize"]


@pytest.mark.parametrize(
    ("body", "operators"),
    [
        ("t = Transpose<perm = [0, 1, 3, 2]>(s)\n k = QuantizeLinear(t, sx, zx)", ["Elementwise"]),
        ("t = Exp(s)\n k = QuantizeLinear(t, sx, zx)", ["Elementwise"]),
        ("k = Transpose<perm = [0, 1, 3, 2]>(wq3)", ["Elementwise"]),
    ],
)
def test_what_constants_alone_decide_is_known(body: str, operators: list[str]) -> None:
    """The chip reads what is computed of constants only, by a node that no pass folded."""
    body = f"s = DequantizeLinear(wq3, sx, zx)\n {body}\n o = DequantizeLinear(k, sx, zx)\n r = Max(d, o)"
    text = f"g (float[1, 3, 5, 5] x) => (float[1, 3, 5, 5] y) {{ {HEAD}{body}{TAIL} }}"
    graph = agree(typed(text, {**CONSTANTS, "wq3": _ints(6, 1, 3, 5, 5)}))
    assert kinds(graph) == ["Quantize", *operators, "Dequantize"]


def test_clip_becomes_limits() -> None:
    graph = agree(_model("c = Conv(d, w, b)\n r = Clip(c, low, six)"))
    (conv,) = (node for node in graph.nodes if node.operator == "Conv")
    # low / sy + zy = -0.4 / 0.07 + 11 = 5.29 -> 5, 1.5 / 0.07 + 11 = 32.4 -> 32
    assert (conv.attributes["minimum"], conv.attributes["maximum"]) == (5, 32)


def test_successive_limits() -> None:
    graph = read(_model("c = Conv(d, w, b)\n a = Clip(c, zero, six)\n e = Clip(a, low)\n r = Relu(e)"))
    (conv,) = (node for node in graph.nodes if node.operator == "Conv")
    assert (conv.attributes["minimum"], conv.attributes["maximum"]) == (11, 32)


def test_same_scale_needs_no_table() -> None:
    tail = "\n qy = QuantizeLinear(r, sx, zx)\n y = DequantizeLinear(qy, sx, zx)"
    for body, expected in (
        ("r = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(d)", ["MaxPool"]),
        ("r = Relu(d)", ["Clip"]),
        ("m = MaxPool<kernel_shape = [3, 3]>(d)\n r = Relu(m)", ["MaxPool", "Clip"]),
    ):
        assert kinds(agree(_model(body, tail))) == ["Quantize", *expected, "Dequantize"]


def test_dense_layers() -> None:
    dense = "f = Reshape(d, flat)\n qf = QuantizeLinear(f, sx, zx)\n df = DequantizeLinear(qf, sx, zx)\n"
    weights = "wd = DequantizeLinear<axis = 1>(dense, sw, z0)\n"
    bodies = "r = Gemm(df, wd, b)", "r = Gemm(df, wd, bf)", "r = MatMul(df, wd)", "m = MatMul(df, wd)\n r = Relu(m)"
    for body in bodies:
        graph = agree(_model(dense + weights + body, output="float[n, c] y"))
        assert kinds(graph) == ["Quantize", "Reshape", "Gemm", "Dequantize"]
        (gemm,) = (node for node in graph.nodes if node.operator == "Gemm")
        assert np.array_equal(graph.constants[gemm.inputs[1]], CONSTANTS["dense"].T)
        assert np.array_equal(graph.tensors[gemm.inputs[1]].scale, CONSTANTS["sw"])


def test_matmul_of_more_dimensions() -> None:
    values = {**CONSTANTS, "square": _ints(5, 5, 4)}
    body = "wd = DequantizeLinear<axis = 1>(square, sw, z0)\n r = MatMul(d, wd)"
    text = f"g (float[1, 3, 5, 5] x) => (float[1, 3, 5, 4] y) {{ {HEAD}{body}{TAIL} }}"
    assert kinds(agree(typed(text, values))) == ["Quantize", "Reshape", "Gemm", "Reshape", "Dequantize"]


@pytest.mark.parametrize("order", ["m, bf", "b, m"])
def test_matmul_and_bias_behind_it(order: str) -> None:
    dense = "f = Reshape(d, flat)\n qf = QuantizeLinear(f, sx, zx)\n df = DequantizeLinear(qf, sx, zx)\n"
    body = f"wd = DequantizeLinear<axis = 1>(dense, sw, z0)\n m = MatMul(df, wd)\n a = Add({order})\n r = Relu(a)"
    graph = agree(_model(dense + body, output="float[n, c] y"), fused=False)
    assert kinds(graph) == ["Quantize", "Reshape", "Gemm", "Dequantize"]


def test_weights_quantised_and_turned_by_the_model() -> None:
    dense = "f = Reshape(d, flat)\n qf = QuantizeLinear(f, sx, zx)\n df = DequantizeLinear(qf, sx, zx)\n"
    body = """qw = QuantizeLinear<axis = 0>(loose, sw, z0)
        wd = DequantizeLinear<axis = 0>(qw, sw, z0)
        t = Transpose<perm = [1, 0]>(wd)
        r = MatMul(df, t)"""
    values = {**CONSTANTS, "loose": floats(8, 4, 75)}
    text = f"g (float[1, 3, 5, 5] x) => (float[1, 4] y) {{ {HEAD}{dense}{body}{TAIL} }}"
    graph = agree(typed(text, values))
    assert kinds(graph) == ["Quantize", "Reshape", "Gemm", "Dequantize"]
    steps = np.rint(values["loose"] / CONSTANTS["sw"].reshape(-1, 1)).clip(-128, 127)
    assert np.array_equal(graph.constants[graph.nodes[2].inputs[1]], steps)


def test_padding_between_quantised_tensors() -> None:
    body = """p = Pad(d, sides)
        qp = QuantizeLinear(p, sx, zx)
        dp = DequantizeLinear(qp, sx, zx)
        r = Conv<pads = [0, 1, 0, 0]>(dp, w, b)"""
    values = {**CONSTANTS, "sides": np.array([0, 0, 1, 0, 0, 0, 2, 1], np.int64)}
    text = f"g (float[1, 3, 5, 5] x) => (float[n, c, h, v] y) {{ {HEAD}{body}{TAIL} }}"
    model = typed(text, values)
    infer(model, Path("test"))
    graph = agree(model)
    assert kinds(graph) == ["Quantize", "Conv", "Dequantize"]
    assert graph.nodes[1].attributes["pads"] == (1, 1, 2, 1)


def test_add_with_relu() -> None:
    body = """c = Conv<pads = [1, 1, 1, 1]>(d, w, b)
        qc = QuantizeLinear(c, sz, zz)
        e = DequantizeLinear(qc, sz, zz)
        m = Conv<pads = [1, 1, 1, 1]>(d, w)
        qm = QuantizeLinear(m, sy, zy)
        f = DequantizeLinear(qm, sy, zy)
        a = Add(e, f)
        r = Relu(a)"""
    graph = read(_model(body))
    assert kinds(graph) == ["Quantize", "Conv", "Conv", "Add", "Dequantize"]
    assert (graph.nodes[3].attributes["minimum"], graph.nodes[3].attributes["maximum"]) == (11, 127)


def test_host_nodes_are_grouped_and_named() -> None:
    body = """c = Conv(d, w, b)
        qc = QuantizeLinear(c, sz, zz)
        e = DequantizeLinear(qc, sz, zz)
        s = Softmax(e)
        r = Mul(s, factor)"""
    graph = agree(_model(body))
    assert kinds(graph) == ["Quantize", "Conv", "Dequantize", "Host", "Quantize", "Dequantize"]
    host = graph.nodes[3]
    assert host.attributes["operators"] == ("Softmax", "Mul")
    assert (host.inputs, host.outputs) == (("e",), ("r",))
    inner = onnx.load_from_string(host.attributes["model"])
    onnx.checker.check_model(inner, full_check=True)
    assert [item.name for item in inner.graph.input] == ["e"]
    assert [item.name for item in inner.graph.initializer] == ["factor"]


def test_separate_host_nodes_with_the_chip_between() -> None:
    """Joining them would make a circle: the second Hardmax needs the chip, which needs the first."""
    body = """s = Hardmax(d)
        q2 = QuantizeLinear(s, sz, zz)
        d2 = DequantizeLinear(q2, sz, zz)
        c = Conv<pads = [1, 1, 1, 1]>(d2, w)
        q3 = QuantizeLinear(c, sy, zy)
        d3 = DequantizeLinear(q3, sy, zy)
        t = Hardmax(d3)
        p = Softplus(s)
        m = Concat<axis = 1>(t, p)
        r = Abs(m)"""
    graph = agree(_model(body))
    check(graph)
    assert kinds(graph) == [
        "Quantize", "Dequantize", "Host", "Quantize", "Conv", "Dequantize", "Host", "Quantize", "Dequantize",
    ]  # fmt: skip


def test_bodies_of_if_read_from_outside() -> None:
    text = f"""g (float[1, 3, 5, 5] x) => (float[1, 3, 5, 5] y) {{ {HEAD}
        s = Softmax(d)
        y = If (condition) <
            then_branch = a () => (float[1, 3, 5, 5] u) {{ u = Mul(s, factor) }},
            else_branch = e () => (float[1, 3, 5, 5] v) {{ v = Neg(s) }}
        >
    }}"""
    graph = agree(typed(text, CONSTANTS))
    assert kinds(graph) == ["Quantize", "Dequantize", "Host"]
    assert graph.nodes[-1].attributes["operators"] == ("Softmax", "If")


def test_an_operator_quantised_twice_is_two_units() -> None:
    body = "r = Conv(d, w, b)\n q2 = QuantizeLinear(r, sz, zz)\n z = DequantizeLinear(q2, sz, zz)\n"
    graph = read(_model(body, output="float[1, 4, 3, 3] y, float[1, 4, 3, 3] z"))
    check(graph)
    assert sorted(kinds(graph)) == ["Conv", "Conv", "Dequantize", "Dequantize", "Quantize"]
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)


def test_int8_inputs_and_outputs() -> None:
    text = """g (int8[1, 3, 5, 5] q) => (int8[1, 4, 3, 3] qy) {
        d = DequantizeLinear(q, sx, zx)
        w = DequantizeLinear<axis = 0>(wq, sw, z0)
        r = Conv(d, w)
        qy = QuantizeLinear(r, sy, zy)
    }"""
    graph = agree(typed(text, CONSTANTS))
    assert kinds(graph) == ["Conv"]
    assert graph.tensors["q"].zero_point == -5 and graph.tensors["qy"].zero_point == 11


def test_reshapes_of_int8() -> None:
    text = """g (float[1, 3, 5, 5] x) => (float[1, 75] y) {
        q = QuantizeLinear(x, sx, zx)
        f = Reshape(q, flat)
        y = DequantizeLinear(f, sx, zx)
    }"""
    assert kinds(agree(typed(text, CONSTANTS, opset=21))) == ["Quantize", "Reshape", "Dequantize"]


def test_uint8_becomes_int8() -> None:
    text = """g (uint8[1, 3, 5, 5] q) => (uint8[1, 4, 3, 3] qy, float[1, 4, 3, 3] y) {
        d = DequantizeLinear(q, sx)
        w = DequantizeLinear(wu, sx, half)
        r = Conv(d, w)
        q1 = QuantizeLinear(r, sy, some)
        d1 = DequantizeLinear(q1, sy, some)
        y = Relu(d1)
        qy = QuantizeLinear(y, sz)
    }"""
    values = {
        **CONSTANTS,
        "wu": (CONSTANTS["wq"].astype(np.int32) + 128).astype(np.uint8),
        "half": np.array(128, np.uint8),
        "some": np.array(77, np.uint8),
    }
    graph = agree(typed(text, values))
    assert kinds(graph) == ["Signed", "Conv", "Dequantize", "Lookup", "Unsigned", "Host"]
    assert graph.nodes[5].attributes["operators"] == ("Relu",)
    (conv,) = (node for node in graph.nodes if node.operator == "Conv")
    assert graph.tensors[conv.inputs[0]].zero_point == -128
    assert graph.tensors[conv.outputs[0]].zero_point == 77 - 128
    assert np.array_equal(graph.constants[conv.inputs[1]], CONSTANTS["wq"])


@pytest.mark.parametrize(
    "body",
    [
        "wf = DequantizeLinear<axis = 0>(wq, sw, zw)\n r = Conv(d, wf)",  # weights with a zero point
        "wf = DequantizeLinear<axis = 1>(wq, s3, z3)\n r = Conv(d, wf)",  # scale per input channel
        "r = Conv(d, floating)",
        "r = MaxPool<kernel_shape = [3, 3]>(x)",
        "dx = DequantizeLinear(q, sy, zy)\n r = Relu(dx)",  # read with other parameters than written
        "r = Add(d, row)",
        "qf = QuantizeLinear(x, s16, z16)\n df = DequantizeLinear(qf, s16, z16)\n r = Relu(df)",
    ],
)
def test_what_the_definitions_do_not_cover_goes_to_the_host(body: str) -> None:
    values = {
        **CONSTANTS,
        "zw": np.array([0, 1, 0, 0], np.int8),
        "s3": np.array([0.1, 0.2, 0.3], np.float32),
        "z3": np.zeros(3, np.int8),
        "floating": floats(1, 4, 3, 3, 3),
        "row": floats(2, 5),
        "s16": np.array(0.001, np.float32),
        "z16": np.array(0, np.int16),
    }
    text = f"g (float[1, 3, 5, 5] x) => (float[n, c, h, v] y) {{ {HEAD}{body}{TAIL} }}"
    model = typed(text, values, opset=21)
    infer(model, Path("test"))
    graph = read(model)
    assert "Host" in kinds(graph)
    given = seeded(inputs_of(model), 1)[0]
    # Node by node: fused, ONNX Runtime quantises float weights by itself and fails on scales per input channel.
    for ours, theirs in zip(by_reference(graph, given), by_runtime(model, given, fused=False), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_float_model_is_one_host_node() -> None:
    model = typed("g (float[1, 3] x) => (float[1, 3] y) { a = Relu(x)\n y = Softmax(a) }")
    graph = agree(model)
    assert kinds(graph) == ["Host"] and graph.nodes[0].attributes["operators"] == ("Relu", "Softmax")


def test_reshapes_before_the_first_quantisation_move_behind_it() -> None:
    text = """g (float[1, 5, 5, 3] x) => (float[1, 75] y) {
        f = Reshape(x, flat)
        q = QuantizeLinear(f, sx, zx)
        y = DequantizeLinear(q, sx, zx)
    }"""
    assert kinds(agree(typed(text, CONSTANTS))) == ["Quantize", "Reshape", "Dequantize"]


def test_the_model_is_left_alone() -> None:
    model = _model(IMAGE_BODIES["conv relu"][0])
    before = ir.serde.serialize_model(model).SerializeToString(deterministic=True)
    read(model)
    assert ir.serde.serialize_model(model).SerializeToString(deterministic=True) == before


def test_a_host_model_of_too_many_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "LARGEST", 1_000_000)
    model = typed("g (float[1, 600] x) => (float[1, 500] y) { y = MatMul(x, w) }", {"w": floats(1, 600, 500)})
    with pytest.raises(LithifyError) as caught:
        read(model)
    assert str(caught.value) == (
        "The host would run 'matmul_0' with 0.0 GB of weights, and one host model can hold 0.0 GB. "
        "Quantise the layer, or split its weights over several."
    )
