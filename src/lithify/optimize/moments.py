"""Group norms over the last axis as Keras writes them: a factor and a summand of each group from its mean and the mean
of its squares.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import add_constant, constant, insert, integer, producer, set_input, shape_of, used_once


@dataclass(frozen=True)
class Moments:
    """x: [N, ..., channels], which `last`, a Reshape, makes normalised. scale, bias: float32 [channels]."""

    x: ir.Value
    last: ir.Node
    groups: int
    epsilon: float
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]


def moments(node: ir.Node) -> Moments | None:
    """The norm whose sum `v * s + (bias - mean * s)` the Add node is, v a Reshape of x to [..., groups, channels]."""
    shape = shape_of(node.outputs[0])
    if node.domain != "" or node.op_type != "Add" or shape is None or len(shape) < 4 or not used_once(node.outputs[0]):
        return None
    ((last, _),) = node.outputs[0].uses()
    for product, rest in (tuple(node.inputs), tuple(node.inputs)[::-1]):
        scaled, shift = producer(product, "Mul"), producer(rest, "Add")
        if scaled is None or shift is None or last.op_type != "Reshape":
            continue
        for v, s in (tuple(scaled.inputs), tuple(scaled.inputs)[::-1]):
            found = _found(v, s, shift, shape)
            before = producer(v, "Reshape")
            x = before.inputs[0] if before is not None else None
            if found is None or x is None or shape_of(x) != shape_of(last.outputs[0]):
                continue
            if shape_of(x) == (*shape[:-2], shape[-2] * shape[-1]):
                return Moments(x, last, shape[-2], *found)
    return None


def _found(
    v: ir.Value | None, s: ir.Value | None, shift: ir.Node, shape: tuple[int, ...]
) -> tuple[float, NDArray[np.float32], NDArray[np.float32]] | None:
    """epsilon, scale and bias."""
    factor = producer(s, "Mul")
    inverse, scale = s, np.ones(shape[-2:], np.float32)
    if factor is not None:
        for one, other in (tuple(factor.inputs), tuple(factor.inputs)[::-1]):
            row = _row(other, shape)
            if row is not None:
                inverse, scale = one, row
    root = producer(inverse, "Reciprocal")
    root = producer(root.inputs[0], "Sqrt") if root is not None else None
    total = producer(root.inputs[0], "Add") if root is not None else None
    epsilon = constant(total.inputs[1]) if total is not None else None
    variance = producer(total.inputs[0], "Sub") if total is not None else None
    if variance is None or epsilon is None or epsilon.size != 1:
        return None
    squared = producer(variance.inputs[1], "Pow")
    mean = squared.inputs[0] if squared is not None and _square(squared) else None
    of_squares = producer(variance.inputs[0], "ReduceMean")
    inner = producer(of_squares.inputs[0], "Pow") if of_squares is not None else None
    of_values = producer(mean, "ReduceMean")
    if inner is None or of_values is None or of_squares is None or not _square(inner):
        return None
    if inner.inputs[0] is not v or of_values.inputs[0] is not v:
        return None
    if not (_of_groups(of_values, shape) and _of_groups(of_squares, shape)):
        return None
    for away, summand in (tuple(shift.inputs), tuple(shift.inputs)[::-1]):
        bias, product = _row(summand, shape), producer(away, "Mul")
        if bias is None or product is None:
            continue
        for one, other in (tuple(product.inputs), tuple(product.inputs)[::-1]):
            negative = producer(one, "Neg")
            if negative is not None and negative.inputs[0] is mean and other is s:
                return float(epsilon.reshape(())), scale.reshape(-1), bias.reshape(-1)
    return None


def _square(node: ir.Node) -> bool:
    exponent = constant(node.inputs[1])
    return exponent is not None and exponent.size == 1 and float(exponent.reshape(())) == 2


def _row(value: ir.Value | None, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """A constant of one number for each channel of each group."""
    data = constant(value)
    if data is None or data.dtype != np.float32 or any(size != 1 for size in data.shape[:-2]):
        return None
    try:
        return np.broadcast_to(data.reshape(data.shape[-2:]), shape[-2:])
    except ValueError:
        return None


def _of_groups(node: ir.Node, shape: tuple[int, ...]) -> bool:
    """Whether it is over everything but images and groups."""
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    wanted = set(range(1, len(shape))) - {len(shape) - 2}
    return axes is not None and integer(node, "keepdims", 1) == 1 and {int(a) % len(shape) for a in axes} == wanted


def join_moments(graph: ir.Graph, found: Moments) -> None:
    """Makes the norm a GroupNormalization of the channels between Transposes."""
    x, last = found.x, found.last
    shape = shape_of(x) or ()
    rank, name = len(shape), str(last.name)
    first = (0, rank - 1, *range(1, rank - 1))
    inner = tuple(shape[axis] for axis in first)
    turned = insert(ir.node("Transpose", [x], {"perm": first}, name=f"{name}_turned"), last, x, inner)
    turned.name = f"{last.outputs[0].name}_turned"
    rows = [
        add_constant(graph, f"{name}_{what}", data) for what, data in (("scale", found.scale), ("bias", found.bias))
    ]
    attributes = {"num_groups": found.groups, "epsilon": found.epsilon}
    norm = ir.node("GroupNormalization", [turned, *rows], attributes, name=f"{name}_norm")
    made = insert(norm, last, x, inner)
    made.name = f"{last.outputs[0].name}_normal"
    last.op_type, last.version = "Transpose", None
    last.attributes.clear()
    last.attributes.add(ir.AttrInt64s("perm", (0, *range(2, rank), 1)))
    last.resize_inputs(1)
    set_input(last, 0, made)
