"""Operators that move or gather whole values, as the quantised graph writes them: ONNX's many spellings made one."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import onnx_ir as ir

from lithify.optimize.padding import padding_value
from lithify.optimize.values import constant, integer, shape_of
from lithify.reference import coordinates

Move = tuple[str, Mapping[str, Any]]
"""Operator of the quantised graph, and its attributes."""

REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")

_FAR = 2**31 - 1
"""Beyond the edge of every tensor; ONNX writes "to the end" as the largest int64."""


def moved(node: ir.Node) -> Move | None:
    """What the node is among the operators that only move values; None for another, and for computed parameters.

    The `value` of a Pad is left out: it depends on the scale of the tensor.
    """
    rule = MOVES.get(node.op_type) if node.domain == "" and node.inputs else None
    if rule is None or shape_of(node.inputs[0]) is None or shape_of(node.outputs[0]) is None:
        return None
    return rule(node)


def _shape(node: ir.Node) -> tuple[int, ...]:
    shape = shape_of(node.inputs[0])
    assert shape is not None
    return shape


def _integers(node: ir.Node, index: int, default: tuple[int, ...]) -> tuple[int, ...] | None:
    """A constant input of integers; the default where it is absent."""
    if len(node.inputs) <= index or node.inputs[index] is None:
        return default
    data = constant(node.inputs[index])
    return None if data is None else tuple(int(entry) for entry in data.reshape(-1))


def _transpose(node: ir.Node) -> Move:
    rank = len(_shape(node))
    perm = node.attributes.get_ints("perm", tuple(reversed(range(rank))))
    return "Transpose", {"perm": tuple(int(axis) % rank for axis in perm)}


def _slice(node: ir.Node) -> Move | None:
    shape = _shape(node)
    starts, ends = _integers(node, 1, ()), _integers(node, 2, ())
    if not starts or not ends:
        return None
    axes = _integers(node, 3, tuple(range(len(starts))))
    steps = _integers(node, 4, (1,) * len(starts))
    if axes is None or steps is None:
        return None
    return "Slice", {
        "starts": tuple(min(max(start, -_FAR), _FAR) for start in starts),
        "ends": tuple(min(max(end, -_FAR), _FAR) for end in ends),
        "axes": tuple(axis % len(shape) for axis in axes),
        "steps": tuple(min(max(step, -_FAR), _FAR) for step in steps),
    }


def _gather(node: ir.Node) -> Move | None:
    """Neighbouring entries along one dimension are a Slice; a single index drops the dimension, a Reshape says so."""
    shape, data = _shape(node), constant(node.inputs[1])
    if data is None or data.ndim > 1 or not data.size:
        return None
    axis = integer(node, "axis", 0) % len(shape)
    wanted = [int(index) % shape[axis] for index in data.reshape(-1)]
    steps = {after - before for before, after in pairwise(wanted)} or {1}
    if len(steps) > 1 or 0 in steps:
        return None
    (step,) = steps
    end = wanted[-1] + (1 if step > 0 else -1)
    end = end if end >= 0 else -_FAR
    return "Slice", {"starts": (wanted[0],), "ends": (end,), "axes": (axis,), "steps": (step,)}


def _pad(node: ir.Node) -> Move | None:
    rank, amounts = len(_shape(node)), _integers(node, 1, ())
    mode = node.attributes.get_string("mode", "constant")
    axes = _integers(node, 3, tuple(range(rank)))
    if not amounts or axes is None or len(amounts) != 2 * len(axes) or (mode == "constant" and not _finite(node)):
        return None
    full = np.zeros((2, rank), np.int64)
    full[:, np.array(axes) % rank] = np.array(amounts).reshape(2, -1)
    return "Pad", {"pads": tuple(full.reshape(-1).tolist()), "mode": mode}


def _finite(node: ir.Node) -> bool:
    value = padding_value(node)
    return value is not None and bool(np.isfinite(value))


def _expand(node: ir.Node) -> Move | None:
    return "Expand", {"shape": shape_of(node.outputs[0])}


def _tile(node: ir.Node) -> Move | None:
    repeats = _integers(node, 1, ())
    return ("Tile", {"repeats": repeats}) if repeats and min(repeats) > 0 else None


def _depth_to_space(node: ir.Node) -> Move | None:
    mode = node.attributes.get_string("mode", "DCR")
    block = integer(node, "blocksize", 1)
    return ("DepthToSpace", {"blocksize": block, "mode": mode}) if len(_shape(node)) == 4 else None


def _space_to_depth(node: ir.Node) -> Move | None:
    return ("SpaceToDepth", {"blocksize": integer(node, "blocksize", 1)}) if len(_shape(node)) == 4 else None


MOVES: Mapping[str, Callable[[ir.Node], Move | None]] = {
    "Transpose": _transpose,
    "Slice": _slice,
    "Gather": _gather,
    "Pad": _pad,
    "Expand": _expand,
    "Tile": _tile,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
"""ONNX operator -> how the quantised graph writes it."""


def piece(node: ir.Node, index: int) -> Move | None:
    """Output `index` of a Split, as a Slice."""
    before = shape_of(node.inputs[0])
    shapes = [shape_of(value) for value in node.outputs]
    if before is None or None in shapes:
        return None
    axis = integer(node, "axis", 0) % len(before)
    sizes = [shape[axis] for shape in shapes if shape is not None]
    start = sum(sizes[:index])
    return "Slice", {"starts": (start,), "ends": (start + sizes[index],), "axes": (axis,), "steps": (1,)}


def axes_of(node: ir.Node) -> tuple[int, ...]:
    """The dimensions that a reduction takes together, in order; none where they are computed or nothing is reduced."""
    shape = shape_of(node.inputs[0])
    if shape is None:
        return ()
    given = tuple(node.attributes.get_ints("axes", ()))
    axes = _integers(node, 1, given)
    if axes == () and not integer(node, "noop_with_empty_axes", 0):
        axes = tuple(range(len(shape)))
    return tuple(sorted({int(axis) % len(shape) for axis in axes or ()}))


def resized(node: ir.Node) -> Move | None:
    """A Resize of the sides of an image, to the nearest pixel or between two, as indices and weights; None for others.

    Those are: cubic and antialiased ones, ones that crop, and ones whose size is computed.
    """
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    mode = node.attributes.get_string("mode", "nearest")
    placed = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if before is None or after is None or len(before) not in (3, 4) or before[:2] != after[:2]:
        return None
    if mode not in ("nearest", "linear") or placed == "tf_crop_and_resize" or integer(node, "antialias", 0):
        return None
    if node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    scales = _scales(node, before, after)
    if scales is None:
        return None
    sides = [(1, 1, 1.0)] if len(before) == 3 else []
    sides += list(zip(before[2:], after[2:], scales[2:], strict=True))
    if mode == "nearest":
        nearest_mode = node.attributes.get_string("nearest_mode", "round_prefer_floor")
        rows, columns = (coordinates.nearest(*side, placed, nearest_mode) for side in sides)
        return "ResizeNearest", {"rows": rows, "columns": columns}
    down, right = (coordinates.linear(*side, placed) for side in sides)
    return "ResizeLinear", {
        "rows": down.first,
        "row_weights": down.weights,
        "row_steps": down.steps,
        "columns": right.first,
        "column_weights": right.weights,
        "column_steps": right.steps,
    }


def _scales(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[float, ...] | None:
    """The scale of every dimension, as given or as the sizes make it."""
    given = node.inputs[2] if len(node.inputs) > 2 else None
    axes = [int(axis) % len(before) for axis in node.attributes.get_ints("axes", tuple(range(len(before))))]
    scales = [1.0] * len(before)
    data = constant(given)
    if data is not None and data.size:
        for axis, scale in zip(axes, data.reshape(-1), strict=True):
            scales[axis] = float(scale)
        return tuple(scales)
    if len(node.inputs) > 3 and constant(node.inputs[3]) is not None:
        return tuple(float(np.float32(m) / np.float32(n)) for m, n in zip(after, before, strict=True))
    return None
