"""ReduceMean, ReduceSum, ReduceMax and ReduceMin: one window, or one product, over all that is reduced."""

from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.lower import FULL, Unsupported, diagonal_weights, image_of, positive, product, stream
from lithify.compiler.lowering.identity import times
from lithify.compiler.lowering.movement import axes_of
from lithify.compiler.lowering.rearrange import rearranged
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node
from lithify.reference.pooling import mean_multiplier

LARGEST_SUM = 2**23
"""Values whose sum surely fits in an accumulator."""


def lower_reduction(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Over rows, columns, channels or several of them."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    dimensions = axes_of(x)
    if not set(node.attributes["axes"]) <= set(dimensions):
        raise Unsupported("it reduces several images to one, and the chip takes one")
    reduced = {dimensions[axis] for axis in node.attributes["axes"]}
    source, target = image_of(x), image_of(y)
    left = Image(
        target.name,
        1 if "height" in reduced else source.height,
        1 if "width" in reduced else source.width,
        1 if "channels" in reduced else source.channels,
    )
    if target != left:
        raise Unsupported(f"its result of shape {y.shape} holds the values in another order than an image")
    sliding = Sliding((source.height if "height" in reduced else 1, source.width if "width" in reduced else 1))
    if node.operator in ("ReduceMax", "ReduceMin"):
        return _extreme(node, chip, source, target, sliding)
    taps = sliding.kernel[0] * sliding.kernel[1] * (source.channels // target.channels)
    if taps > LARGEST_SUM:
        raise Unsupported(f"it sums {taps} values, and its accumulators have 32 bits")
    counted = np.array(taps if node.operator == "ReduceMean" else 1, np.int64)
    multiplier = np.broadcast_to(positive(mean_multiplier(counted, x, y), f"'{node.name}'"), (target.channels,))
    if "channels" in reduced:
        weights = np.ones((1, *sliding.kernel, source.channels), np.int8)
    else:
        weights = diagonal_weights(np.ones((source.channels, *sliding.kernel), np.int8), chip)
    bias = np.full(target.channels, -x.zero_point * taps, np.int32)
    return (product(node, chip, source, target, sliding, weights, bias, multiplier, x, y, FULL, 0),)


def _extreme(node: Node, chip: Chip, source: Image, target: Image, sliding: Sliding) -> tuple[Operation, ...]:
    """The largest under a window; the smallest as the largest of -1 - x, turned back. Channels become columns first."""
    if not chip.has("max_pool"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit max_pool")
    operations: list[Operation] = []
    image = source
    smallest = node.operator == "ReduceMin"

    def between(what: str, height: int, width: int, channels: int) -> Image:
        return Image(f"{target.name} ({what} of {node.name})", height, width, channels)

    if smallest:
        image = between("negatives", source.height, source.width, source.channels)
        operations.append(times(node, chip, source, image, -1, -1))
    if sliding.kernel != (1, 1):
        down, right = sliding.kernel
        # The rest of the dimensions stay: a window is as large as its dimension, or one.
        made = between("pixels", image.height if down == 1 else 1, image.width if right == 1 else 1, image.channels)
        operations.append(stream(node, image, made, sliding, FULL))
        image = made
    if target.channels < source.channels:
        columns = between("columns", image.height, image.width * image.channels, 1)
        places = np.arange(image.height * columns.width).reshape(image.height, columns.width, 1)
        operations += rearranged(node, chip, image, columns, places)
        window = Sliding((1, image.channels), (1, image.channels))
        image = between("channels", target.height, target.width, 1)
        operations.append(stream(node, columns, image, window, FULL))
    if smallest:
        operations.append(times(node, chip, image, target, -1, -1))
    if not operations:
        operations.append(times(node, chip, source, target, 1, 0))
    last = operations[-1]
    operations[-1] = replace(last, y=target, region=target.whole)
    return tuple(replace(operation, tensor=target.name) for operation in operations)
