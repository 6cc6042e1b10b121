"""Operators that take each element on its own: Quantize, Dequantize, Clip, Lookup, and Reshape that moves none."""

import math

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred, round_to_int8, scale_of
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor


def same_shape(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The output has the shape of the first input."""
    assert inputs[0] is not None
    return (inputs[0].shape,)


def quantize(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(x / y_scale)) + y_zero_point): a division, not a multiplication by the reciprocal."""
    (x,) = operands
    assert x is not None
    with np.errstate(over="ignore", invalid="ignore"):
        quotient = np.divide(x.data.astype(np.float32), scale_of(outputs[0]))
    return (round_to_int8(quotient, outputs[0].zero_point),)


def dequantize(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = f32(f32(x - x_zero_point) * x_scale)."""
    (x,) = operands
    assert x is not None
    return (np.multiply(centred(x.data, x.tensor.zero_point).astype(np.float32), scale_of(x.tensor)),)


def reshape_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The attribute `shape`, which must hold as many elements as the input."""
    (x,) = inputs
    assert x is not None
    shape: Shape = node.attributes["shape"]
    if math.prod(shape) != math.prod(x.shape):
        raise LithifyError(
            f"Node '{node.name}' (Reshape) was given {x.shape} to make {shape} of; both must hold as many elements."
        )
    return (shape,)


def reshape(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The same elements in row-major order under another shape."""
    (x,) = operands
    assert x is not None
    return (x.data.reshape(node.attributes["shape"]),)


def clip(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = min(max(x, minimum), maximum), in int8 at the scale of x."""
    (x,) = operands
    assert x is not None
    minimum, maximum = np.int8(node.attributes["minimum"]), np.int8(node.attributes["maximum"])
    return (np.minimum(np.maximum(x.data, minimum), maximum),)


def lookup_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The shape of x; the table has 256 entries."""
    x, table = inputs
    assert x is not None and table is not None
    if table.shape != (256,):
        raise LithifyError(
            f"Node '{node.name}' (Lookup) was given a table of shape {table.shape}; it must be (256,), "
            "one entry per int8 value from -128 up."
        )
    return (x.shape,)


def lookup(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = table[x + 128]: the table holds the int8 result of every int8 input, from -128 up."""
    x, table = operands
    assert x is not None and table is not None
    return (table.data[x.data.astype(np.int32) + 128],)
