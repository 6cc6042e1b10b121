"""LayerNormalization and RMSNormalization from the operators that exporters write them with."""

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.dead_code import remove_dead_code
from lithify.optimize.values import add_constant, constant, integer, producer, set_input, shape_of, used_once

_LAYER, _RMS = ("LayerNormalization", 17), ("RMSNormalization", 23)
"""Operators, and the operator sets since which they are."""
_CHANGED = {17: ("RoiAlign",), 23: ("RoiAlign", "GridSample", "GroupNormalization", "DFT")}
"""Operators that mean something else in that operator set than before it."""
_UNCHANGED_SINCE = {17: 13, 23: 18}
"""Operator sets from which on all other operators mean the same."""


@dataclass(frozen=True)
class _Norm:
    """What is normalised, from which axis on; centred: around its mean."""

    x: ir.Value
    axis: int
    epsilon: float
    centred: bool


def join_norms(model: ir.Model) -> ir.Model:
    """Joins each to one node, with the factors and summands of the row behind it.

    Differs by rounding only. A quantised model keeps its bits and its operators; its reader joins them (`read`).
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    return with_norms(model)


def with_norms(model: ir.Model) -> ir.Model:
    """As `join_norms`, quantised or not."""
    found = [(node, norm) for node in model.graph if (norm := _norm(node)) is not None]
    wanted = [entry for entry in found if _allowed(model, _LAYER[1] if entry[1].centred else _RMS[1])]
    if not wanted:
        return model
    names = {node.outputs[0].name for node, _ in wanted}
    model = model.clone()
    for node in list(model.graph):
        if node.outputs[0].name in names and (norm := _norm(node)) is not None:
            _join(model.graph, node, norm)
            since = _LAYER[1] if norm.centred else _RMS[1]
            model.opset_imports[""] = max(model.opset_imports[""], since)
    return remove_dead_code(model)


def _allowed(model: ir.Model, since: int) -> bool:
    """Whether the model is of an operator set with the operator, or can be raised to it without another meaning."""
    own = model.opset_imports.get("", 0)
    changed = any(node.op_type in _CHANGED[since] and node.domain == "" for node in model.graph)
    return own >= since or (own >= _UNCHANGED_SINCE[since] and not changed)


def _norm(node: ir.Node) -> _Norm | None:
    """The norm whose last operator, factors and summands apart, the node is: d / sqrt(mean(d^2) + epsilon)."""
    if node.domain != "" or node.op_type not in ("Div", "Mul"):
        return None
    pairs = [(node.inputs[0], node.inputs[1])]
    if node.op_type == "Mul":
        inner = [(x, _inverted(y)) for x, y in (*pairs, pairs[0][::-1])]
        pairs = [(x, y) for x, y in inner if y is not None]
    for d, root in pairs:
        square = producer(root, "Sqrt")
        total = producer(square.inputs[0], "Add") if square is not None else None
        if d is None or total is None:
            continue
        for variance, more in (tuple(total.inputs), tuple(total.inputs)[::-1]):
            epsilon, mean = constant(more), _mean(variance)
            if epsilon is None or epsilon.size != 1 or mean is None:
                continue
            squared = _squared(mean[0])
            if squared is None:
                continue
            found = _around(d, squared, mean[1], float(epsilon.reshape(())))
            if found is not None and math.isfinite(found.epsilon) and found.epsilon > 0:
                return found
    return None


def _inverted(value: ir.Value | None) -> ir.Value | None:
    """What the value is 1 over."""
    reciprocal, quotient = producer(value, "Reciprocal"), producer(value, "Div")
    if reciprocal is not None:
        return reciprocal.inputs[0]
    one = constant(quotient.inputs[0]) if quotient is not None else None
    return quotient.inputs[1] if quotient is not None and one is not None and (one == 1).all() else None


def _mean(value: ir.Value | None) -> tuple[ir.Value, int] | None:
    """What the value is the mean of, from which axis to the last, all kept with length 1."""
    node = producer(value, "ReduceMean")
    x = node.inputs[0] if node is not None else None
    shape = shape_of(x)
    if node is None or x is None or not shape or not integer(node, "keepdims", 1):
        return None
    given = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = node.attributes.get_ints("axes", ()) if given is None else given.reshape(-1).tolist()
    places = sorted(int(axis) % len(shape) for axis in axes)
    return (x, places[0]) if places and places == list(range(places[0], len(shape))) else None


def _squared(value: ir.Value | None) -> ir.Value | None:
    """What the value is the square of."""
    power, product = producer(value, "Pow"), producer(value, "Mul")
    if power is not None:
        exponent = constant(power.inputs[1])
        return power.inputs[0] if exponent is not None and (exponent == 2).all() else None
    if product is not None and product.inputs[0] is product.inputs[1]:
        return product.inputs[0]
    return None


def _around(d: ir.Value, squared: ir.Value, axis: int, epsilon: float) -> _Norm | None:
    """The norm of these parts: both are one tensor, or one tensor less its mean, which may be worked out twice."""
    if d is squared:
        x = _centred(d, axis)
        return _Norm(x, axis, epsilon, True) if x is not None else _Norm(d, axis, epsilon, False)
    one, other = _centred(d, axis), _centred(squared, axis)
    return _Norm(one, axis, epsilon, True) if one is not None and one is other else None


def _centred(value: ir.Value, axis: int) -> ir.Value | None:
    """What the value is around the mean of."""
    node = producer(value, "Sub")
    mean = _mean(node.inputs[1]) if node is not None else None
    same = node is not None and mean is not None and mean == (node.inputs[0], axis)
    return node.inputs[0] if node is not None and same else None


def _join(graph: ir.Graph, node: ir.Node, norm: _Norm) -> None:
    shape = shape_of(norm.x)
    assert shape is not None
    row = shape[norm.axis :]
    last, scale = _affine(node, "Mul", row)
    bias: NDArray[np.float32] | None = None
    if norm.centred:
        last, bias = _affine(last, "Add", row)
    scale = np.ones(row, np.float32) if scale is None else scale
    last.op_type, last.version = (_LAYER if norm.centred else _RMS)[0], None
    last.attributes.clear()
    last.attributes.add(ir.AttrInt64("axis", norm.axis - len(shape)))
    last.attributes.add(ir.AttrFloat32("epsilon", norm.epsilon))
    rows = [scale, *([bias] if bias is not None else [])]
    last.resize_inputs(1 + len(rows))
    set_input(last, 0, norm.x)
    for index, data in enumerate(rows, 1):
        set_input(last, index, add_constant(graph, f"{last.name}_{'scale' if index == 1 else 'bias'}", data))


def _affine(node: ir.Node, operator: str, row: tuple[int, ...]) -> tuple[ir.Node, NDArray[np.float32] | None]:
    """The node behind with its constant of the row, if what the node makes goes into such an operation alone."""
    value = node.outputs[0]
    if not used_once(value):
        return node, None
    ((user, index),) = value.uses()
    data = constant(user.inputs[1 - index]) if user.op_type == operator and user.domain == "" else None
    if data is None or data.dtype != np.float32 or shape_of(user.outputs[0]) != shape_of(value):
        return node, None
    leading = max(0, data.ndim - len(row))
    if any(size != 1 for size in data.shape[:leading]):
        return node, None
    return user, np.ascontiguousarray(np.broadcast_to(data.reshape(data.shape[leading:]), row))
