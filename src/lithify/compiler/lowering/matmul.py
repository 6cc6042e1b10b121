"""MatMul: each matrix of the first operand against the rows of one of the second, which are loaded as weights.

A matrix need not be a tensor of its own: a head of attention is a slice of the channels of all tokens, and is read and
written where it lies (`heads.py`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.node import Unsupported, image_of, positive
from lithify.compiler.operation import Excerpt, Landing, Operation, Parameters, Second, Sliding
from lithify.reference.arithmetic import product_multiplier
from lithify.reference.graph import Graph, Node, Tensor

MOST_MATRICES = 512
"""Matrices of one node, each of which takes an operation of its own."""


@dataclass(frozen=True)
class Slices:
    """Matrices in an image: row r of matrix i is the pixel starts[i][0] + r * step, from channel starts[i][1] on."""

    image: Image
    step: int
    starts: tuple[tuple[int, int], ...]


def lower_matmul(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """An operation for each matrix of the result, the operands tensors of their own."""
    a, b, y = (graph.tensors[name] for name in (*node.inputs, *node.outputs))
    count = math.prod(y.shape[:-2])
    return multiply(graph, node, chip, *(whole(tensor, count) for tensor in (a, b, y)))


def whole(tensor: Tensor, count: int) -> Slices:
    """The `count` matrices of a tensor, which may be one for all."""
    own = math.prod(tensor.shape[:-2])
    return Slices(image_of(tensor), 1, tuple((number % own * tensor.shape[-2], 0) for number in range(count)))


def slices(
    places: NDArray[np.int64], channels: int, count: int, word: int
) -> tuple[int, tuple[tuple[int, int], ...]] | None:
    """The step and the starts of matrices whose values lie at these places of an image; None where they are no slices.

    places: [rows, columns] or [matrices, rows, columns].
    """
    matrices = places.reshape(-1, *places.shape[-2:])
    starts = matrices[:, :1, :1]
    step = int(matrices[0, 1, 0] - matrices[0, 0, 0]) if matrices.shape[1] > 1 else channels
    rows, columns = (np.arange(size) for size in matrices.shape[1:])
    regular = step > 0 and step % channels == 0
    if not regular or (matrices != starts + rows[:, None] * step + columns).any():
        return None
    pixels, begins = np.divmod(starts.reshape(-1), channels)
    if (begins % word).any() or (begins + len(columns) > channels).any():
        return None
    found = tuple(zip(pixels.tolist(), begins.tolist(), strict=True))
    return step // channels, tuple(found[number % len(found)] for number in range(count))


def multiply(
    graph: Graph, node: Node, chip: Chip, first: Slices, second: Slices, result: Slices
) -> tuple[Operation, ...]:
    """An operation for each matrix of the result. In `first` and `result` channels begin at a word."""
    a, b, y = (graph.tensors[name] for name in (*node.inputs, *node.outputs))
    rows, outputs = y.shape[-2:]
    terms, word = a.shape[-1], chip.word_bytes
    if len(result.starts) > MOST_MATRICES:
        count = len(result.starts)
        raise Unsupported(f"it makes {count} matrices, and the chip at most {MOST_MATRICES} in one product")
    bias = np.full(outputs, -(-terms // word) * word * a.zero_point * b.zero_point, np.int32)
    multiplier = np.broadcast_to(positive(product_multiplier(a, b, y), f"'{node.name}'"), (outputs,))
    outside, constants = summands(-a.zero_point), summands(-b.zero_point)
    passes = 1 + len(constants) + len(outside)
    weights = np.broadcast_to(np.int8(0), (outputs, passes, 1, terms))
    limits = node.attributes["minimum"], node.attributes["maximum"]
    single = len(result.starts) == 1 and result.image.channels == outputs
    operations = []
    for (pixel, channel), (row, begin), (place, out) in zip(first.starts, second.starts, result.starts, strict=True):
        part = terms != first.image.channels
        operations.append(
            Operation(
                layer=node.name,
                operator=node.operator,
                unit="conv",
                x=Image(first.image.name, 1, first.image.width, terms),
                y=result.image,
                region=Rectangle(0, 0, 1, rows),
                sliding=Sliding((passes, 1), strides=(1, first.step), pads=(0, -pixel)),
                cut=(1, 1),
                pad_value=outside[0] if outside else 0,
                zero_point=y.zero_point,
                minimum=limits[0],
                maximum=limits[1],
                parameters=Parameters(weights, bias, multiplier),
                residual=None,
                macs=math.prod(y.shape) * terms,
                tensor=result.image.name,
                landing=None if single else Landing((0, place), (1, result.step), out // word, outputs),
                excerpt=Excerpt(0, channel // word) if part else None,
                second=Second(second.image, row, second.step, begin, b.zero_point, constants, len(outside)),
            )
        )
    return tuple(operations)


def summands(value: int) -> tuple[int, ...]:
    """int8 values, as few as it takes and all the same, whose sum is `value`, which is from -128 to 128."""
    if value == 0:
        return ()
    return (value,) if value < 128 else (value // 2,) * 2
