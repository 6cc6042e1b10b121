"""Masks before a Softmax: found in every form that exporters give them, and taken out of what else is added."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, operators, typed
from tests.optimize.test_passes import check

from lithify.optimize import optimize
from lithify.optimize.masks import mask_of, simplify_masks

CAUSAL = np.tril(np.ones((5, 5), np.bool_))
BIAS = floats(1, 2, 5, 5)
VALUES: dict[str, NDArray[np.generic]] = {
    "endless": np.where(CAUSAL, 0, -np.inf).astype(np.float32),
    "least": np.where(CAUSAL, 0, np.finfo(np.float32).min).astype(np.float32),
    "keep": CAUSAL,
    "drop": ~CAUSAL[None, None],
    "far": np.array(-1e9, np.float32),
    "near": np.array(-9, np.float32),
    "padding": np.array([0, 0, 0, -np.inf, -np.inf], np.float32),
    "bias": BIAS,
    "both": np.where(CAUSAL, BIAS, -np.inf).astype(np.float32),
    "nothing": np.where(np.eye(5, dtype=np.bool_)[:, ::-1], -np.inf, 0)[:, :1].astype(np.float32) - np.inf,
    "zero": np.array(0, np.float32),
}
HEAD = "g (float[1, 2, 5, 5] s) => (float[1, 2, 5, 5] y) {\n "


@pytest.mark.parametrize(
    ("body", "keep"),
    [
        ("m = Add(s, endless)\n y = Softmax(m)", CAUSAL),
        ("m = Add(least, s)\n y = Softmax(m)", CAUSAL),
        ("m = Where(keep, s, far)\n y = Softmax(m)", CAUSAL),
        ("m = Where(drop, far, s)\n y = Softmax<axis = 3>(m)", CAUSAL),
        ("m = Where(keep, s, far)\n n = Add(m, padding)\n y = Softmax(n)", CAUSAL & (np.arange(5) < 3)),
        ("m = Where(keep, s, near)\n y = Softmax(m)", None),
        ("m = Add(s, bias)\n y = Softmax(m)", None),
        ("m = Add(s, endless)\n y = Softmax<axis = 2>(m)", None),
        ("m = Add(s, nothing)\n y = Softmax(m)", None),
    ],
)
def test_forms_of_masks(body: str, keep: NDArray[np.bool_] | None) -> None:
    model = typed(f"{HEAD}{body} }}", VALUES)
    (found,) = (mask_of(node) for node in model.graph if node.op_type == "Softmax")
    assert (found is None) == (keep is None)
    if found is not None and keep is not None:
        assert np.array_equal(found.rows(), keep)
        assert found.x.name == "s" and found.below <= -1e9


def test_a_mask_of_one_row_stays_one() -> None:
    model = typed(f"{HEAD}m = Add(s, padding)\n y = Softmax(m) }}", VALUES)
    (found,) = (mask_of(node) for node in model.graph if node.op_type == "Softmax")
    assert found is not None and found.rows().tolist() == [[1, 1, 1, 0, 0]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("m = Add(s, both)\n y = Softmax(m)", ["Add", "Add", "Softmax"]),
        ("m = Add(s, bias)\n y = Softmax(m)", ["Add", "Softmax"]),
        ("m = Add(s, endless)\n p = Softmax(m)\n n = IsNaN(p)\n y = Where(n, zero, p)", ["Add", "Softmax"]),
        ("p = Softmax(s)\n n = IsNaN(p)\n y = Where(n, zero, p)", ["Softmax", "IsNaN", "Where"]),
    ],
)
def test_masks_by_themselves(body: str, expected: list[str]) -> None:
    check(simplify_masks, typed(f"{HEAD}{body} }}", VALUES), expected)


def test_a_choice_over_heads_is_made_before_they_are_counted() -> None:
    """So scores of four dimensions need not be moved."""
    text = """g (float[1, 2, 5, 4] q, float[1, 2, 4, 5] k) => (float[1, 2, 5, 5] y) {
        s = MatMul(q, k)  m = Where(drop, far, s)  y = Softmax(m) }"""
    found = optimize(typed(text.replace("  ", "\n"), VALUES))
    assert operators(found) == ["Reshape", "Reshape", "MatMul", "Where", "Softmax", "Reshape"]
