"""Models that ONNX Runtime quantised, in every format that it writes: read without the host, the bits kept."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from tests.frontend.models import floats, proto, typed
from tests.quantize.judge import agree, by_reference, by_runtime, kinds

from lithify.frontend import load
from lithify.optimize import optimize
from lithify.quantize import inputs_of, is_quantized, quantize, read, seeded
from lithify.reference.check import check

WEIGHTS: dict[str, NDArray[Any]] = {
    "w": floats(1, 8, 3, 3, 3, scale=0.2), "b": floats(2, 8, scale=0.3), "v": floats(3, 8, 8, 1, 1, scale=0.4),
    "d": floats(4, 8, 1, 3, 3, scale=0.4), "m": floats(5, 16, 5, scale=0.3), "mb": floats(6, 5),
    "n": floats(7, 5, 7), "flat": np.array([1, 16], np.int64),
}  # fmt: skip
NETWORK = """g (float[1, 3, 12, 12] x) => (float[1, 7] y) {
    a = Conv<pads = [1, 1, 1, 1]>(x, w, b)
    r = Relu(a)
    c = Conv(r, v)
    l = LeakyRelu<alpha = 0.2>(c)
    s = Add(l, r)
    e = Conv<group = 8, strides = [2, 2], pads = [1, 1, 1, 1]>(s, d, b)
    g = Sigmoid(e)
    p = Mul(e, g)
    o = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(p)
    t = Concat<axis = 1>(o, o)
    k = GlobalAveragePool(t)
    f = Reshape(k, flat)
    h = Gemm(f, m, mb)
    u = Relu(h)
    y = MatMul(u, n)
}"""


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        self.left = [{"x": floats(seed, 1, 3, 12, 12)} for seed in range(6)]

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return self.left.pop() if self.left else None


def _written(folder: Path, form: QuantFormat, activations: QuantType, weights: QuantType, channels: bool) -> Path:
    onnx.save(proto(NETWORK, WEIGHTS, opset=17), folder / "float.onnx")
    quantize_static(
        folder / "float.onnx", folder / "made.onnx", _Feeds(), quant_format=form, per_channel=channels,
        activation_type=activations, weight_type=weights,
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
    )  # fmt: skip
    return folder / "made.onnx"


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize(
    ("activations", "weights", "channels"),
    [
        (QuantType.QUInt8, QuantType.QInt8, False),
        (QuantType.QUInt8, QuantType.QInt8, True),
        (QuantType.QInt8, QuantType.QInt8, True),
        (QuantType.QUInt8, QuantType.QUInt8, False),
    ],
)
def test_formats(tmp_path: Path, form: QuantFormat, activations: QuantType, weights: QuantType, channels: bool) -> None:
    model = load(_written(tmp_path, form, activations, weights, channels))
    assert is_quantized(model)
    graph = read(model)
    check(graph)
    assert "Host" not in kinds(graph), [node for node in graph.nodes if node.operator == "Host"]
    assert {"Conv", "Add", "Mul", "Lookup", "MaxPool", "GlobalAveragePool", "Concat", "Gemm"} <= set(kinds(graph))
    kept = quantize(model, "is not read")
    agree(kept, fused=False)
    agree(optimize(kept), fused=False)
    for feed in (seeded(inputs_of(model), 2, 3)[0], {"x": floats(99, 1, 3, 12, 12)}):
        # The integer kernels themselves: never more than a step of the last tensor away.
        (theirs,), (ours,) = by_runtime(model, feed), by_runtime(kept, feed, fused=False)
        step = float(graph.tensors[graph.nodes[-1].inputs[0]].scale)  # type: ignore[arg-type]
        assert np.abs(theirs - ours).max() <= 2.5 * step


INTEGERS: dict[str, NDArray[Any]] = {
    "s": np.array(0.02, np.float32), "z": np.array(130, np.uint8), "t": np.array(0.03, np.float32),
    "u": np.array(7, np.uint8), "wq": np.random.default_rng(1).integers(-127, 128, (4, 3, 3, 3), np.int8),
    "sw": np.array([0.01, 0.02, 0.004, 0.015], np.float32), "zw": np.zeros(4, np.int8),
    "bq": np.array([100, -2000, 37, 0], np.int32),
    "dense": np.random.default_rng(2).integers(-127, 128, (3, 4), np.int8),
    "flat": np.array([1, 3], np.int64),
}  # fmt: skip
FORMS = {
    "conv": ("y = QLinearConv<pads = [1, 0, 0, 1]>(q, s, z, wq, sw, zw, t, u, bq)", ["Conv"]),
    "add of itself": (
        "a = QLinearConv(q, s, z, wq, sw, zw, t, u)\n y = com.microsoft.QLinearAdd(a, t, u, a, t, u, s, z)",
        ["Conv", "Lookup"],
    ),
    "mul": (
        "a = Transpose<perm = [0, 1, 3, 2]>(q)\n y = com.microsoft.QLinearMul(q, s, z, a, s, z, t, u)",
        ["Transpose", "Mul"],
    ),
    "add": (
        "a = MaxPool<kernel_shape = [1, 1]>(q)\n y = com.microsoft.QLinearAdd(q, s, z, a, s, z, t, u)",
        ["MaxPool", "Add"],
    ),
    "average": (
        "y = com.microsoft.QLinearAveragePool<kernel_shape = [2, 3], count_include_pad = 1>(q, s, z, t, u)",
        ["AveragePool"],
    ),
    "global": ("y = com.microsoft.QLinearGlobalAveragePool<channels_last = 0>(q, s, z, t, u)", ["GlobalAveragePool"]),
    "leaky": ("y = com.microsoft.QLinearLeakyRelu<alpha = 0.3>(q, s, z, t, u)", ["Lookup"]),
    "sigmoid": ("y = com.microsoft.QLinearSigmoid(q, s, z, t, u)", ["Lookup"]),
    "concat": ("y = com.microsoft.QLinearConcat<axis = 1>(s, z, q, s, z, q, s, z)", ["Concat"]),
    "dense": (
        "g = com.microsoft.QLinearGlobalAveragePool(q, s, z, s, z)\n f = Reshape(g, flat)\n"
        "y = com.microsoft.QGemm(f, s, z, dense, sw, zw, bq, t, u)",
        ["GlobalAveragePool", "Reshape", "Gemm"],
    ),
    "matmul": (
        "g = com.microsoft.QLinearGlobalAveragePool(q, s, z, s, z)\n f = Reshape(g, flat)\n"
        "y = QLinearMatMul(f, s, z, dense, s, zero, t, u)",
        ["GlobalAveragePool", "Reshape", "Gemm"],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_integer_operators(name: str) -> None:
    body, expected = FORMS[name]
    constants = {**INTEGERS, "zero": np.array(0, np.int8)}
    rank = 2 if name in ("dense", "matmul") else 4
    shape = ", ".join("abcd"[:rank])
    text = f"""g (float[1, 3, 6, 6] x) => (float[{shape}] out) {{
        q = QuantizeLinear(x, s, z)
        {body}
        out = DequantizeLinear(y, {"s, z" if body.endswith("s, z)") and name != "dense" else "t, u"})
    }}"""
    used = {key: data for key, data in constants.items() if key in text}
    model = ir.serde.deserialize_model(proto(text, used))
    model.graph.outputs[0].shape = None
    graph = read(model)
    check(graph)
    assert kinds(graph) == ["Quantize", *expected, "Dequantize"]
    for seed in range(3):
        feed = {"x": floats(seed, 1, 3, 6, 6)}
        (ours,), (theirs,) = by_reference(graph, feed), by_runtime(model, feed)
        off = np.abs(ours - theirs)
        # Sums and averages differ by a step where an exact half falls (docs/numbers.md); all else not at all.
        exact = name not in ("average", "add of itself", "add")
        assert off.max() <= (0 if exact else 0.0301) and (off > 0).mean() <= 0.1


def test_integer_operators_with_computed_scales_go_to_the_host() -> None:
    text = """g (uint8[1, 3, 6, 6] q, float c) => (uint8[1, 3, 1, 1] y) {
        y = com.microsoft.QLinearGlobalAveragePool(q, c, z, t, u)
    }"""
    model = typed(text, {name: INTEGERS[name] for name in ("z", "t", "u")})
    assert kinds(read(model)) == ["Host"]


def test_integers_that_nothing_describes_go_to_the_host() -> None:
    model = typed("g (int8[1, 4, 2, 2] q) => (int8[1, 4, 2, 2] y) { y = Transpose<perm = [0, 1, 3, 2]>(q) }")
    graph = agree(model)
    assert kinds(graph) == ["Host"]
