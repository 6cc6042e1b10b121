"""Operators that take each element on its own: Quantize, Dequantize, Signed, Unsigned, Clip, Lookup, and Reshape that
moves none.
"""

import math

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred, round_to_int8, scale_of
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor

_HALF = 128
"""By how much uint8 and int8 differ."""


def same_shape(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The output has the shape of the first input."""
    assert inputs[0] is not None
    return (inputs[0].shape,)


def quantize(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(f32(x) / y_scale)) + y_zero_point): a division, not a multiplication by the reciprocal."""
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


def signed(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = x - 128: a uint8 of the user as the int8 that means the same, its zero point 128 lower."""
    (x,) = operands
    assert x is not None
    return ((x.data.astype(np.int16) - _HALF).astype(np.int8),)


def unsigned(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = x + 128: the reverse of Signed, for the user."""
    (x,) = operands
    assert x is not None
    return ((x.data.astype(np.int16) + _HALF).astype(np.uint8),)


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
