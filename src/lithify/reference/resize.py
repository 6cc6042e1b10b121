"""ResizeNearest and ResizeLinear: an image of other size, from the indices and weights of `coordinates`."""

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor
from lithify.reference.pooling import mean
from lithify.reference.window import as_image, of_rank

# The sum of four weighted values, each at most 255 x steps, stays within int32.
MOST_STEPS = 2**23


def nearest_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[N, C, H, W] -> [N, C, number of rows, number of columns]; or [N, C, L] -> [N, C, number of columns]."""
    (x,) = inputs
    assert x is not None
    if len(x.shape) not in (3, 4):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given x of shape {x.shape}; it must have 4 dimensions, NCHW, "
            "or 3, NCL."
        )
    rows, columns = node.attributes["rows"], node.attributes["columns"]
    batch, channels, *image = as_image(x.shape)
    for name, taken, size in zip(("rows", "columns"), (rows, columns), image, strict=True):
        if not taken or max(taken) >= size:
            raise LithifyError(
                f"Node '{node.name}' ({node.operator}) was given {name} {taken} of an image of {image[0]}x{image[1]}; "
                f"there must be at least one, each below {size}."
            )
    if len(x.shape) == 3 and len(rows) != 1:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given {len(rows)} rows of a sequence; "
            "a sequence is an image of height 1 and stays one."
        )
    return (of_rank((batch, channels, len(rows), len(columns)), len(x.shape)),)


def resize_nearest(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y[n, c, i, j] = x[n, c, rows[i], columns[j]]."""
    (x,) = operands
    assert x is not None
    image = x.data.reshape(as_image(x.data.shape))
    rows, columns = node.attributes["rows"], node.attributes["columns"]
    return (image[:, :, list(rows)][..., list(columns)].reshape(outputs[0].shape),)


def linear_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """As ResizeNearest; a weight for every row and column, none above its steps."""
    shapes = nearest_shapes(node, inputs)
    attributes = node.attributes
    for name in ("row", "column"):
        taken, weights, steps = (attributes[key] for key in (f"{name}s", f"{name}_weights", f"{name}_steps"))
        if len(weights) != len(taken) or max(weights) > steps:
            raise LithifyError(
                f"Node '{node.name}' (ResizeLinear) was given {name}_weights {weights} for {len(taken)} {name}s in "
                f"{steps} {name}_steps; there must be one for each, none above the steps."
            )
    steps = attributes["row_steps"] * attributes["column_steps"]
    if steps > MOST_STEPS:
        raise LithifyError(
            f"Node '{node.name}' (ResizeLinear) was given weights in steps of 1/{steps}, whose sums do not fit a "
            f"32-bit accumulator; steps may be at most {MOST_STEPS}: resize by a simpler factor, or on the host."
        )
    return shapes


def resize_linear(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The integer blend of two rows and two columns, divided by both steps as AveragePool divides by its taps."""
    (x,) = operands
    assert x is not None
    image: NDArray[np.int64] = centred(x.data, x.tensor.zero_point).reshape(as_image(x.data.shape)).astype(np.int64)
    for axis, name in ((2, "row"), (3, "column")):
        first = np.array(node.attributes[f"{name}s"])
        following = np.minimum(first + 1, image.shape[axis] - 1)
        weights = np.array(node.attributes[f"{name}_weights"], np.int64).reshape((-1, 1) if axis == 2 else -1)
        others = node.attributes[f"{name}_steps"] - weights
        image = image.take(first, axis) * others + image.take(following, axis) * weights
    steps = np.array(node.attributes["row_steps"] * node.attributes["column_steps"], np.int64)
    return (mean(node, image, steps, x.tensor, outputs[0]).reshape(outputs[0].shape),)
