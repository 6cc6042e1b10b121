"""Elementwise: within the bound that its roundings give, and exact where there is nothing to round."""

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.reference.check import check
from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node

UNIT = 2.0**-23


def graph(body: tuple[str, ...], step: float, names: tuple[str, ...] = ("a", "b")) -> Graph:
    scales = {"a": 0.07, "b": 0.011, "y": step}
    shape = {"a": (256, 256), "b": (256, 256), "y": (256, 256), "short": (256, 1)}
    tensors = {name: Tensor(name, shape[name], "int8", np.array(scales.get(name, 1), np.float32), 5) for name in shape}
    return Graph("g", names, ("y",), tensors, {}, (make_node("e", "Elementwise", names, ("y",), body=body),))


def every_pair() -> dict[str, np.ndarray]:
    a, b = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    return {"a": a.astype(np.int8), "b": b.astype(np.int8)}


@pytest.mark.parametrize("step", [0.05, 0.9, 30.0])
def test_quotients(step: float) -> None:
    """Of every pair: half a step; the scales of both and of the result, the division and the product round."""
    given = every_pair()
    own = graph(("y = divide(a, b)",), step)
    a, b = ((given[name].astype(np.float64) - 5) * float(own.tensors[name].scale) for name in "ab")  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        exact = a / b / float(np.float32(step))
    got = run(own, given)["y"].astype(np.float64) - 5
    some = ~np.isnan(exact)
    limited = np.clip(exact[some], -133, 122)
    assert (np.abs(got[some] - limited) <= 0.5 + 3 * UNIT * np.abs(limited)).all()
    assert (got[~some] == -133).all()


@pytest.mark.parametrize("step", [0.05, 3.0])
def test_powers(step: float) -> None:
    """Of every pair: half a step, and what the product with the logarithm makes of its own rounding."""
    given = every_pair()
    own = graph(("y = power_near(a, b)",), step)
    a, b = ((given[name].astype(np.float32) - 5) * own.tensors[name].scale for name in "ab")  # type: ignore[operator]
    with np.errstate(all="ignore"):
        exact = np.power(a.astype(np.float64), b.astype(np.float64)) / float(np.float32(step))
        reach = np.abs(b * np.log(np.abs(a.astype(np.float64))))
    got = run(own, given)["y"].astype(np.float64) - 5
    some = ~np.isnan(exact)
    limited = np.clip(exact[some], -133, 122)
    units = 6 + 3 * np.where(np.isfinite(reach[some]), reach[some], 0)
    assert (np.abs(got[some] - limited) <= 0.5 + units * UNIT * np.abs(limited)).all()
    assert (got[~some] == -133).all() and some.any() and not some.all()


def test_whole_powers_of_negative_numbers() -> None:
    """3 bits of b are exact integers."""
    own = graph(("y = power_near(a, b)",), 1.0)
    tensors = {**own.tensors}
    for name, scale in (("a", 1.0), ("b", 0.5)):
        tensors[name] = Tensor(name, (4,), "int8", np.array(scale, np.float32), 0)
    tensors["y"] = Tensor("y", (4,), "int8", np.array(1, np.float32), 0)
    whole = Graph("g", own.inputs, own.outputs, tensors, {}, own.nodes)
    given = {"a": np.array([-3, -3, -3, 0], np.int8), "b": np.array([4, 6, 5, 0], np.int8)}
    assert run(whole, given)["y"].tolist() == [9, -27, -128, 1]


def test_choices_are_exact() -> None:
    given = every_pair()
    body = ("v0 = less(a, b)", "y = select(v0, b, a)")
    own = graph(body, 0.07)
    a, b = ((given[name].astype(np.float32) - 5) * own.tensors[name].scale for name in "ab")
    wanted = np.clip(np.rint(np.maximum(a, b) * (np.float32(1) / np.float32(0.07))) + 5, -128, 127)
    assert np.array_equal(run(own, given)["y"], wanted)


def test_shapes_are_one() -> None:
    with pytest.raises(LithifyError, match=r"was given \(256, 256\), \(256, 1\); it takes one tensor, or two of one"):
        check(graph(("y = divide(a, b)",), 1, ("a", "short")))
