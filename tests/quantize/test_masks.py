"""Masked attention becomes int8: the mask is 1 and 0 beside the scores, and no tensor has to hold an infinity."""

import numpy as np
import pytest
from tests.frontend.models import floats, typed
from tests.quantize.judge import agree, kinds

from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded

CAUSAL = np.tril(np.ones((6, 6), np.bool_))
VALUES = {
    "w": floats(1, 8, 8),
    "v": floats(2, 6, 8),
    "endless": np.where(CAUSAL, 0, -np.inf).astype(np.float32),
    "keep": CAUSAL[None],
    "swin": np.where(CAUSAL, 0, -100).astype(np.float32),
    "least": np.array(np.finfo(np.float32).min, np.float32),
    "steep": np.array(40, np.float32),
}
TEXT = """g (float[2, 6, 8] x) => (float[2, 6, 8] y) {
    q = MatMul(x, w)
    t = Transpose<perm = [0, 2, 1]>(x)
    s = MatMul(q, t)
    BODY
    p = Softmax(m)
    y = MatMul(p, x) }"""


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        ("m = Add(s, endless)", "MaskedSoftmax"),
        ("m = Where(keep, s, least)", "MaskedSoftmax"),
        ("m = Add(s, swin)", "MaskedSoftmax"),
        # The scores reach further than the mask: what it masks would have a share.
        ("z = Mul(s, steep)\n m = Add(z, swin)", None),
    ],
)
def test_masked_attention(body: str, operator: str | None) -> None:
    model = optimize(typed(TEXT.replace("BODY", body), VALUES))
    graph = read(quantize(model, seeded(inputs_of(model), 4)))
    found = kinds(graph)
    assert ("Host" in found) == (operator is None)
    if operator is not None:
        assert found.count(operator) == 1
        (mask,) = (node.inputs[1] for node in graph.nodes if node.operator == operator)
        assert np.array_equal(graph.constants[mask], CAUSAL)


def test_it_is_what_onnx_runtime_computes() -> None:
    model = optimize(typed(TEXT.replace("BODY", "m = Add(s, endless)"), VALUES))
    assert "MaskedSoftmax" in kinds(agree(quantize(model, seeded(inputs_of(model), 4)), fused=False))
