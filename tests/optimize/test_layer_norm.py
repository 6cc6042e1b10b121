"""Norms written with other operators become one node, of the same values; what only looks like one stays."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, operators, typed

from lithify.optimize.layer_norm import join_norms
from lithify.quantize import read

from .test_passes import check

VALUES: dict[str, NDArray[Any]] = {
    "two": np.array(2, np.float32), "one": np.array(1, np.float32), "epsilon": np.array([1e-3], np.float32),
    "gamma": floats(1, 6), "beta": floats(2, 1, 1, 6), "last": np.array([-1], np.int64),
    "both": np.array([1, 2], np.int64), "plane": floats(3, 4, 6), "middle": np.array([1], np.int64),
}  # fmt: skip
CENTRED = "m = ReduceMean(x, last)\n d = Sub(x, m)\n"
ROOT = "v = ReduceMean(s, last)\n t = Add(v, epsilon)\n r = Sqrt(t)\n"
LAYER, RMS = ["LayerNormalization"], ["RMSNormalization"]
BODIES: dict[str, tuple[str, list[str]]] = {
    "layer norm": (f"{CENTRED} s = Pow(d, two)\n {ROOT} n = Div(d, r)\n g = Mul(n, gamma)\n y = Add(g, beta)", LAYER),
    "products": (f"{CENTRED} s = Mul(d, d)\n {ROOT} n = Div(d, r)\n g = Mul(gamma, n)\n y = Add(beta, g)", LAYER),
    "without a row": (f"{CENTRED} s = Mul(d, d)\n {ROOT} y = Div(d, r)", LAYER),
    "with a factor": (f"{CENTRED} s = Mul(d, d)\n {ROOT} n = Div(d, r)\n y = Mul(n, two)", LAYER),
    "the mean twice": (
        f"{CENTRED} m2 = ReduceMean(x, last)\n d2 = Sub(x, m2)\n s = Pow(d2, two)\n {ROOT} y = Div(d, r)", LAYER,
    ),
    "a reciprocal": (f"{CENTRED} s = Mul(d, d)\n {ROOT} i = Reciprocal(r)\n y = Mul(i, d)", LAYER),
    "one over it": (f"{CENTRED} s = Mul(d, d)\n {ROOT} i = Div(one, r)\n y = Mul(d, i)", LAYER),
    "two axes": (
        "m = ReduceMean(x, both)\n d = Sub(x, m)\n s = Mul(d, d)\n v = ReduceMean(s, both)\n t = Add(epsilon, v)\n "
        "r = Sqrt(t)\n n = Div(d, r)\n y = Mul(n, plane)",
        LAYER,
    ),
    "root mean square": (f"s = Mul(x, x)\n {ROOT} n = Div(x, r)\n y = Mul(n, gamma)", RMS),
    "reciprocal root": (f"s = Pow(x, two)\n {ROOT} i = Reciprocal(r)\n n = Mul(x, i)\n y = Mul(gamma, n)", RMS),
    "another axis": (
        "m = ReduceMean(x, middle)\n d = Sub(x, m)\n s = Mul(d, d)\n v = ReduceMean(s, middle)\n t = Add(v, epsilon)\n "
        "r = Sqrt(t)\n y = Div(d, r)",
        ["ReduceMean", "Sub", "Mul", "ReduceMean", "Add", "Sqrt", "Div"],
    ),
    "around another mean": (
        f"m = ReduceMean(x, both)\n d = Sub(x, m)\n s = Mul(d, d)\n {ROOT} y = Div(d, r)", ["ReduceMean", "Sub", *RMS],
    ),
    "no square": (
        f"{CENTRED} s = Mul(d, x)\n {ROOT} y = Div(d, r)",
        ["ReduceMean", "Sub", "Mul", "ReduceMean", "Add", "Sqrt", "Div"],
    ),
}  # fmt: skip


def model(name: str, opset: int = 20) -> ir.Model:
    body, _ = BODIES[name]
    used = {key: data for key, data in VALUES.items() if key in body}
    return typed(f"g (float[3, 4, 6] x) => (float[3, 4, 6] y) {{ {body} }}", used, opset)


@pytest.mark.parametrize("name", BODIES)
def test_norms_are_joined(name: str) -> None:
    check(join_norms, model(name), BODIES[name][1], 2e-6)


def test_the_operator_set_is_raised_only_where_nothing_else_changes() -> None:
    assert join_norms(model("layer norm")).opset_imports[""] == 20
    assert join_norms(model("root mean square")).opset_imports[""] == 23
    body = f"{BODIES['without a row'][0]} z = GridSample(y, p)"
    text = f"g (float[1, 4, 6, 6] x, float[1, 2, 2, 2] p) => (y, z) {{ {body} }}"
    sampled = typed(text, {key: VALUES[key] for key in ("last", "epsilon")})
    assert "LayerNormalization" in operators(join_norms(sampled))
    text = text.replace(CENTRED, "").replace("Mul(d, d)", "Mul(x, x)").replace("Div(d, r)", "Div(x, r)")
    sampled = typed(text, {key: VALUES[key] for key in ("last", "epsilon")})
    assert "RMSNormalization" not in operators(join_norms(sampled))


def test_a_quantised_model_is_joined_by_its_reader() -> None:
    body = BODIES["layer norm"][0].replace("(x", "(f").replace("y = Add", "e = Add")
    text = f"""g (float[3, 4, 6] x) => (float[3, 4, 6] y) {{
        q = QuantizeLinear(x, sx, zero)
        f = DequantizeLinear(q, sx, zero)
        {body}
        p = QuantizeLinear(e, sy, zero)
        y = DequantizeLinear(p, sy, zero)
    }}"""
    scales = {"sx": np.array(0.1, np.float32), "sy": np.array(0.05, np.float32), "zero": np.array(0, np.int8)}
    used = {key: data for key, data in VALUES.items() if key in text}
    quantized = typed(text, scales | used)
    assert operators(join_norms(quantized)) == operators(quantized)
    assert [node.operator for node in read(quantized).nodes] == ["Quantize", "LayerNormalization", "Dequantize"]
