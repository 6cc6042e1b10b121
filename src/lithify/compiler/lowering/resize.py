"""ResizeLinear: places of equal weights are made by one small kernel, which blends two rows and two columns."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.lowering.identity import gathered
from lithify.compiler.lowering.node import FULL, Unsupported, check_image, image_of, positive
from lithify.compiler.lowering.products import diagonal_weights, product
from lithify.compiler.lowering.progressions import Progression, progressions
from lithify.compiler.lowering.rearrange import MOST_GRIDS, landed
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node
from lithify.reference.pooling import mean_multiplier

LARGEST = 127
"""The largest weight."""
MOST_COPIES = 32
"""Copies of the input among which larger weights are shared."""


def lower_resize_linear(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A product for each grid of places with equal weights; no coordinate falls outside the image."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    check_image(x)
    source, target = image_of(x), image_of(y)
    attributes = node.attributes
    rows = _axis(attributes["rows"], attributes["row_weights"], attributes["row_steps"], source.height)
    columns = _axis(attributes["columns"], attributes["column_weights"], attributes["column_steps"], source.width)
    if len(rows) * len(columns) > MOST_GRIDS:
        raise Unsupported(f"its weights repeat too seldom: {len(rows)} x {len(columns)} different kernels")
    kernels = [(down, right, np.outer(down.kind, right.kind)) for down in rows for right in columns]
    steps = attributes["row_steps"] * attributes["column_steps"]
    # A power of two in every weight passes through the sum and its float32 value exactly.
    shared = [min(_power_of_two(kernel), steps) for _, _, kernel in kernels]
    copies = -(-max(int(k.max()) // power for (_, _, k), power in zip(kernels, shared, strict=True)) // LARGEST)
    if copies > MOST_COPIES:
        raise Unsupported(f"its weights are as large as {copies * LARGEST}, and a product's are at most {LARGEST}")
    operations: list[Operation] = []
    read = source
    if copies > 1:
        name = f"{x.name} ({copies} times for {node.name})"
        read = Image(name, source.height, source.width, copies * source.channels)
        again = np.tile(np.arange(source.channels), copies)
        operations.append(replace(gathered(node, chip, source, read, again, Sliding()), operator="Copy", tensor=x.name))
    whole = positive(mean_multiplier(np.array(steps, np.int64), x, y), f"'{node.name}'")
    for (down, right, kernel), power in zip(kernels, shared, strict=True):
        weights = _weights(kernel // power, source.channels, copies, chip)
        bias = np.full(source.channels, -x.zero_point * int(kernel.sum()) // power, np.int32)
        multiplier = np.broadcast_to(whole * np.float32(power), (source.channels,))
        sliding = Sliding(kernel.shape, (down.stride, right.stride), (-down.source, -right.source))
        made = product(node, chip, read, target, sliding, weights, bias, multiplier, x, y, FULL, 0)
        operations.append(landed(made, down, right))
    return tuple(operations)


def _axis(first: tuple[int, ...], weights: tuple[int, ...], steps: int, size: int) -> tuple[Progression, ...]:
    """The places of one dimension by the weights of their one or two neighbours."""
    places: dict[int, tuple[int, tuple[int, ...]]] = {}
    for place, (index, weight) in enumerate(zip(first, weights, strict=True)):
        if weight == 0 or index == size - 1:
            places[place] = index, (steps,)
        elif weight == steps:
            places[place] = index + 1, (steps,)
        else:
            places[place] = index, (steps - weight, weight)
    return progressions(places)


def _power_of_two(kernel: NDArray[np.int64]) -> int:
    """The largest power of two that divides all weights."""
    bits = int(np.bitwise_or.reduce(kernel, axis=None))
    return bits & -bits


def _weights(kernel: NDArray[np.int64], channels: int, copies: int, chip: Chip) -> NDArray[np.int8]:
    """Each channel blended by itself; weights that are too large for one product are shared among copies of it."""
    if copies == 1:
        return diagonal_weights(np.broadcast_to(kernel, (channels, *kernel.shape)).astype(np.int8), chip)
    dense = np.zeros((channels, *kernel.shape, copies, channels), np.int8)
    own = np.arange(channels)
    for copy in range(copies):
        dense[own, :, :, copy, own] = kernel // copies + (copy < kernel % copies)
    return dense.reshape(channels, *kernel.shape, copies * channels)
