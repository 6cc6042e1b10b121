"""What int8 results say that is no number with a scale: indices, and what holds. Conversions of the host."""

import math

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor

BYTE = 256
"""Values of a byte."""
BYTES = 2
"""Of an index, at most."""


def byte_axis(rank: int) -> int:
    """Where the bytes of an index lie: in the channels of an image, else in the last dimension."""
    return 1 if rank == 4 else rank - 1


def index_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The attribute `shape`; x has one or two bytes for each of its elements."""
    (x,) = inputs
    assert x is not None
    shape: Shape = node.attributes["shape"]
    count = x.shape[byte_axis(len(x.shape))] if x.shape else 0
    if not 1 <= count <= BYTES or math.prod(x.shape) != count * math.prod(shape):
        raise LithifyError(
            f"Node '{node.name}' (Indices) was given {x.shape} to make {shape} of; it takes one or two bytes of each "
            "index in the last dimension, or in the channels of an image."
        )
    return (shape,)


def indices(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = first byte + 256 * second byte, a byte being x - x_zero_point."""
    (x,) = operands
    assert x is not None
    values = np.moveaxis(centred(x.data, x.tensor.zero_point).astype(np.int64), byte_axis(x.data.ndim), -1)
    whole = (values * BYTE ** np.arange(values.shape[-1])).sum(axis=-1)
    return (whole.reshape(outputs[0].shape).astype(outputs[0].dtype),)


def truth(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y holds where x is not its zero point."""
    (x,) = operands
    assert x is not None
    return (x.data != np.int8(x.tensor.zero_point),)
