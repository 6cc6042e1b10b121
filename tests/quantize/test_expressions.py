"""Expressions of two tensors: read whole, equal to ONNX Runtime's operators one by one, without the host."""

import numpy as np
import pytest
from tests.frontend.models import floats, typed
from tests.quantize.judge import by_reference, by_runtime, kinds

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


def test_a_choice_by_one_tensor_is_a_table() -> None:
    text = """g (float[1, 5, 7, 9] x) => (float[1, 6, 7, 9] y) {
        a = Conv(x, w)
        c = Greater(a, half)
        d = Not(c)
        y = Where(d, a, zero) }"""
    model = optimize(typed(text, VALUES))
    assert kinds(read(quantize(model, seeded(inputs_of(model), 4)))) == ["Quantize", "Conv", "Lookup", "Dequantize"]
