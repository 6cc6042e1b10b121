"""Pooling: an average is a product with weights 1, the largest of a window a stream."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Rectangle
from lithify.compiler.lowering.node import FULL, Unsupported, check_image, image_of, input_and_output, positive
from lithify.compiler.lowering.products import diagonal_weights, product
from lithify.compiler.lowering.streams import stream
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node
from lithify.reference.pooling import counted_taps, mean_multiplier


def lower_average_pool(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = input_and_output(graph, node)
    check_image(x)
    source, target = image_of(x), image_of(y)
    if node.operator == "GlobalAveragePool":
        sliding = Sliding((source.height, source.width))
        counted: NDArray[np.int64] = np.array([[source.height * source.width]])
    else:
        attributes = node.attributes
        top, left = attributes["pads"][:2]
        sliding = Sliding(attributes["kernel_shape"], attributes["strides"], (top, left), attributes["dilations"])
        counted = counted_taps(node, x)
    taps = sliding.kernel[0] * sliding.kernel[1]
    weights = diagonal_weights(np.ones((source.channels, *sliding.kernel), np.int8), chip)
    if taps > 2**23:
        raise Unsupported(f"it sums {taps} values, and its accumulators have 32 bits")
    bias = np.full(source.channels, -x.zero_point * taps, np.int32)
    return tuple(
        product(
            node,
            chip,
            source,
            target,
            sliding,
            weights,
            bias,
            np.broadcast_to(
                positive(mean_multiplier(counted[region.y, region.x], x, y), f"'{node.name}'"), (source.channels,)
            ),
            x,
            y,
            FULL,
            0,
            region,
        )
        for region in equal_regions(counted)
    )


def equal_regions(counted: NDArray[np.int64]) -> tuple[Rectangle, ...]:
    """Rectangles of equal count that make up all of `counted`: runs of equal rows, cut at runs of equal columns."""
    row_cuts = [0, *(np.flatnonzero((counted[1:] != counted[:-1]).any(axis=1)) + 1), counted.shape[0]]
    column_cuts = [0, *(np.flatnonzero((counted[:, 1:] != counted[:, :-1]).any(axis=0)) + 1), counted.shape[1]]
    return tuple(
        Rectangle(int(y), int(x), int(bottom - y), int(right - x))
        for y, bottom in pairwise(row_cuts)
        for x, right in pairwise(column_cuts)
    )


def lower_max_pool(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    if not chip.has("max_pool"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit max_pool")
    x, y = input_and_output(graph, node)
    check_image(x)
    attributes = node.attributes
    top, left = attributes["pads"][:2]
    sliding = Sliding(attributes["kernel_shape"], attributes["strides"], (top, left), attributes["dilations"])
    return (stream(node, image_of(x), image_of(y), sliding, FULL),)
