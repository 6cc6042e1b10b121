"""Concat, Split and Slice: tensors put together and taken apart. Values, scale and zero point stay."""

import numpy as np

from lithify.errors import LithifyError
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor


def check_axis(node: Node, axis: int, rank: int) -> None:
    """Raises LithifyError unless `axis` counts a dimension from 0."""
    if axis >= rank:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given the axis {axis} for {rank} dimensions; "
            f"it must be from 0 to {rank - 1}."
        )


def concat_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """Equal shapes but for dimension `axis`, whose sizes add up."""
    given = [tensor.shape for tensor in inputs if tensor is not None]
    axis = node.attributes["axis"]
    check_axis(node, axis, len(given[0]))
    for shape in given[1:]:
        if (len(shape), *shape[:axis], *shape[axis + 1 :]) != (
            len(given[0]),
            *given[0][:axis],
            *given[0][axis + 1 :],
        ):
            raise LithifyError(
                f"Node '{node.name}' (Concat) was given shapes {given[0]} and {shape} to join along axis {axis}; "
                "all other dimensions must be equal."
            )
    return ((*given[0][:axis], sum(shape[axis] for shape in given), *given[0][axis + 1 :]),)


def concat(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The inputs one after the other along `axis`."""
    return (np.concatenate([operand.data for operand in operands if operand is not None], node.attributes["axis"]),)


def split_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """One output for each entry of `split`, which add up to the size of dimension `axis`."""
    (x,) = inputs
    assert x is not None
    axis, split = node.attributes["axis"], node.attributes["split"]
    check_axis(node, axis, len(x.shape))
    if len(split) != len(node.outputs) or sum(split) != x.shape[axis]:
        raise LithifyError(
            f"Node '{node.name}' (Split) was given {x.shape} to split along axis {axis} into {split} for "
            f"{len(node.outputs)} outputs; it must have a size for each output, that add up to {x.shape[axis]}."
        )
    return tuple((*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in split)


def split(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """Consecutive pieces along `axis`, of the sizes in `split`."""
    (x,) = operands
    assert x is not None
    ends = np.cumsum(node.attributes["split"])[:-1]
    return tuple(np.split(x.data, ends, axis=node.attributes["axis"]))


def ranges(node: Node, shape: Shape) -> tuple[range, ...]:
    """The indices that a Slice takes along every dimension of a tensor of this shape, in their order (ONNX).

    Negative starts and ends count from the back; starts and ends beyond the tensor are moved to its edge; a negative
    step goes backwards. Raises LithifyError for attributes that do not fit, a step of 0 and an empty range.
    """
    starts, ends, axes, steps = (node.attributes[key] for key in ("starts", "ends", "axes", "steps"))
    if not len(starts) == len(ends) == len(axes) == len(steps) or len(set(axes)) != len(axes):
        raise LithifyError(
            f"Node '{node.name}' (Slice) was given starts {starts}, ends {ends}, axes {axes} and steps {steps}; "
            "each must have as many entries, and no axis may stand twice."
        )
    taken = [range(size) for size in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        check_axis(node, axis, len(shape))
        if step == 0:
            raise LithifyError(f"Node '{node.name}' (Slice) was given the step 0; it must be another integer.")
        size = shape[axis]
        # What Python's slice does, except that an end of None is written as one far beyond the edge.
        begin, stop = (value + size if value < 0 else value for value in (start, end))
        low, high = (0, size) if step > 0 else (-1, size - 1)
        taken[axis] = range(min(max(begin, low), high), min(max(stop, low), high), step)
        if not taken[axis]:
            raise LithifyError(
                f"Node '{node.name}' (Slice) takes nothing of axis {axis}, of size {size}, from {start} to {end} in "
                f"steps of {step}; give a start and an end with something between them."
            )
    return tuple(taken)


def slice_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """The number of indices taken along each dimension."""
    (x,) = inputs
    assert x is not None
    return (tuple(len(taken) for taken in ranges(node, x.shape)),)


def take(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The elements whose indices are all among those taken."""
    (x,) = operands
    assert x is not None
    return (x.data[np.ix_(*ranges(node, x.data.shape))],)
