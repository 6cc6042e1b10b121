"""What depends on a position: rows written into a cache in place, and the mask of what a cache does not hold yet.

A position is how many rows (tokens) of a cache are there before a run; one integer, which the user gives with each run.
"""

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor


def append_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The shape of the cache, [1, rows, channels]; what is written has the same channels and at most as many rows."""
    cache, new, position = inputs
    assert cache is not None and new is not None and position is not None
    fits = len(cache.shape) == len(new.shape) == 3 and cache.shape[0] == new.shape[0] == 1
    if not fits or cache.shape[2] != new.shape[2] or new.shape[1] > cache.shape[1] or np.prod(position.shape) != 1:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given a cache of shape {cache.shape}, rows {new.shape} and "
            f"the position '{position.name}' of shape {position.shape}; it takes [1, rows, channels], rows of "
            "as many channels, fewer or equal in number, and one integer."
        )
    return (cache.shape,)


def append(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The cache with new rows from row `position` on. Raises LithifyError where there is no room for them."""
    cache, new, position = operands
    assert cache is not None and new is not None and position is not None
    rows, count = cache.data.shape[1], new.data.shape[1]
    first = position_of(position.data, rows, count, position.tensor.name)
    made = cache.data.copy()
    made[:, first : first + count] = new.data
    return (made,)


def mask_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[rows, columns]."""
    return ((node.attributes["rows"], node.attributes["columns"]),)


def position_mask(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """1 in row t up to column position + t, 0 behind it."""
    (position,) = operands
    assert position is not None
    rows, columns = node.attributes["rows"], node.attributes["columns"]
    first = position_of(position.data, columns, rows, position.tensor.name)
    return ((np.arange(columns) <= first + np.arange(rows)[:, None]).astype(np.int8),)


def range_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """As the node says."""
    return (node.attributes["shape"],)


def position_range(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """position, position + 1 and so on, int64: the places of the new rows."""
    (position,) = operands
    assert position is not None
    shape = node.attributes["shape"]
    return (int(position.data.reshape(-1)[0]) + np.arange(np.prod(shape), dtype=np.int64).reshape(shape),)


def position_of(data: Array, rows: int, count: int, name: str) -> int:
    """The number that a position holds, of a cache of `rows` to which `count` are added.

    name: of its tensor, for the error. Raises LithifyError where the new rows do not fit.
    """
    first = int(np.asarray(data).reshape(-1)[0])
    if not 0 <= first <= rows - count:
        added = "a row" if count == 1 else f"{count} rows"
        raise LithifyError(
            f"The position '{name}' is {first}, and the cache has {rows} rows, to which {added} "
            f"{'is' if count == 1 else 'are'} added; give a position from 0 to {rows - count}."
        )
    return first
