"""Indices of a Gather: what exporters put before them goes where a Gather does the same."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, operators, typed
from tests.quantize.judge import by_runtime

from lithify.optimize import optimize

VALUES: dict[str, NDArray[np.generic]] = {
    "table": floats(1, 7, 3),
    "zero": np.array(0, np.int64),
    "size": np.array(7, np.int64),
    "other": np.array(6, np.int64),
}
HEAD = "g (int32[4] i) => (float[4, 3] y) {\n j = Cast<to = 7>(i)\n b = Less(j, zero)\n "


@pytest.mark.parametrize(
    ("size", "left"), [("size", ["Gather"]), ("other", ["Cast", "Less", "Add", "Where", "Gather"])]
)
def test_indices_that_count_from_the_end(size: str, left: list[str]) -> None:
    model = typed(f"{HEAD}a = Add(j, {size})\n w = Where(b, a, j)\n y = Gather(table, w) }}", VALUES)
    plain = optimize(model)
    assert operators(plain) == left
    given = {"i": np.array([0, 6, -1, -6], np.int32)}
    assert np.array_equal(by_runtime(model, given)[0], by_runtime(plain, given)[0])


@pytest.mark.parametrize(
    ("indices", "left"),
    [([[3], [1], [-2]], ["Gather"]), ([[[0]], [[2]]], ["Gather"]), ([[0, 1], [2, 0]], ["GatherND"])],
)
def test_rows_chosen_by_constants(indices: list[list[int]], left: list[str]) -> None:
    chosen = np.array(indices, np.int64)
    shape = ", ".join(map(str, (*chosen.shape[:-1], *(5, 3)[chosen.shape[-1] - 1 :])))
    model = typed(f"g (float[7, 5, 3] x) => (float[{shape}] y) {{ y = GatherND(x, i) }}", {"i": chosen})
    plain = optimize(model)
    assert operators(plain) == left
    given = {"x": floats(2, 7, 5, 3)}
    assert np.array_equal(by_runtime(model, given)[0], by_runtime(plain, given)[0])
