"""Gather: the entries of a dimension that indices choose when the network runs. Values, scale and zero point stay."""

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor
from lithify.reference.pieces import check_axis


def gather_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The shape of the indices in the place of dimension `axis`."""
    x, indices = inputs
    assert x is not None and indices is not None
    axis = node.attributes["axis"]
    check_axis(node, axis, len(x.shape))
    return ((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]),)


def gather(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """Index i chooses entry i, a negative one counts from the end. Raises LithifyError for one that chooses none."""
    x, indices = operands
    assert x is not None and indices is not None
    axis = node.attributes["axis"]
    chosen = entries(indices.data, x.data.shape[axis], indices.tensor.name)
    return (np.take(x.data, chosen, axis=axis),)


def entries(indices: Array, size: int, name: str) -> Array:
    """The indices, int64, with those that count from the end turned; name: of their tensor, for the error.

    Raises LithifyError for the first that is none of `size` entries.
    """
    outside = (indices < -size) | (indices >= size)
    if outside.any():
        place = tuple(int(entry) for entry in np.argwhere(outside)[0])
        raise LithifyError(
            f"'{name}' holds {int(indices[place])} at {list(place)}, which chooses nothing of {size} entries; "
            f"give indices from {-size} to {size - 1}."
        )
    return np.where(indices < 0, indices.astype(np.int64) + size, indices.astype(np.int64))
