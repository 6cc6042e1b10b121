"""Operators of many tensors as operators of two, and running sums as products: the same values."""

import numpy as np
import pytest
from tests.frontend.models import floats, typed
from tests.optimize.test_passes import FLOAT_TOLERANCE, check

from lithify.optimize.many import pair_many

VALUES = {"c": floats(1, 4), "first": np.array(0, np.int64), "last": np.array(-1, np.int32)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Sum(a, b, a)", ["Add", "Add"]),
        ("y = Sum(a, b)", ["Add"]),
        ("y = Mean(a, c, b)", ["Add", "Add", "Mul"]),
        ("y = Max(c, a, b, c)", ["Max", "Max", "Max"]),
        ("y = Min(a, b)", ["Min"]),
        ("z = Sum(a)\n y = Relu(z)", ["Relu"]),
        ("y = CumSum(a, last)", ["MatMul"]),
        ("y = CumSum<exclusive = 1, reverse = 1>(a, last)", ["MatMul"]),
        ("y = CumSum<exclusive = 1>(a, first)", ["Transpose", "MatMul", "Transpose"]),
        ("y = CumSum<reverse = 1>(a, first)", ["Transpose", "MatMul", "Transpose"]),
    ],
)
def test_many(body: str, expected: list[str]) -> None:
    text = f"g (float[3, 5, 4] a, float[3, 5, 4] b) => (float[3, 5, 4] y) {{\n {body} }}"
    check(pair_many, typed(text, VALUES), expected, FLOAT_TOLERANCE)
