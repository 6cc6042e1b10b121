"""Models that torchao and Brevitas quantised: taken as they came, every bit kept. `exports/make.py` writes them."""

from pathlib import Path

import numpy as np
import pytest
from tests.frontend.models import typed
from tests.quantize.judge import agree, kinds

from lithify.frontend import load
from lithify.optimize import optimize
from lithify.quantize import is_quantized, quantize
from lithify.reference.check import check

EXPORTS = Path(__file__).parent / "exports"


@pytest.mark.parametrize("name", ["torchao", "brevitas"])
def test_exports(name: str) -> None:
    model = load(EXPORTS / f"{name}.onnx")
    assert is_quantized(model)
    made = quantize(optimize(model), "is not read")
    for fused in (True, False):
        graph = agree(made, fused=fused)
    check(graph)
    host = [node.attributes["operators"] for node in graph.nodes if node.operator == "Host"]
    if name == "brevitas":
        assert kinds(graph) == ["Quantize", "Conv", "Conv", "Conv", "Reshape", "Gemm", "Dequantize"] and not host
    else:
        # torchao leaves two things float: the sum of a convolution and its shortcut, and the scores at the end.
        assert host == [("DequantizeLinear", "Conv", "Add"), ("DequantizeLinear", "Gemm")]
        assert kinds(graph).count("Conv") == 2


VALUES = {
    "s": np.array(0.05, np.float32), "z": np.array(3, np.int8), "t": np.array(0.02, np.float32),
    "flat": np.array([1, 48], np.int64), "pads": np.array([0, 0, 1, 1, 0, 0, 0, 0], np.int64),
    "fill": np.array(0.33, np.float32), "axes": np.array([2, 3], np.int64),
}  # fmt: skip
MOVED = {
    "flatten": ("y = Reshape(d, flat)", ["Reshape"]),
    "two": ("a = Transpose<perm = [0, 2, 3, 1]>(d)\n y = Reshape(a, flat)", ["Transpose", "Reshape"]),
    "pool": ("y = MaxPool<kernel_shape = [2, 2]>(d)", ["MaxPool"]),
    "join": ("y = Concat<axis = 1>(d, d)", ["Concat"]),
    "parts": ("a, b = Split<axis = 2, num_outputs = 2>(d)\n y = Concat<axis = 2>(b, a)", ["Slice", "Slice", "Concat"]),
    "zeros around": ("y = Pad(d, pads)", ["Pad"]),
    "most of all": ("y = ReduceMax<keepdims = 0>(d, axes)", ["MaxPool", "Reshape"]),
    "other numbers around": ("y = Pad(d, pads, fill)", None),
    "sum": ("y = ReduceSum(d, axes)", None),
}


@pytest.mark.parametrize("name", MOVED)
def test_what_only_moves_needs_no_pair_of_its_own(name: str) -> None:
    body, expected = MOVED[name]
    text = f"""g (float[1, 3, 4, 4] x) => (float y) {{
        q = QuantizeLinear(x, s, z)
        d = DequantizeLinear(q, s, z)
        {body}
    }}"""
    model = typed(text.replace("(float y)", _head(name)), {key: data for key, data in VALUES.items() if key in text})
    graph = agree(model, fused=False)
    if expected is None:
        assert "Host" in kinds(graph)
    else:
        assert kinds(graph) == ["Quantize", *expected, "Dequantize"]


def _head(name: str) -> str:
    shapes = {"flatten": "1, 48", "two": "1, 48", "most of all": "1, 3"}
    return f"(float[{shapes.get(name, 'a, b, c, d')}] y)"
