"""Matrices counted along one dimension: what becomes of attention as frameworks write it, and that its values stay."""

import numpy as np
import pytest
from tests.frontend.models import floats, operators, typed
from tests.optimize.test_passes import FLOAT_TOLERANCE, check

from lithify.optimize import optimize
from lithify.optimize.matrices import count_matrices, scale_factors

SHAPE = np.array([1, 5, 2, 4], np.int64)
VALUES = {
    "wq": floats(1, 8, 8), "wk": floats(2, 8, 8), "shape": SHAPE, "flat": np.array([1, 5, 8], np.int64),
    "scale": np.array(0.5, np.float32), "scale11": np.full((1, 1), 2, np.float32), "mask": floats(3, 1, 1, 5, 5),
    "row": floats(4, 5), "each": floats(5, 1, 2, 1, 5),
}  # fmt: skip
HEAD = "g (float[1, 2, 5, 4] q, float[1, 2, 4, 5] k) => (float[a, b, c, d] y) {\n s = MatMul(q, k)\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Softmax<axis = -1>(s)", ["Reshape", "Reshape", "MatMul", "Softmax", "Reshape"]),
        ("y = Softmax<axis = 3>(s)", ["Reshape", "Reshape", "MatMul", "Softmax", "Reshape"]),
        ("y = Softmax<axis = 2>(s)", ["Reshape", "Reshape", "MatMul", "Reshape", "Softmax"]),
        ("y = Div(s, scale11)", ["Reshape", "Reshape", "MatMul", "Div", "Reshape"]),
        ("y = Mul(scale, s)", ["Reshape", "Reshape", "MatMul", "Mul", "Reshape"]),
        (
            "v = Add(s, mask)\n u = Add(row, v)\n w = Add(u, each)\n y = Softmax(w)",
            ["Reshape", "Reshape", "MatMul", "Add", "Add", "Add", "Softmax", "Reshape"],
        ),
        ("y = Add(s, s)", ["Reshape", "Reshape", "MatMul", "Reshape", "Add"]),
        ("y = Relu(s)", ["Reshape", "Reshape", "MatMul", "Reshape", "Relu"]),
    ],
)
def test_what_follows_a_product(body: str, expected: list[str]) -> None:
    check(count_matrices, typed(f"{HEAD}{body} }}", VALUES), expected)


@pytest.mark.parametrize(
    ("first", "second", "counted"),
    [
        ([2, 3, 5, 4], [2, 3, 4, 6], True),
        ([2, 3, 5, 4], [1, 1, 4, 6], True),
        ([2, 3, 5, 4], [4, 6], True),
        ([5, 4], [2, 3, 4, 6], True),
        ([2, 1, 5, 4], [1, 3, 4, 6], False),
        ([2, 3, 5, 4], [1, 3, 4, 6], False),
        ([3, 5, 4], [3, 4, 6], False),
    ],
)
def test_which_products_are_counted(first: list[int], second: list[int], counted: bool) -> None:
    rank = ", ".join("abcd"[: max(len(first), len(second))])
    model = typed(f"g (float{first} q, float{second} k) => (float[{rank}] y) {{ y = MatMul(q, k) }}", {})
    before = operators(model)
    after = check(count_matrices, model, operators(count_matrices(model)))
    assert (operators(after) != before) == counted
    (product,) = (node for node in after.graph if node.op_type == "MatMul")
    assert not counted or len(product.outputs[0].shape or ()) == 3


PROJECTED = """g (float[1, 5, 8] x) => (float[a, b, c, d] y) {
    q0 = Reshape(x, rows)
    q1 = Gemm(q0, wq)
    q2 = Reshape(q1, shape)
    q = Transpose<perm = [0, 2, 1, 3]>(q2)
    k2 = Reshape(x, shape)
    k = Transpose<perm = [0, 2, 3, 1]>(k2)
    BODY }"""


@pytest.mark.parametrize(
    "body",
    [
        "s = MatMul(q, k)\n y = Div(s, scale)",
        "s = MatMul(q, k)\n y = Mul(scale, s)",
        "qs = Mul(q, scale)\n y = MatMul(qs, k)",
    ],
)
def test_a_scale_goes_into_the_projection(body: str) -> None:
    values = {**VALUES, "rows": np.array([5, 8], np.int64)}
    model = typed(PROJECTED.replace("BODY", body), values)
    kinds = operators(model)
    kinds.remove("Div" if "Div" in body else "Mul")
    kinds.insert(kinds.index("Gemm") + 1, "Div" if "Div" in body else "Mul")
    check(scale_factors, model, kinds, FLOAT_TOLERANCE)
    whole = optimize(model)
    assert not {"Mul", "Div"} & set(operators(whole))


def test_a_scale_of_what_others_read_too_stays() -> None:
    values = {**VALUES, "rows": np.array([5, 8], np.int64)}
    text = PROJECTED.replace("BODY", "s = MatMul(q, k)\n v = Div(s, scale)\n y = Add(v, s)")
    model = typed(text, values)
    check(scale_factors, model, operators(model))
