"""Masks before a Softmax: which elements of its rows count, however the model says so.

Exporters write them as an addition of 0 and something far below (-infinity, -1e9, the least float32), or as a choice
between the scores and such a number. What is added is a constant; whatever it is, what it masks has no share. Or it is
computed from a position (`positions.py`): then all columns up to that of the row's own token count, and none behind.
"""

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.dead_code import remove_dead_code
from lithify.optimize.positions import at_positions
from lithify.optimize.values import add_constant, bypass, constant, insert, producer, set_input, shape_of, used_once

FAR = -64.0
"""From here on down a summand is a mask."""
FARTHEST = 32.0
"""What is masked must lie so far below what counts: e^-32 is less than half a unit of a share in the last place."""


@dataclass(frozen=True)
class Mask:
    """nodes: those that mask, in order of execution. x: what they mask, of their result's shape. keep: bool, which
    elements count, of a shape that broadcasts to it. below: the largest number that stands for a masked element.
    position: where that is computed from a position, of which then `keep` is what position 0 keeps: row t has the
    columns up to position + t.
    """

    nodes: tuple[ir.Node, ...]
    x: ir.Value
    keep: NDArray[np.bool_]
    below: float
    position: ir.Value | None = None

    def rows(self) -> NDArray[np.int8]:
        """[rows, columns] of 1 and 0, which the rows of x take in turn."""
        shape = shape_of(self.x) or ()
        keep = self.keep.reshape((1,) * (len(shape) - self.keep.ndim) + self.keep.shape)
        first = next((axis for axis, size in enumerate(keep.shape[:-1]) if size != 1), len(shape) - 1)
        inner = np.broadcast_to(keep.reshape(keep.shape[first:]), shape[first:])
        return np.ascontiguousarray(inner.reshape(-1, shape[-1])).astype(np.int8)


def mask_of(softmax: ir.Node) -> Mask | None:
    """The masks before a Softmax along the last axis, as one; None where there is none, or a row would keep nothing."""
    value = softmax.inputs[0] if softmax.inputs else None
    found: Mask | None = None
    while value is not None and used_once(value) and (one := _one(value)) is not None:
        both = one if found is None else _both(one, found)
        if both is None:
            break
        found, value = both, one.x
    shape = shape_of(found.x) if found is not None else None
    if found is None or not shape or softmax.attributes.get_int("axis", -1) % len(shape) != len(shape) - 1:
        return None
    return found if found.rows().any(axis=-1).all() else None


def _both(one: Mask, other: Mask) -> Mask | None:
    """Two masks one after the other; None where they are none of the known kinds together."""
    nodes, below = (*one.nodes, *other.nodes), max(one.below, other.below)
    if one.position is None and other.position is None:
        return Mask(nodes, one.x, one.keep & other.keep, below)
    computed, fixed = (one, other) if one.position is not None else (other, one)
    if fixed.position is computed.position or fixed.keep.all():
        return Mask(nodes, one.x, computed.keep, below, computed.position)
    return None


def _one(value: ir.Value) -> Mask | None:
    """The mask that makes a value."""
    added, chosen = producer(value, "Add"), producer(value, "Where")
    if added is not None:
        for x, other in (tuple(added.inputs), tuple(added.inputs)[::-1]):
            data = constant(other)
            if x is not None and data is None and (computed := _computed(other, added, x)) is not None:
                return computed
            if x is None or data is None or data.dtype.kind != "f" or constant(x) is not None:
                continue
            masked = data <= FAR
            if masked.any() and (data[~masked] == 0).all() and not np.isnan(data).any():
                return _fitting(added, x, ~masked, float(data[masked].max()))
    if chosen is not None:
        condition, first, second = (constant(entry) for entry in chosen.inputs)
        if condition is None:
            far = [(second, chosen.inputs[1], True), (first, chosen.inputs[2], False)]
            found = [
                _computed(chosen.inputs[0], chosen, x, kept, float(data.max()))
                for data, x, kept in far
                if data is not None and x is not None and constant(x) is None and data.size and (data <= FAR).all()
            ]
            return next((one for one in found if one is not None), None)
        if condition.dtype != np.bool_:
            return None
        for data, x, keep in ((second, chosen.inputs[1], condition), (first, chosen.inputs[2], ~condition)):
            if data is not None and x is not None and constant(x) is None and data.size and (data <= FAR).all():
                return _fitting(chosen, x, keep, float(data.max()))
    return None


def _computed(
    value: ir.Value | None, node: ir.Node, x: ir.Value, kept: bool = True, below: float | None = None
) -> Mask | None:
    """The mask that a value computed from a position is: float summands or, with `below`, a condition, under which an
    element is kept or not.
    """
    first, whole = at_positions(value, 1), shape_of(x)
    shape = None if first is None else first[1].shape[1:]
    if not shape or not whole or shape[-1] != whole[-1] or whole != shape_of(node.outputs[0]):
        return None
    rows, columns = shape[-2] if len(shape) > 1 else 1, shape[-1]
    found = at_positions(value, columns - rows + 1) if math.prod(shape) == rows * columns else None
    if found is None:
        return None
    source, data = found
    data = data.reshape(-1, rows, columns)
    if below is None:
        if data.dtype.kind != "f" or np.isnan(data).any():
            return None
        keep = data > FAR
        if keep.all() or (data[keep] != 0).any():
            return None
        below = float(data[~keep].max())
    elif data.dtype == np.bool_:
        keep = data == kept
    else:
        return None
    ends = np.arange(len(data))[:, None] + np.arange(rows)
    if not np.array_equal(keep, np.arange(columns) <= ends[:, :, None]):
        return None
    return Mask((node,), x, keep[0].reshape(shape), below, source) if x.dtype == ir.DataType.FLOAT else None


def _fitting(node: ir.Node, x: ir.Value, keep: NDArray[np.bool_], below: float) -> Mask | None:
    shape = shape_of(x)
    same = shape is not None and shape == shape_of(node.outputs[0]) and keep.ndim <= len(shape)
    return Mask((node,), x, keep, below) if same and x.dtype == ir.DataType.FLOAT else None


def simplify_masks(model: ir.Model) -> ir.Model:
    """Takes a mask out of a constant that holds finite summands too, and removes what stands for a Softmax that is not
    a number where every row keeps an element.

    Exact, but where such a summand is so far from 0 that it is a mask by itself (`FAR`).
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "Softmax":
            _take_apart(model.graph, node)
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "Where":
            _without_guard(node)
    return remove_dead_code(model)


def _take_apart(graph: ir.Graph, softmax: ir.Node) -> None:
    """Add(x, c) as Add(Add(x, finite), mask)."""
    node = producer(softmax.inputs[0], "Add")
    if node is None or not used_once(node.outputs[0]):
        return
    for index in (0, 1):
        data, x = constant(node.inputs[index]), node.inputs[1 - index]
        if data is None or x is None or data.dtype != np.float32 or shape_of(x) != shape_of(node.outputs[0]):
            continue
        masked = data <= FAR
        if not masked.any() or (data[~masked] == 0).all() or np.isnan(data).any():
            continue
        finite = add_constant(graph, f"{node.name}_finite", np.where(masked, np.float32(0), data))
        mask = add_constant(graph, f"{node.name}_mask", np.where(masked, np.float32(-np.inf), np.float32(0)))
        inner = insert(ir.node("Add", [x, finite], name=f"{node.name}_added"), node, x, shape_of(x) or ())
        inner.name = f"{node.outputs[0].name}_added"
        set_input(node, 1 - index, inner)
        set_input(node, index, mask)
        return


def _without_guard(node: ir.Node) -> None:
    """Where(IsNaN(s), number, s) of a Softmax s that is a number: s."""
    guard = producer(node.inputs[0], "IsNaN")
    softmax = producer(node.inputs[2], "Softmax")
    if guard is None or softmax is None or guard.inputs[0] is not node.inputs[2]:
        return
    if shape_of(node.outputs[0]) == shape_of(softmax.outputs[0]) and mask_of(softmax) is not None:
        bypass(node, softmax.outputs[0])
