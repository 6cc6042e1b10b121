"""Expressions of two tensors: read whole, equal to ONNX Runtime's operators one by one, without the host."""

import numpy as np
import pytest
from tests.frontend.models import floats, typed
from tests.quantize.judge import agree, by_reference, by_runtime, kinds

from compiler.compiled import check
from compiler.test_rows import WITH_UNIT
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded

VALUES = {
    "w": floats(1, 6, 5, 1, 1),
    "u": floats(2, 6, 5, 1, 1),
    "v": floats(3, 6, 5, 7, 9),
    "two": np.array(2, np.float32),
    "half": np.array(0.5, np.float32),
    "zero": np.array(0, np.float32),
    "k": floats(4, 6, 7, 9),
    "mask": floats(5, 7, 9) > 0,
}
BODIES = {
    "quotient": "q = Abs(b)\n r = Add(q, two)\n y = Div(a, r)",
    "largest": "y = Max(a, b)",
    "limited": "m = Min(a, b)\n y = Relu(m)",
    "choice": "c = Less(a, b)\n y = Where(c, a, half)",
    "either": "c = GreaterOrEqual(a, b)\n d = Less(a, half)\n e = And(c, d)\n f = Not(e)\n y = Where(f, b, a)",
    "as numbers": "c = Greater(a, b)\n d = LessOrEqual(a, half)\n e = Xor(c, d)\n y = Cast<to = 1>(e)",
    "or": "c = Greater(a, half)\n d = Equal(b, a)\n e = Or(c, d)\n y = Where(e, a, b)",
    "broadcast": "d = Conv(x, v)\n y = Max(a, d)",
    "power": "c = Abs(a)\n d = Clip(b, zero, two)\n y = Pow(c, d)",
    "sloped": "y = PRelu(a, b)",
    "sloped by a constant": "y = PRelu(a, k)",
    "power of a constant": "c = Sigmoid(a)\n y = Pow(c, k)",
    "chosen by a constant": "y = Where(mask, a, half)",
    "against a constant": "c = Less(a, k)\n y = Where(c, a, half)",
}
SEVERAL = {
    "three": (2, "c = Less(a, half)\n y = Where(c, b, d)"),
    "four": (3, "c = Less(a, b)\n y = Where(c, d, e)"),
    "joined": (3, "c = Less(a, b)\n f = Greater(d, half)\n h = And(c, f)\n y = Where(h, e, half)"),
    "limits at run time": (2, "y = Clip(a, lo, hi)"),
    "many": (3, "y = Max(a, b, d, e)"),
}


@pytest.mark.parametrize("name", BODIES)
def test_expressions_of_two_tensors(name: str) -> None:
    text = f"g (float[1, 5, 7, 9] x) => (float[1, 6, 7, 9] y) {{\n a = Conv(x, w)\n b = Conv(x, u)\n {BODIES[name]} }}"
    model = optimize(typed(text, VALUES))
    quantized = quantize(model, seeded(inputs_of(model), 8))
    graph = read(quantized)
    assert kinds(graph).count("Elementwise") == 1 and "Host" not in kinds(graph)
    given = seeded(inputs_of(quantized), 3, seed=9)
    for index in range(3):
        (ours,), (theirs,) = by_reference(graph, given[index]), by_runtime(quantized, given[index], fused=False)
        step = graph.tensors[graph.nodes[-1].inputs[0]].scale
        assert np.abs(ours - theirs).max() <= step * 1.01 and np.mean(ours != theirs) < 0.001
    assert not check(graph, WITH_UNIT["small"], given[0]).reasons


@pytest.mark.parametrize("name", SEVERAL)
def test_expressions_of_more_tensors(name: str) -> None:
    """Taken apart: each part is rounded; near the float model, and with the bits of the Q/DQ model."""
    count, body = SEVERAL[name]
    inputs = "float[1, 5, 7, 9] x, float lo, float hi" if "lo" in body else "float[1, 5, 7, 9] x"
    text = f"""g ({inputs}) => (float[1, 6, 7, 9] y) {{
        a = Conv(x, w)
        b = Conv(x, u)
        d = Neg(b)
        g = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x)
        e = Conv(g, u)
        {body} }}"""
    source = typed(text, VALUES)
    model = optimize(source)
    samples = seeded(inputs_of(model), 8)
    quantized = quantize(model, samples)
    graph = read(quantized)
    assert kinds(graph).count("Elementwise") == count and "Host" not in kinds(graph)
    for index in range(3):
        (ours,), (theirs,) = by_reference(graph, samples[index]), by_runtime(quantized, samples[index], fused=False)
        (real,) = by_runtime(source, samples[index])
        step = graph.tensors[graph.nodes[-1].inputs[0]].scale
        assert np.abs(ours - theirs).max() <= step * 1.01 and np.mean(ours != theirs) < 0.001
        assert np.mean(np.abs(ours - real) > 3 * step) < 0.02, "but where a comparison of int8 says otherwise"
    assert not check(graph, WITH_UNIT["small"], samples[0]).reasons


COMPARISONS = {
    "less": "y = Less(a, b)",
    "at least": "y = GreaterOrEqual(a, b)",
    "joined": "c = Greater(a, half)\n d = Equal(b, a)\n y = Or(c, d)",
    "of one": "c = Greater(a, half)\n y = Not(c)",
    "the user's": "c = Less(a, half)\n y = Xor(c, t)",
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_what_holds_is_the_users_bool(name: str) -> None:
    inputs = "float[1, 5, 7, 9] x, bool[1, 6, 7, 9] t" if name == "the user's" else "float[1, 5, 7, 9] x"
    text = f"g ({inputs}) => (bool[1, 6, 7, 9] y) {{\n a = Conv(x, w)\n b = Conv(x, u)\n {COMPARISONS[name]} }}"
    model = optimize(typed(text, VALUES))
    quantized = quantize(model, seeded(inputs_of(model), 8))
    graph = agree(quantized, fused=False)
    assert kinds(graph)[-1] == "Truth" and "Host" not in kinds(graph)
    assert not check(graph, WITH_UNIT["small"], seeded(inputs_of(quantized), 1)[0]).reasons


def test_a_choice_by_one_tensor_is_a_table() -> None:
    text = """g (float[1, 5, 7, 9] x) => (float[1, 6, 7, 9] y) {
        a = Conv(x, w)
        c = Greater(a, half)
        d = Not(c)
        y = Where(d, a, zero) }"""
    model = optimize(typed(text, VALUES))
    assert kinds(read(quantize(model, seeded(inputs_of(model), 4)))) == ["Quantize", "Conv", "Lookup", "Dequantize"]
