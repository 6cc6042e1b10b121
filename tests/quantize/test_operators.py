"""Float networks with every kind of operator: quantised whole, read without the host, judged by ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, proto
from tests.quantize.judge import agree, by_reference, by_runtime, kinds

from lithify.frontend.shapes import infer
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.check import check
from lithify.reference.graph import Graph


def _i(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


CONSTANTS: dict[str, NDArray[Any]] = {
    "w": floats(1, 8, 4, 3, 3, scale=0.2), "w1": floats(9, 8, 8, 1, 1, scale=0.4), "b": floats(2, 8),
    "t": floats(3, 8, 3, 2, 2, scale=0.3), "t2": floats(4, 8, 2, 3, 3, scale=0.3), "tb": floats(5, 3),
    "t2b": floats(15, 4), "narrow": floats(8, 2, 8, 1, 1),
    "wide": floats(9, 8, 2, 1, 1), "s1": _i(1, -5), "s2": _i(99, -1), "s3": _i(2, 1), "s4": _i(2, 3), "step2": _i(2),
    "one": _i(1), "four": _i(4), "axis1": _i(1), "axis2": _i(2), "axes23": _i(2, 3), "pads": _i(0, 0, 1, 2, 0, 1, 0, 3),
    "cut": _i(0, 0, -1, 2, 0, 0, 0, -2), "fill": np.array(0.7, np.float32), "more": _i(1, 2, 1, 1),
    "big": _i(2, 8, 6, 6),
    "scales": np.array([1, 1, 2, 3], np.float32), "sizes": _i(1, 8, 9, 4), "rows": _i(1, 8, 36), "flat": _i(1, -1),
    "groups": _i(0, 2, 4, 6, 6), "joined": _i(0, 8, 6, 6), "index": np.array(3, np.int64), "indices": _i(5, 3, 1),
    "first": _i(0), "seventh": _i(7), "slopes": np.abs(floats(11, 8, 1, 1)), "factors": floats(12, 1, 8, 1, 1),
    "shifts": floats(13, 8, 1, 1), "split": _i(3, 5), "square": floats(14, 6, 6, scale=0.4),
}  # fmt: skip
HEAD = "g (float[1, 4, 8, 8] x) => (float[a, b, c, d] y) { a = Conv(x, w, b)\n"
# `a` is [1, 8, 6, 6], with negative values.
BODIES: dict[str, tuple[str, list[str]]] = {
    "transposed": ("y = ConvTranspose<strides = [2, 2]>(a, t, tb)", ["ConvTranspose"]),
    "transposed relu": ("v = ConvTranspose<strides = [2, 2]>(a, t, tb)\n y = Relu(v)", ["ConvTranspose"]),
    "transposed groups": (
        "y = ConvTranspose<strides = [2, 1], pads = [1, 0, 0, 1], output_padding = [1, 0], group = 2>(a, t2, t2b)",
        ["ConvTranspose"],
    ),
    "transposed shape": (
        'y = ConvTranspose<strides = [2, 2], output_shape = [11, 12]>(a, t, tb)', ["ConvTranspose"],
    ),
    "transposed same": (
        'y = ConvTranspose<strides = [3, 2], auto_pad = "SAME_UPPER", kernel_shape = [3, 3], group = 2>(a, t2)',
        ["ConvTranspose"],
    ),
    "mul": ("v = Conv(a, w1)\n y = Mul(a, v)", ["Conv", "Mul"]),
    "sub": ("v = Conv(a, w1)\n u = Sub(a, v)\n y = Relu(u)", ["Conv", "Sub"]),
    "add row": ("v = ReduceMean(a, axis2)\n y = Add(a, v)", ["ReduceMean", "Add"]),
    "fewer dimensions": (
        "m = ReduceMax<keepdims = 0>(a, first)\n y = Add(a, m)", ["ReduceMax", "Reshape", "Add"],
    ),
    "squeeze and excite": (
        "m = GlobalAveragePool(a)\n u = Conv(m, narrow)\n r = Relu(u)\n v = Conv(r, wide)\n "
        "s = Sigmoid(v)\n y = Mul(a, s)",
        ["GlobalAveragePool", "Conv", "Conv", "Lookup", "Mul"],
    ),
    "concat": ("v = Conv(a, w1)\n u = Relu(v)\n y = Concat<axis = 1>(a, u)", ["Conv", "Concat"]),
    "concat relu": ("v = Conv(a, w1)\n u = Concat<axis = 2>(a, v)\n y = Relu(u)", ["Conv", "Concat", "Clip"]),
    "concat twice": ("y = Concat<axis = -1>(a, a)", ["Concat"]),
    "slice": ("y = Slice(a, s1, s2, s4, s3)", ["Slice"]),
    "slice default": ("y = Slice(a, first, four, axis1)", ["Slice"]),
    "split": ("u, v = Split<axis = 1, num_outputs = 2>(a)\n y = Add(u, v)", ["Slice", "Slice", "Add"]),
    "split relu": ("u, v = Split<axis = 1>(a, split)\n y = Relu(v)", ["Slice", "Clip"]),
    "gather one": ("v = Gather<axis = 3>(a, index)\n y = Unsqueeze(v, axis1)", ["Slice", "Reshape", "Reshape"]),
    "gather back": ("y = Gather<axis = 1>(a, indices)", ["Slice"]),
    "pad": ("y = Pad(a, pads)", ["Pad"]),
    "pad value": ("y = Pad(a, pads, fill)", ["Pad"]),
    "pad reflect": ('y = Pad<mode = "reflect">(a, pads)', ["Pad"]),
    "pad edge": ('y = Pad<mode = "edge">(a, cut)', ["Pad"]),
    "pad wrap": ('y = Pad<mode = "wrap">(a, pads)', ["Pad"]),
    "transpose": ("y = Transpose<perm = [0, 2, 3, 1]>(a)", ["Transpose"]),
    "expand": ("y = Expand(a, big)", ["Expand"]),
    "tile": ("y = Tile(a, more)", ["Tile"]),
    "depth to space": ("y = DepthToSpace<blocksize = 2>(a)", ["DepthToSpace"]),
    "depth to space crd": ('y = DepthToSpace<blocksize = 2, mode = "CRD">(a)', ["DepthToSpace"]),
    "space to depth": ("y = SpaceToDepth<blocksize = 2>(a)", ["SpaceToDepth"]),
    "shuffle": (
        "u = Reshape(a, groups)\n v = Transpose<perm = [0, 2, 1, 3, 4]>(u)\n y = Reshape(v, joined)",
        ["Reshape", "Transpose", "Reshape"],
    ),
    "nearest": ("y = Resize(a, , scales)", ["ResizeNearest"]),
    "nearest sizes": ('y = Resize<coordinate_transformation_mode = "asymmetric">(a, , , sizes)', ["ResizeNearest"]),
    "linear": ('y = Resize<mode = "linear">(a, , scales)', ["ResizeLinear"]),
    "linear sizes": (
        'y = Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(a, , , sizes)', ["ResizeLinear"],
    ),
    "reduce mean": ("y = ReduceMean(a, axis1)", ["ReduceMean"]),
    "reduce image": ("v = ReduceMean<keepdims = 0>(a, axes23)\n y = Reshape(v, joined1)", ["GlobalAveragePool"]),
    "reduce sum": ("y = ReduceSum(a, axes23)", ["ReduceSum"]),
    "reduce all": ("y = ReduceMean(a)", ["ReduceMean"]),
    "reduce max": ("y = ReduceMax(a, axes23)", ["MaxPool"]),
    "reduce min": ("y = ReduceMin(a, axis1)", ["ReduceMin"]),
    "global max": ("v = GlobalMaxPool(a)\n y = Relu(v)", ["MaxPool", "Clip"]),
    "prelu of each channel": ("y = PRelu(a, slopes)", ["Lookup", "Lookup", "Conv", "Add"]),
    "factor of each channel": ("v = Relu(a)\n u = Mul(v, factors)\n y = Add(u, shifts)", ["Conv"]),
    "average": ("y = AveragePool<kernel_shape = [3, 2], ceil_mode = 1, strides = [2, 2]>(a)", ["AveragePool"]),
    "max dilated": ("y = MaxPool<kernel_shape = [2, 2], dilations = [2, 3], strides = [1, 2]>(a)", ["MaxPool"]),
    "batch norm alone": (
        "v = MaxPool<kernel_shape = [2, 2]>(a)\n y = BatchNormalization(v, b, b, b, positive)",
        ["MaxPool", "Conv"],
    ),
    "matmul": (
        "v = Transpose<perm = [0, 2, 3, 1]>(a)\n u = Relu(v)\n y = MatMul(u, square8)",
        ["Transpose", "Reshape", "Gemm", "Reshape"],
    ),
    "softmax": ("v = Softmax(a)\n y = Add(v, a)", ["Reshape", "Softmax", "Reshape", "Add"]),
    "softmax of channels": ("v = Softmax<axis = 1>(a)\n y = Add(v, a)", ["Softmax", "Add"]),
    "softmax of rows": (
        "v = Softmax<axis = 2>(a)\n y = Add(v, a)",
        ["Transpose", "Reshape", "Softmax", "Reshape", "Transpose", "Add"],
    ),
    "log softmax": ("v = LogSoftmax<axis = 1>(a)\n y = Add(v, a)", ["LogSoftmax", "Add"]),
    "layer norm": ("y = LayerNormalization(a, six, sixb)", ["Reshape", "LayerNormalization", "Reshape"]),
    "layer norm relu": (
        "v = LayerNormalization<axis = 2, epsilon = 0.01>(a, square)\n y = Relu(v)",
        ["Reshape", "LayerNormalization", "Reshape", "Clip"],
    ),
    "layer norm of channels": (
        "v = Transpose<perm = [0, 2, 3, 1]>(a)\n u = LayerNormalization(v, b, b)\n "
        "y = Transpose<perm = [0, 3, 1, 2]>(u)",
        ["Transpose", "Reshape", "LayerNormalization", "Reshape", "Transpose"],
    ),
}  # fmt: skip
CONSTANTS |= {"joined1": _i(1, 8, 1, 1), "positive": np.abs(floats(21, 8)), "square8": floats(22, 8, 5)}
CONSTANTS |= {"six": floats(24, 6), "sixb": floats(25, 6)}
NOT_FUSED = (
    "average",
    "reduce",
    "gather",
    "add row",
    "squeeze",
    "fewer",
    "global max",
    "sub",
    "prelu",
    "concat",
    "softmax",
)


def _quantized(text: str, opset: int = 20) -> ir.Model:
    used = {name: data for name, data in CONSTANTS.items() if name in text}
    model = ir.serde.deserialize_model(proto(text, used, opset))
    infer(model, Path("test"))
    model = optimize(model)
    samples = seeded(inputs_of(model), 8, seed=1)
    return quantize(model, [samples[index] for index in range(8)])


def _within_one_step(model: ir.Model) -> Graph:
    """ONNX Runtime blends floats, so that an exact half may fall to either side (docs/numbers.md, ResizeLinear)."""
    graph = read(model)
    given = seeded(inputs_of(model), 4, seed=9)
    for index in range(4):
        (ours,), (theirs,) = by_reference(graph, given[index]), by_runtime(model, given[index], fused=False)
        step = float(graph.tensors[graph.nodes[-1].inputs[0]].scale)  # type: ignore[arg-type]
        off = np.rint(np.abs(ours - theirs) / step)
        assert off.max() <= 1 and (off > 0).mean() < 0.1
    return graph


@pytest.mark.parametrize("name", BODIES)
def test_operators(name: str) -> None:
    body, expected = BODIES[name]
    made = _quantized(f"{HEAD}{body} }}")
    if name.startswith("linear"):
        graph = _within_one_step(made)
    else:
        graph = agree(made, fused=not name.startswith(NOT_FUSED))
    check(graph)
    assert kinds(graph) == ["Quantize", "Conv", *expected, "Dequantize"]


@pytest.mark.parametrize("opset", range(13, 27))
def test_every_operator_set(opset: int) -> None:
    """The same network through every operator set: axes as attributes or inputs, splits with and without a number."""
    axes = "v = ReduceMean(r, axes23)" if opset >= 18 else "v = ReduceMean<axes = [2, 3]>(r)"
    body = f"""r = Relu(a)
        {axes}
        m = Mul(r, v)
        p, q = Split<axis = 1>(m, halves)
        s = Sub(p, q)
        u = Pad(s, pads)
        l = LeakyRelu<alpha = 0.3>(u)
        n = Resize<coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(l, , scales)
        b2 = BatchNormalization(n, five, five, five, five)
        y = Clip(b2, fill)"""
    values = {"halves": _i(4, 4), "five": np.abs(floats(23, 5)) + np.float32(0.1)}
    with pytest.MonkeyPatch.context() as patch:
        for name, data in values.items():
            patch.setitem(CONSTANTS, name, data)
        made = _quantized(f"{HEAD}{body} }}", opset)
    assert made.opset_imports[""] == opset
    graph = agree(made, fused=False)
    check(graph)
    assert "Host" not in kinds(graph) and {"Conv", "Mul", "Sub", "Slice", "Pad", "ResizeNearest"} <= set(kinds(graph))
