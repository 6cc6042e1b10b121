"""ReduceMean, ReduceSum, ReduceMax and ReduceMin over any dimensions."""

import math

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor
from lithify.reference.pieces import check_axis
from lithify.reference.pooling import mean


def reduce_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The dimensions of `axes` become 1 with `keepdims` and vanish without."""
    (x,) = inputs
    assert x is not None
    axes = node.attributes["axes"]
    for axis in axes:
        check_axis(node, axis, len(x.shape))
    if not axes or len(set(axes)) != len(axes):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given axes {axes}; it must have at least one, each once."
        )
    kept = 1 if node.attributes["keepdims"] else None
    sizes = (kept if axis in axes else size for axis, size in enumerate(x.shape))
    return (tuple(size for size in sizes if size is not None),)


def reduce_mean(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(f32(sum(x - zx)) * f32(sx / f32(f32(n) * sy)))) + zy), n the number of values summed."""
    (x,) = operands
    assert x is not None
    counted = math.prod(x.data.shape[axis] for axis in node.attributes["axes"])
    return (mean(node, _sum(node, x), np.array(counted, np.int64), x.tensor, outputs[0]),)


def reduce_sum(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """As ReduceMean with n = 1: m = f32(sx / sy)."""
    (x,) = operands
    assert x is not None
    return (mean(node, _sum(node, x), np.array(1, np.int64), x.tensor, outputs[0]),)


def _sum(node: Node, x: Operand) -> NDArray[np.int64]:
    axes, keep = node.attributes["axes"], bool(node.attributes["keepdims"])
    return np.asarray(centred(x.data, x.tensor.zero_point).sum(axis=axes, keepdims=keep, dtype=np.int64))


def reduce_max(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The largest int8; scale and zero point stay."""
    (x,) = operands
    assert x is not None
    return (np.asarray(x.data.max(axis=node.attributes["axes"], keepdims=bool(node.attributes["keepdims"]))),)


def reduce_min(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The smallest int8; scale and zero point stay."""
    (x,) = operands
    assert x is not None
    return (np.asarray(x.data.min(axis=node.attributes["axes"], keepdims=bool(node.attributes["keepdims"]))),)
