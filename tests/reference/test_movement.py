"""Movement and reduction on small known cases; ONNX Runtime judges the same operators in test_agreement.py."""

from typing import Any

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.reference import coordinates
from lithify.reference.evaluate import run
from lithify.reference.graph import Tensor

from .judge import Array
from .random_layers import one_node

ONE = np.array(1, np.float32)


def result(operator: str, x: Array, zero_point: int = 0, **attributes: Any) -> list[Any]:
    """One node on x at scale 1 and this zero point, its output at the same."""
    tensor = Tensor("x", x.shape, "int8", ONE, zero_point)
    return run(one_node(operator, [tensor], (ONE, zero_point), {}, **attributes), {"x": x})["y"].tolist()


ROW = np.array([1, 2, 3, 4, 5], np.int8)
CASES: list[tuple[str, dict[str, Any], list[int]]] = [
    ("Slice", {"starts": (1,), "ends": (4,), "axes": (0,), "steps": (2,)}, [2, 4]),
    ("Slice", {"starts": (-1,), "ends": (-99,), "axes": (0,), "steps": (-2,)}, [5, 3, 1]),
    ("Slice", {"starts": (99,), "ends": (0,), "axes": (0,), "steps": (-1,)}, [5, 4, 3, 2]),
    ("Pad", {"pads": (2, 1)}, [-7, -7, 1, 2, 3, 4, 5, -7]),
    ("Pad", {"pads": (-1, 1), "value": 9}, [2, 3, 4, 5, 2]),
    ("Pad", {"pads": (2, 1), "mode": "reflect"}, [3, 2, 1, 2, 3, 4, 5, 4]),
    ("Pad", {"pads": (2, 1), "mode": "edge"}, [1, 1, 1, 2, 3, 4, 5, 5]),
    ("Pad", {"pads": (2, 1), "mode": "wrap"}, [4, 5, 1, 2, 3, 4, 5, 1]),
    # What a negative pad cuts off is neither mirrored nor wrapped.
    ("Pad", {"pads": (3, -2), "mode": "wrap"}, [1, 2, 3, 1, 2, 3]),
    ("Pad", {"pads": (2, -2), "mode": "reflect"}, [3, 2, 1, 2, 3]),
    ("Tile", {"repeats": (2,)}, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]),
    ("ReduceMax", {"axes": (0,)}, [5]),
    ("ReduceMin", {"axes": (0,)}, [1]),
    # (1 + 2 + 3 + 4 + 5) + 5 x 7 = 50, less 7; and 50 / 5 = 10, less 7.
    ("ReduceSum", {"axes": (0,)}, [43]),
    ("ReduceMean", {"axes": (0,)}, [3]),
]


@pytest.mark.parametrize(("operator", "attributes", "expected"), CASES)
def test_known_rows(operator: str, attributes: dict[str, Any], expected: list[int]) -> None:
    assert result(operator, ROW, -7, **attributes) == expected


def test_channels_become_pixels_and_back() -> None:
    x = np.arange(8, dtype=np.int8).reshape(1, 8, 1, 1)
    assert result("DepthToSpace", x, blocksize=2) == [[[[0, 2], [4, 6]], [[1, 3], [5, 7]]]]
    assert result("DepthToSpace", x, blocksize=2, mode="CRD") == [[[[0, 1], [2, 3]], [[4, 5], [6, 7]]]]
    pixels = np.array(result("DepthToSpace", x, blocksize=2), np.int8)
    assert result("SpaceToDepth", pixels, blocksize=2) == x.tolist()


def test_floats_move_bit_by_bit() -> None:
    x = np.array([[np.nan, -0.0, 1], [np.inf, 5, 6]], np.float32)
    graph = one_node("Transpose", [Tensor("x", x.shape, "float32")], (None, 0), {}, perm=(1, 0))
    assert run(graph, {"x": x})["y"].tobytes() == x.T.tobytes()


def test_every_output_of_a_split_is_made() -> None:
    x = Tensor("x", (2, 3), "int8", ONE, 4)
    graph = one_node("Split", [x], (ONE, 4), {}, ("a", "b"), axis=1, split=(1, 2))
    values = run(graph, {"x": np.array([[1, 2, 3], [4, 5, 6]], np.int8)})
    assert (values["a"].tolist(), values["b"].tolist()) == ([[1], [4]], [[2, 3], [5, 6]])


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_weights_of_a_power_of_two_are_sixteenths_and_the_like(factor: int) -> None:
    blend = coordinates.linear(6, 6 * factor, factor, "half_pixel")
    assert blend.steps == 2 * factor
    assert blend.weights[factor // 2 : factor + factor // 2] == tuple(range(1, 2 * factor, 2))
    assert blend.first[-1] == 5 and blend.weights[-1] == 0


def test_a_decimal_scale_means_the_simplest_fraction() -> None:
    """float32 has no 1.3; the coordinate of place 13 is 10 all the same."""
    blend = coordinates.linear(20, 26, float(np.float32(1.3)), "asymmetric")
    assert (blend.steps, blend.first[13], blend.weights[13], blend.weights[1]) == (13, 10, 0, 10)
    given = coordinates.linear(21, 27, float(np.float32(1.3)), "asymmetric")
    assert (given.steps, given.first[13], given.weights[13]) == (13, 10, 0)


def test_a_blend_is_rounded_once() -> None:
    """Between 0 and 3 at 1/4: 0.75 rounds to 1; between the rounded rows 1 and 1 it would be 1 everywhere."""
    x = Tensor("x", (1, 1, 2, 2), "int8", ONE)
    weights = {"rows": (0, 0), "row_weights": (0, 1), "row_steps": 2}
    weights |= {"columns": (0, 0), "column_weights": (0, 1), "column_steps": 4}
    graph = one_node("ResizeLinear", [x], (ONE, 0), {}, **weights)
    data = np.array([[[[0, 3], [-1, -1]]]], np.int8)
    assert run(graph, {"x": data})["y"].tolist() == [[[[0, 1], [0, 0]]]]


def test_unknown_modes_are_refused() -> None:
    known = ", ".join(coordinates.COORDINATES)
    for find in (lambda mode: coordinates.linear(2, 4, 2, mode), lambda mode: coordinates.nearest(2, 4, 2, mode, "")):
        with pytest.raises(LithifyError) as refusal:
            find("tf_crop_and_resize")
        assert str(refusal.value) == (
            f"Resize was given the coordinate_transformation_mode 'tf_crop_and_resize'; known are: {known}."
        )
    with pytest.raises(LithifyError) as refusal:
        coordinates.nearest(2, 4, 2, "asymmetric", "round")
    assert str(refusal.value) == (
        "Resize was given the nearest_mode 'round'; known are: floor, ceil, round_prefer_floor, round_prefer_ceil."
    )


def test_a_sum_that_leaves_the_accumulator_is_refused() -> None:
    x = Tensor("x", (2**23, 2), "int8", ONE, -128)
    graph = one_node("ReduceSum", [x], (ONE, 0), {}, axes=(0, 1))
    with pytest.raises(LithifyError) as refusal:
        run(graph, {"x": np.full(x.shape, 127, np.int8)})
    assert str(refusal.value) == (
        "Node 'ReduceSum' sums to 4278190080, which does not fit its 32-bit accumulator; "
        "use smaller weights or a smaller bias, or split the layer."
    )
