"""Masks before a Softmax: which elements of its rows count, however the model says so.

Exporters write them as an addition of 0 and something far below (-infinity, -1e9, the least float32), or as a choice
between the scores and such a number. What is added is a constant; whatever it is, what it masks has no share.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.dead_code import remove_dead_code
from lithify.optimize.values import add_constant, bypass, constant, insert, producer, set_input, shape_of, used_once

FAR = -64.0
"""From here on down a summand is a mask."""
FARTHEST = 32.0
"""What is masked must lie so far below what counts: e^-32 is less than half a unit of a share in the last place."""


@dataclass(frozen=True)
class Mask:
    """nodes: those that mask, in order of execution. x: what they mask, of their result's shape. keep: bool, which
    elements count, of a shape that broadcasts to it. below: the largest number that stands for a masked element.
    """

    nodes: tuple[ir.Node, ...]
    x: ir.Value
    keep: NDArray[np.bool_]
    below: float

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
        found = one if found is None else _both(one, found)
        value = one.x
    shape = shape_of(found.x) if found is not None else None
    if found is None or not shape or softmax.attributes.get_int("axis", -1) % len(shape) != len(shape) - 1:
        return None
    return found if found.rows().any(axis=-1).all() else None


def _both(one: Mask, other: Mask) -> Mask:
    return Mask((*one.nodes, *other.nodes), one.x, one.keep & other.keep, max(one.below, other.below))


def _one(value: ir.Value) -> Mask | None:
    """The mask that makes a value."""
    added, chosen = producer(value, "Add"), producer(value, "Where")
    if added is not None:
        for x, other in (tuple(added.inputs), tuple(added.inputs)[::-1]):
            data = constant(other)
            if x is None or data is None or data.dtype.kind != "f" or constant(x) is not None:
                continue
            masked = data <= FAR
            if masked.any() and (data[~masked] == 0).all() and not np.isnan(data).any():
                return _fitting(added, x, ~masked, float(data[masked].max()))
    if chosen is not None:
        condition, first, second = (constant(entry) for entry in chosen.inputs)
        if condition is None or condition.dtype != np.bool_:
            return None
        for data, x, keep in ((second, chosen.inputs[1], condition), (first, chosen.inputs[2], ~condition)):
            if data is not None and x is not None and constant(x) is None and data.size and (data <= FAR).all():
                return _fitting(chosen, x, keep, float(data.max()))
    return None


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
