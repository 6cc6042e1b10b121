"""ReduceMean, ReduceSum, ReduceMax and ReduceMin: one window, or one product, over all that is reduced."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.lowering.batch import each_image, one_image
from lithify.compiler.lowering.identity import times
from lithify.compiler.lowering.node import FULL, Unsupported, image_of, positive
from lithify.compiler.lowering.products import diagonal_weights, product
from lithify.compiler.lowering.progressions import Progression
from lithify.compiler.lowering.rearrange import landed, rearranged
from lithify.compiler.lowering.streams import stream
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.pooling import mean_multiplier

LARGEST_SUM = 2**23
"""Values whose sum surely fits in an accumulator."""


@dataclass(frozen=True, eq=False)
class _Windows:
    """How the pixels of an image are reduced.

    windows: each with the columns of the result that it makes; made: the result, as an image that keeps its channels.
    channels: whether these are reduced, too. order: [height, width, channels] of the node's result, where in the
    reduced image each of its values is, row-major.
    """

    windows: tuple[tuple[Sliding, Progression], ...]
    made: Image
    channels: bool
    order: NDArray[np.int64]


def lower_reduction(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Pixels, channels or both, and the result in the order of its image."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    if len(x.shape) == 4 and x.shape[0] > 1:
        return _of_batch(graph, node, chip)
    source, target = image_of(x), image_of(y)
    how = _of_image(x, y, node) if len(x.shape) == 4 else _of_rows(x, y, node)
    made = replace(how.made, channels=1) if how.channels else how.made
    sorted_already = (how.order.ravel() == np.arange(how.order.size)).all()
    if sorted_already and (made.height, made.width, made.channels) == (target.height, target.width, target.channels):
        result = target
    else:
        result = replace(made, name=f"{target.name} (in order of {node.name})")
    if node.operator in ("ReduceMax", "ReduceMin"):
        operations = _extreme(node, chip, source, result, how)
    else:
        operations = _sum(node, chip, source, result, how, x, y)
    if result is not target:
        operations += rearranged(node, chip, result, target, how.order)
    return tuple(replace(operation, tensor=target.name) for operation in operations)


def _of_batch(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Each image by itself; without the dimensions that are reduced the results lie in another order."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    axes = node.attributes["axes"]
    if 0 in axes:
        raise Unsupported("it reduces several images to one, and the chip takes one at a time")
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    kept = y if y.shape == shape else replace(y, name=f"{y.name} (images of {node.name})", shape=shape)
    seen = replace(node, outputs=(kept.name,), attributes={**node.attributes, "keepdims": 1})
    with_kept = replace(graph, tensors={**graph.tensors, kept.name: kept})
    operations = lower_reduction(one_image(with_kept, seen), seen, chip)
    operations = each_image(with_kept, seen, chip, operations)
    if kept is not y:
        image = image_of(kept)
        places = np.arange(image.height * image.width * image.channels)
        planes = places.reshape(shape[0], *shape[2:], shape[1]).transpose(0, 3, 1, 2)
        operations += rearranged(node, chip, image, image_of(y), _in_order(planes, y))
    return tuple(replace(operation, tensor=y.name) for operation in operations)


def _of_image(x: Tensor, y: Tensor, node: Node) -> _Windows:
    """Rows and columns under one window."""
    image, axes = image_of(x), set(node.attributes["axes"])
    kernel = image.height if 2 in axes else 1, image.width if 3 in axes else 1
    made = Image("", image.height // kernel[0], image.width // kernel[1], image.channels)
    left = 1 if 1 in axes else image.channels
    places = np.arange(made.height * made.width * left).reshape(made.height, made.width, left)
    whole = Progression(0, 1, made.width, 0, 1, ())
    return _Windows(((Sliding(kernel), whole),), made, 1 in axes, _in_order(places.transpose(2, 0, 1), y))


def _of_rows(x: Tensor, y: Tensor, node: Node) -> _Windows:
    """The last dimension is the channels; neighbours among the others are one window along the only row."""
    *sizes, channels = x.shape
    reduced = sorted(axis for axis in node.attributes["axes"] if axis < len(sizes) and sizes[axis] > 1)
    first, end = (reduced[0], reduced[-1] + 1) if reduced else (0, 0)
    if any(axis not in reduced and sizes[axis] > 1 for axis in range(first, end)):
        raise Unsupported(f"it reduces the dimensions {tuple(reduced)}, and the chip takes neighbours at once")
    outer, run, inner = math.prod(sizes[:first]), math.prod(sizes[first:end]), math.prod(sizes[end:])
    windows: tuple[tuple[Sliding, Progression], ...]
    if inner == 1:
        windows = ((Sliding((1, run), (1, run)), Progression(0, 1, outer, 0, 1, ())),)
    else:
        windows = tuple(
            (
                Sliding((1, run), (1, 1), (0, -index * run * inner), (1, inner)),
                Progression(index * inner, 1, inner, 0, 1, ()),
            )
            for index in range(outer)
        )
    last = len(sizes) in node.attributes["axes"]
    places = np.arange(outer * inner * (1 if last else channels))
    return _Windows(windows, Image("", 1, outer * inner, channels), last, _in_order(places, y))


def _in_order(places: NDArray[np.int64], y: Tensor) -> NDArray[np.int64]:
    """Numbers in the order of the tensor's values, in the order of its image."""
    image = image_of(y)
    tensor = places.reshape(y.shape)
    if len(y.shape) == 4:
        tensor = tensor.transpose(0, 2, 3, 1)
    return tensor.reshape(image.height, image.width, image.channels)


def _sum(
    node: Node, chip: Chip, source: Image, result: Image, how: _Windows, x: Tensor, y: Tensor
) -> tuple[Operation, ...]:
    taps = math.prod(how.windows[0][0].kernel) * (source.channels if how.channels else 1)
    if taps > LARGEST_SUM:
        raise Unsupported(f"it sums {taps} values, and its accumulators have 32 bits")
    counted = np.array(taps if node.operator == "ReduceMean" else 1, np.int64)
    multiplier = np.broadcast_to(positive(mean_multiplier(counted, x, y), f"'{node.name}'"), (result.channels,))
    bias = np.full(result.channels, -x.zero_point * taps, np.int32)
    operations = []
    for sliding, columns in how.windows:
        if how.channels:
            weights = np.ones((1, *sliding.kernel, source.channels), np.int8)
        else:
            weights = diagonal_weights(np.ones((source.channels, *sliding.kernel), np.int8), chip)
        made = product(node, chip, source, result, sliding, weights, bias, multiplier, x, y, FULL, 0)
        operations.append(_columns(made, columns))
    return tuple(operations)


def _columns(made: Operation, columns: Progression) -> Operation:
    return landed(made, Progression(0, 1, made.y.height, 0, 1, ()), columns)


def _extreme(node: Node, chip: Chip, source: Image, result: Image, how: _Windows) -> tuple[Operation, ...]:
    """The largest under a window; the smallest as the largest of -1 - x, turned back. Channels become columns first."""
    if not chip.has("max_pool"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit max_pool")
    words = max(math.prod(sliding.kernel) for sliding, _ in how.windows) * source.pixel_words(chip.word_bytes)
    if words > chip.words // 2:
        raise Unsupported(f"it compares {words} words at once, and the scratchpad of '{chip.name}' has {chip.words}")
    image = source
    stages: list[tuple[Operation, ...]] = []

    def between(what: str, like: Image) -> Image:
        return replace(like, name=f"{result.name} ({what} of {node.name})")

    smallest = node.operator == "ReduceMin"
    if smallest:
        image = between("negatives", source)
        stages.append((times(node, chip, source, image, -1, -1),))
    if any(math.prod(sliding.kernel) > 1 for sliding, _ in how.windows) or not (smallest or how.channels):
        made = between("pixels", how.made)
        stages.append(tuple(_columns(stream(node, image, made, sliding, FULL), part) for sliding, part in how.windows))
        image = made
    if how.channels:
        columns = between("columns", Image("", image.height, image.width * image.channels, 1))
        places = np.arange(image.height * columns.width).reshape(image.height, columns.width, 1)
        stages.append(rearranged(node, chip, image, columns, places))
        window = Sliding((1, image.channels), (1, image.channels))
        image = between("channels", replace(result, channels=1))
        stages.append((stream(node, columns, image, window, FULL),))
    if smallest:
        stages.append((times(node, chip, image, result, -1, -1),))
    # What the last stage makes is the result.
    stages[-1] = tuple(replace(operation, y=result) for operation in stages[-1])
    return tuple(operation for stage in stages for operation in stage)
