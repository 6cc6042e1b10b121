"""Operands beside a constant of more dimensions: the same values."""

import pytest
from tests.frontend.models import floats, typed
from tests.optimize.test_passes import check

from lithify.optimize.ranks import level_ranks

VALUES = {"c": floats(1, 1, 1, 4), "many": floats(2, 2, 1, 4), "row": floats(3, 4)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Add(c, x)", ["Reshape", "Add"]),
        ("y = Div(x, c)", ["Reshape", "Div"]),
        ("z = Add(row, x)\n y = Add(c, z)", ["Add", "Reshape", "Add"]),
        ("y = Sub(x, many)", ["Sub"]),  # repeated: nothing that a Reshape can do
    ],
)
def test_ranks(body: str, expected: list[str]) -> None:
    size = 2 if "many" in body else 1
    text = f"g (float[1, 4] x) => (float[{size}, 1, 4] y) {{\n {body} }}"
    check(level_ranks, typed(text, VALUES), expected)
