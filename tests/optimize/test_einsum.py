"""Einsum as matrix products."""

import pytest
from tests.frontend.models import floats, operators, typed
from tests.optimize.test_passes import FLOAT_TOLERANCE, check

from lithify.optimize import optimize
from lithify.optimize.einsum import expand_einsum

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}
EQUATIONS = {
    "ab,bc->ac": ["MatMul", "Transpose"],
    "abc,cde->abde": ["Reshape", "Reshape", "MatMul", "Reshape", "Transpose"],
    "aecd,abcd->acbe": ["Transpose", "Transpose", "MatMul", "Transpose"],
    "abcd,cde->abe": ["Reshape", "Reshape", "MatMul", "Reshape", "Transpose"],
    "ab,cb->ca": ["Transpose", "MatMul", "Transpose"],
    "ab, ab -> a": ["Reshape", "Reshape", "MatMul", "Reshape", "Transpose"],
}


def _shape(letters: str) -> str:
    return ", ".join(str(SIZES[letter]) for letter in letters.strip())


@pytest.mark.parametrize("equation", EQUATIONS)
def test_two_tensors(equation: str) -> None:
    left, right, result = equation.replace("->", ",").split(",")
    ports = f"(float[{_shape(left)}] x, float[{_shape(right)}] z) => (float[{_shape(result)}] y)"
    model = typed(f'g {ports} {{ y = Einsum<equation = "{equation}">(x, z) }}')
    check(expand_einsum, model, EQUATIONS[equation], FLOAT_TOLERANCE)


def test_stored_weights_make_a_dense_layer() -> None:
    text = 'g (float[2, 3, 4] x) => (float[2, 3, 5, 6] y) { y = Einsum<equation = "abc,cde->abde">(x, w) }'
    model = typed(text, {"w": floats(1, 4, 5, 6)})
    assert operators(optimize(model)) == ["Reshape", "Gemm", "Reshape"]
    check(optimize, model, ["Reshape", "Gemm", "Reshape"], FLOAT_TOLERANCE)


OTHERS = {"ab,bc": "p, q", "ab,cd->acbd": "p, q, r, s", "aa,ab->b": "p", "...b,bc->...c": "p, q", "ab,bc->c": "p"}
"""Equation -> the result's dimensions: implicit results, outer products, diagonals, ellipses, sums of one operand."""


@pytest.mark.parametrize("equation", OTHERS)
def test_others_stay(equation: str) -> None:
    left, right = (word.replace("...", "a") for word in equation.partition("->")[0].split(","))
    ports = f"(float[{_shape(left)}] x, float[{_shape(right)}] z) => (float[{OTHERS[equation]}] y)"
    model = typed(f'g {ports} {{ y = Einsum<equation = "{equation}">(x, z) }}')
    assert operators(expand_einsum(model)) == ["Einsum"]
