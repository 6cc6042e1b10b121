"""ConvTranspose: each phase of its strides is an ordinary convolution whose results lie `strides` apart."""

import math
from dataclasses import dataclass

import numpy as np

from lithify.chip import Chip
from lithify.compiler.lowering.node import COORDINATES, Unsupported, check_image, image_of
from lithify.compiler.lowering.products import dense_weights, diagonal_weights, fold, product, product_constants
from lithify.compiler.lowering.progressions import Progression
from lithify.compiler.lowering.rearrange import landed
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node


@dataclass(frozen=True)
class _Phase:
    """Results of one dimension that see the same taps.

    places: which; each is made from input index source + i on. taps: of the kernel, in the order of the input;
    dilation: between them in the input.
    """

    places: Progression
    taps: tuple[int, ...]
    dilation: int


def lower_conv_transpose(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A convolution for each pair of phases: sum[o] = x[i] * w[p] for all i * stride + p * dilation = o + pad."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    check_image(x)
    source, target = image_of(x), image_of(y)
    if max(target.height, target.width) > COORDINATES:
        size = max(target.height, target.width)
        raise Unsupported(f"its result is {size} pixels long, and coordinates end at {COORDINATES}")
    weights, bias, multiplier = product_constants(graph, node)
    attributes = node.attributes
    group, limits = attributes["group"], (attributes["minimum"], attributes["maximum"])
    macs = weights.size * source.height * source.width
    rows, columns = (
        _phases(size, taps, *(attributes[name][axis] for name in ("strides", "dilations", "pads")))
        for axis, (size, taps) in enumerate(zip((target.height, target.width), weights.shape[2:], strict=True))
    )
    operations = []
    for down in rows:
        for right in columns:
            # Where no tap falls there is the bias alone: one tap of weight 0.
            part = np.zeros((*weights.shape[:2], max(1, len(down.taps)), max(1, len(right.taps))), np.int8)
            if down.taps and right.taps:
                part[:] = weights[:, :, list(down.taps)][..., list(right.taps)]
            alone = group == source.channels == target.channels and group > 1
            dense = diagonal_weights(part[:, 0], chip) if alone else dense_weights(part, group)
            sliding = Sliding(
                part.shape[2:],
                (1, 1),
                (-down.places.source, -right.places.source),
                (down.dilation, right.dilation),
            )
            offset = fold(part, bias, x.zero_point)
            made = product(node, chip, source, target, sliding, dense, offset, multiplier, x, y, limits, macs)
            operations.append(landed(made, down.places, right.places))
    return tuple(operations)


def _phases(size: int, kernel: int, stride: int, dilation: int, pad: int) -> list[_Phase]:
    """The phases of one dimension with `size` results."""
    found = []
    for first in range(min(stride, size)):
        taps = [tap for tap in range(kernel) if (first + pad - tap * dilation) % stride == 0]
        sources = [(first + pad - tap * dilation) // stride for tap in taps]
        count = len(range(first, size, stride))
        places = Progression(first, stride if count > 1 else 1, count, sources[-1] if taps else 0, 1, ())
        found.append(_Phase(places, tuple(taps[::-1]), dilation // math.gcd(stride, dilation)))
    return found
