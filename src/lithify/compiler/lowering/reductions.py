"""ReduceMean, ReduceSum and ReduceMax: one window, or one product, over all that is reduced."""

import numpy as np

from lithify.chip import Chip
from lithify.compiler.lower import FULL, Unsupported, diagonal_weights, image_of, positive, product, stream
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node
from lithify.reference.pooling import mean_multiplier

LARGEST_SUM = 2**23
"""Values whose sum surely fits in an accumulator."""


def lower_reduction(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Over rows, columns or both; sums over channels too."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    axes = set(node.attributes["axes"])
    if len(x.shape) != 4 or 0 in axes:
        raise Unsupported("only the channels, rows and columns of an image are reduced on the chip")
    source, target = image_of(x), image_of(y)
    left = tuple(1 if axis in axes else size for axis, size in ((2, source.height), (3, source.width)))
    channels = 1 if 1 in axes else source.channels
    if (target.height, target.width, target.channels) != (*left, channels):
        raise Unsupported(f"its result of shape {y.shape} holds the values in another order than an image")
    sliding = Sliding((source.height if 2 in axes else 1, source.width if 3 in axes else 1))
    if node.operator == "ReduceMax":
        if 1 in axes:
            raise Unsupported("it takes the largest of the channels, and the chip compares pixels")
        if not chip.has("max_pool"):
            raise Unsupported(f"chip '{chip.name}' is built without the unit max_pool")
        return (stream(node, source, target, sliding, FULL),)
    taps = sliding.kernel[0] * sliding.kernel[1] * (source.channels if 1 in axes else 1)
    if taps > LARGEST_SUM:
        raise Unsupported(f"it sums {taps} values, and its accumulators have 32 bits")
    counted = np.array(taps if node.operator == "ReduceMean" else 1, np.int64)
    multiplier = np.broadcast_to(positive(mean_multiplier(counted, x, y), f"'{node.name}'"), (channels,))
    if 1 in axes:
        weights = np.ones((1, *sliding.kernel, source.channels), np.int8)
    else:
        weights = diagonal_weights(np.ones((source.channels, *sliding.kernel), np.int8), chip)
    bias = np.full(channels, -x.zero_point * taps, np.int32)
    return (product(node, chip, source, target, sliding, weights, bias, multiplier, x, y, FULL, 0),)
