"""Post-training quantisation: ranges, formats, what stays float, and what is left alone."""

import re
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, typed
from tests.quantize.judge import agree, by_reference, by_runtime, kinds

from lithify.errors import LithifyError
from lithify.optimize import optimize
from lithify.optimize.values import constant
from lithify.quantize import inputs_of, is_quantized, quantize, read, seeded
from lithify.reference.graph import Graph

WEIGHTS: dict[str, NDArray[Any]] = {
    "w": floats(1, 6, 3, 3, 3, scale=0.2),
    "b": floats(2, 6),
    "square": floats(3, 6, 6, 3, 3, scale=0.1),
    "depthwise": floats(4, 6, 1, 3, 3, scale=0.3),
    "dense": floats(5, 5, 6),
    "low": np.array(-0.5, np.float32),
    "one": np.array(1, np.float32),
    "six": np.array(6, np.float32),
    "zero": np.array(0, np.float32),
    "axes": np.array([2, 3], np.int64),
    "channel": np.array(1, np.int64),
    "three": np.array(3, np.float32),
    "half": np.array(0.5, np.float32),
    "root": np.array(2**0.5, np.float32),
}
IMAGE = "g (float[1, 3, 8, 8] x) => (float[n, c, h, v] y)"
NETWORK = """a = Conv<pads = [1, 1, 1, 1]>(x, w, b)
    r = Relu(a)
    c = Conv<pads = [1, 1, 1, 1]>(r, square)
    s = Add(c, r)
    t = Relu(s)
    d = Conv<group = 6, strides = [2, 2], pads = [1, 1, 1, 1]>(t, depthwise, b)
    e = Clip(d, zero, six)
    m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(e)
    p = AveragePool<kernel_shape = [2, 2]>(m)
    k = GlobalAveragePool(p)
    f = Flatten(k)
    l = Gemm<transB = 1>(f, dense)
    y = Softmax(l)"""


def _model(body: str, head: str = IMAGE) -> ir.Model:
    text = f"{head} {{ {body} }}"
    used = {name: data for name, data in WEIGHTS.items() if re.search(rf"\b{name}\b", body)}
    return typed(text, used)


def _quantized(model: ir.Model) -> ir.Model:
    samples = seeded(inputs_of(model), 16, seed=1)
    return quantize(model, [samples[index] for index in range(16)])


def test_a_whole_network() -> None:
    model = optimize(_model(NETWORK, "g (float[1, 3, 8, 8] x) => (float[1, 5] y)"))
    graph = agree(_quantized(model))
    assert kinds(graph) == [
        "Quantize", "Conv", "Conv", "Add", "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "Reshape", "Gemm",
        "Dequantize", "Host",
    ]  # fmt: skip
    assert graph.nodes[-1].attributes["operators"] == ("Softmax",)


def test_format() -> None:
    made = _quantized(_model(NETWORK, "g (float[1, 3, 8, 8] x) => (float[1, 5] y)"))
    onnx.checker.check_model(ir.serde.serialize_model(made), full_check=True)
    assert made.ir_version <= 13 and made.opset_imports == {"": 20, "com.microsoft": 1}
    assert not made.metadata_props
    for node in made.graph:
        if node.op_type == "QuantizeLinear":
            zero = constant(node.inputs[2])
            assert zero is not None and zero.dtype == np.int8 and zero.shape == ()
        if node.op_type == "DequantizeLinear" and (data := constant(node.inputs[0])) is not None:
            zero, scale = constant(node.inputs[2]), constant(node.inputs[1])
            assert zero is not None and not zero.any()
            assert (scale is not None and scale.shape == (6,)) or (data.shape == (5, 6) and scale is not None)
            assert data.dtype == (np.int32 if data.ndim == 1 else np.int8)
            assert data.ndim == 1 or np.abs(data.astype(int)).max() <= 127


def _parameters(graph: Graph, name: str) -> tuple[float, int]:
    tensor = graph.tensors[name]
    assert tensor.scale is not None
    return float(tensor.scale), tensor.zero_point


def test_ranges_are_the_least_and_greatest_value_of_the_samples() -> None:
    model = _model("a = Conv(x, w)\n y = Relu(a)")
    samples = seeded(inputs_of(model), 16, seed=1)
    graph = read(_quantized(model))
    x = samples.inputs["x"]
    step = np.float32((float(x.max()) - float(x.min())) / 255)
    assert _parameters(graph, graph.nodes[0].outputs[0]) == (step, round(-128 - float(x.min()) / step))
    results = [by_runtime(model, samples[index], fused=False)[0] for index in range(16)]
    # The Relu is gone: its zero is the least int8 of the convolution's result.
    expected = float(np.float32(max(float(result.max()) for result in results) / 255)), -128
    assert _parameters(graph, graph.nodes[1].outputs[0]) == expected


def test_weights_and_bias() -> None:
    graph = read(_quantized(_model("y = Conv(x, w, b)")))
    (conv,) = (node for node in graph.nodes if node.operator == "Conv")
    x, weights, bias = (graph.tensors[name] for name in conv.inputs)
    assert x.scale is not None and weights.scale is not None and bias.scale is not None
    largest = np.abs(WEIGHTS["w"]).max(axis=(1, 2, 3))
    assert np.allclose(weights.scale, largest / 127, rtol=1e-6, atol=0)
    assert np.array_equal(np.abs(graph.constants[weights.name].astype(int)).max(axis=(1, 2, 3)), np.full(6, 127))
    assert np.array_equal(bias.scale, x.scale * weights.scale)
    assert np.array_equal(graph.constants[bias.name], np.rint(WEIGHTS["b"] / bias.scale))


@pytest.mark.parametrize("operator", ["MaxPool<kernel_shape = [3, 3]>", "Flatten", "Transpose<perm = [1, 0, 2, 3]>"])
def test_moving_values_keeps_their_scale(operator: str) -> None:
    head = "g (float[1, 3, 8, 8] x) => (float[n, m] y)" if operator == "Flatten" else IMAGE
    graph = agree(_quantized(_model(f"a = Conv(x, w)\n y = {operator}(a)", head)))
    mover = "MaxPool" if "MaxPool" in operator else "Reshape"
    assert kinds(graph) == ["Quantize", "Conv", mover, "Dequantize"]
    before, after = graph.nodes[2].inputs[0], graph.nodes[2].outputs[0]
    assert _parameters(graph, before) == _parameters(graph, after)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a = Conv(x, w)\n y = Clip(a, zero, six)", ["Conv"]),
        ("a = Conv(x, w)\n y = Clip(a, low, one)", ["Conv"]),
        # Not even 0 is a value of this Clip.
        ("a = Conv(x, w)\n t = Clip(a, one, six)\n y = Conv(t, square)", ["Conv", "Conv"]),
        ("a = Conv(x, w)\n t = Relu(a)\n y = Add(a, t)", ["Conv", "Lookup"]),
        ("a = Conv(x, w)\n t = Exp(a)\n y = Conv(t, square)", ["Conv", "Lookup", "Conv"]),
        ("a = Conv(x, w)\n y = Sigmoid(a)", ["Conv", "Lookup"]),
        ("a = Conv(x, w)\n t = LeakyRelu(a)\n y = Conv(t, square)", ["Conv", "Lookup", "Conv"]),
        ("a = Conv(x, w)\n t = HardSwish(a)\n y = Conv(t, square)", ["Conv", "Lookup", "Conv"]),
        ("a = Conv(x, w)\n t = Sigmoid(a)\n y = Conv(t, square)", ["Conv", "Lookup", "Conv"]),
        ("a = Conv(x, w)\n y = Add(a, a)", ["Conv", "Lookup"]),
    ],
)
def test_activations(body: str, expected: list[str]) -> None:
    model = _model(body)
    made = _quantized(model)
    graph = read(made)
    assert kinds(graph) == ["Quantize", *expected, "Dequantize"]
    given = seeded(inputs_of(model), 4, seed=3)
    for index in range(4):
        (ours,), (real,) = by_reference(graph, given[index]), by_runtime(model, given[index], fused=False)
        scale = _parameters(graph, graph.nodes[-1].inputs[0])[0]
        # Not a check of bits: int8 must resemble the float model. A lost Clip or Relu would be tens of steps away.
        assert np.abs(ours - real).max() < 12 * scale


@pytest.mark.parametrize(
    ("body", "host"),
    [
        ("a = Conv(x, w)\n y = Softmax(a)", ("Softmax",)),
        ("a = Conv(x, w)\n t = CumSum(a, channel)\n y = Conv(t, square)", ("CumSum",)),
        ("a = Relu(x)\n y = Conv(x, a)", ("Relu", "Conv")),
    ],
)
def test_what_has_no_int8_definition_stays_float(body: str, host: tuple[str, ...]) -> None:
    head = "g (float[3, 3, 8, 8] x) => (float[n, c, h, v] y)" if "Conv(x, a)" in body else IMAGE
    graph = agree(_quantized(_model(body, head)))
    assert [node.attributes["operators"] for node in graph.nodes if node.operator == "Host"] == [host]


SEVERAL = {
    "silu": "s = Sigmoid(a)\n t = Mul(a, s)",
    "square": "t = Mul(a, a)",
    "hard swish": "u = Add(a, three)\n v = Clip(u, zero, six)\n s = Mul(a, v)\n t = Div(s, six)",
    "gelu": "u = Div(a, root)\n v = Erf(u)\n s = Add(v, one)\n r = Mul(a, s)\n t = Mul(r, half)",
    "mish": "u = Softplus(a)\n v = Tanh(u)\n t = Mul(v, a)",
}


@pytest.mark.parametrize("name", SEVERAL)
def test_functions_written_with_several_operators_are_one_table(name: str) -> None:
    graph = agree(_quantized(_model(f"a = Conv(x, w)\n {SEVERAL[name]}\n y = Conv(t, square)")))
    assert kinds(graph) == ["Quantize", "Conv", "Lookup", "Conv", "Dequantize"]


def test_what_else_reads_inside_a_function_reads_int8() -> None:
    body = "a = Conv(x, w)\n s = Sigmoid(a)\n t = Mul(a, s)\n c = Conv<pads = [1, 1, 1, 1]>(s, square)\n y = Add(t, c)"
    graph = agree(_quantized(_model(body)))
    assert sorted(kinds(graph)) == ["Add", "Conv", "Conv", "Dequantize", "Lookup", "Lookup", "Quantize"]


def test_convolutions_over_one_dimension() -> None:
    model = typed("g (float[1, 3, 9] x) => (float[1, 2, 7] y) { y = Conv(x, w) }", {"w": floats(1, 2, 3, 3)})
    graph = agree(_quantized(model))
    assert kinds(graph) == ["Quantize", "Conv", "Dequantize"]
    assert graph.nodes[1].attributes["strides"] == (1, 1)


def test_quantised_models_pass_through() -> None:
    once = _quantized(_model("y = Conv(x, w, b)"))
    assert is_quantized(once)
    twice = quantize(once, "no such file is read")
    assert ir.serde.serialize_model(twice) == ir.serde.serialize_model(once)


def test_the_model_is_left_alone() -> None:
    model = _model("y = Conv(x, w, b)")
    before = ir.serde.serialize_model(model).SerializeToString(deterministic=True)
    _quantized(model)
    assert ir.serde.serialize_model(model).SerializeToString(deterministic=True) == before


def test_wrong_calibration_data() -> None:
    model = _model("y = Conv(x, w, b)")
    bad = floats(1, 4, 3, 8, 8)
    bad[1, 0, 0, 0] = np.nan
    for data, message in (
        (
            bad,
            "1 values of array 0 are NaN or infinite, the first of them in sample 1. Repair or remove those samples.",
        ),
        (
            floats(1, 4, 3, 8, 9),
            "The shape [4, 3, 8, 9] of array 0 does not fit the input 'x' of shape [1, 3, 8, 8]. "
            "Give one sample of that shape or several stacked along a new first axis.",
        ),
    ):
        with pytest.raises(LithifyError) as caught:
            quantize(model, data)
        assert str(caught.value) == message


def test_a_model_that_computes_no_numbers_is_refused_by_name() -> None:
    model = typed(
        f"{IMAGE} {{ a = Conv(x, w)\n b = Relu(a)\n y = Mul(b, b) }}", {"w": np.full((3, 3, 1, 1), np.nan, "f")}
    )
    with pytest.raises(LithifyError) as caught:
        _quantized(model)
    assert str(caught.value) == (
        "The float network computes NaN or infinite numbers from the calibration data, first in what 'conv_0' (Conv) "
        "makes, and no tensor is left that int8 could hold. Give data that the network is made for, or repair its "
        "weights."
    )


def test_a_model_that_cannot_run_is_refused() -> None:
    values = {"index": np.array([9], np.int64), "w": floats(1, 1, 3, 1, 1)}
    model = typed(f"{IMAGE} {{ a = Gather<axis = 2>(x, index)\n y = Conv(a, w) }}", values)
    with pytest.raises(LithifyError) as caught:
        _quantized(model)
    assert str(caught.value).startswith("ONNX Runtime could not calibrate the model: ")
    assert str(caught.value).endswith("Check that the model runs on the data.")
