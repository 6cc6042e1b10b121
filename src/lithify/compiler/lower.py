"""Lower: each quantised node becomes chip operations, or a reason why the chip cannot run it.

Nothing here knows of tiles, memories or addresses. Every number is the reference's own expression, so that what the
chip computes is the reference's result bit for bit.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle, image_shape
from lithify.compiler.operation import Operation, Parameters, Residual, Sliding
from lithify.reference.arithmetic import product_multiplier, scale_of
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.pooling import counted_taps, mean_multiplier

COORDINATES = 32767
"""Largest coordinate that the signed 16-bit arithmetic of the address generators reaches."""
STEP = 65535
COUNT = 255
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
FULL = (-128, 127)


class Unsupported(Exception):
    """Why the chip cannot run a node, in words that complete "runs on the host because ..."."""


def lower(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """The operations of a node that is no conversion and no Host; raises Unsupported."""
    rules = {
        "Conv": _conv,
        "Gemm": _gemm,
        "Add": _add,
        "MaxPool": _max_pool,
        "AveragePool": _average_pool,
        "GlobalAveragePool": _average_pool,
        "Clip": _clip,
    }
    if node.operator not in rules:
        raise Unsupported(f"the chip has no unit for {node.operator}")
    x = graph.tensors[node.inputs[0]]
    if node.operator in ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool") and len(x.shape) == 3:
        raise Unsupported(f"'{x.name}' is a sequence of shape {x.shape}, and the chip slides windows over images")
    operations: tuple[Operation, ...] = rules[node.operator](graph, node, chip)
    return operations


def image_of(tensor: Tensor) -> Image:
    """The image of a tensor; several images lie one under the other."""
    return Image(tensor.name, *image_shape(tensor.shape))


def check_fields(operation: Operation, chip: Chip) -> None:
    """Raises Unsupported for what the fields of an instruction cannot hold however it is tiled."""
    sliding = operation.sliding
    results = operation.results
    rows, columns = (results.width, results.height) if sliding.turned else (results.height, results.width)
    for axis, (size, places) in enumerate(((operation.x.height, rows), (operation.x.width, columns))):
        span = (sliding.kernel[axis] - 1) * sliding.dilations[axis] + 1
        reach = (places - 1) * sliding.strides[axis] + span + operation.cut[axis] * sliding.dilations[axis]
        if max(size, reach, sliding.pads[axis]) > COORDINATES:
            raise Unsupported(f"its windows reach {max(size, reach)} pixels, and coordinates end at {COORDINATES}")
    if operation.unit != "stream" and max(operation.passes) > COUNT:
        raise Unsupported(f"its kernel of {sliding.kernel[0]}x{sliding.kernel[1]} needs more than {COUNT} passes")
    if operation.unit == "stream" and max(sliding.kernel) > COUNT:
        raise Unsupported(f"its window of {sliding.kernel[0]}x{sliding.kernel[1]} is larger than {COUNT} taps a side")
    for image in (operation.x, operation.y):
        if image.pixel_words(chip.word_bytes) > STEP:
            raise Unsupported(f"'{image.name}' has {image.channels} channels, and a pixel holds at most {STEP} words")


def positive(values: NDArray[Any], what: str) -> NDArray[np.float32]:
    """The values if the post-processing lanes can multiply with them."""
    array = np.asarray(values, dtype=np.float32)
    if array.min() < SMALLEST_NORMAL:
        raise Unsupported(f"the multiplier of {what} is {array.min():g}, below the smallest normal float32")
    return array


def _inputs(graph: Graph, node: Node) -> tuple[Tensor, Tensor]:
    return graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]


def _constant(graph: Graph, node: Node, index: int) -> NDArray[Any]:
    name = node.inputs[index]
    if name not in graph.constants:
        raise Unsupported(f"'{name}' is no constant")
    return graph.constants[name]


def fold(weights: NDArray[np.int8], bias: NDArray[np.int32], zero_point: int) -> NDArray[np.int32]:
    """bias - zero_point * sum(weights), int32 as the accumulators wrap. weights: [outputs, ...]."""
    sums = weights.reshape(weights.shape[0], -1).sum(axis=1, dtype=np.int64)
    wrapped: NDArray[np.int32] = (
        (bias.astype(np.int64) - zero_point * sums).astype(np.uint64).astype(np.uint32).view(np.int32)
    )
    return wrapped


def product_constants(graph: Graph, node: Node) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float32]]:
    """Weights, bias and multipliers of a Conv, ConvTranspose or Gemm; [outputs, ...] each."""
    x, y = _inputs(graph, node)
    weights = _constant(graph, node, 1)
    bias = _constant(graph, node, 2) if node.inputs[2] else np.zeros(weights.shape[0], np.int32)
    multiplier = product_multiplier(x, graph.tensors[node.inputs[1]], y)
    whole = np.broadcast_to(positive(multiplier, f"'{node.name}'"), (weights.shape[0],))
    return weights, bias, whole


def _conv(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = _inputs(graph, node)
    source, target = image_of(x), image_of(y)
    weights, bias, multiplier = product_constants(graph, node)
    bias = fold(weights, bias, x.zero_point)
    group = node.attributes["group"]
    top, left = node.attributes["pads"][:2]
    sliding = Sliding(
        (weights.shape[2], weights.shape[3]), node.attributes["strides"], (top, left), node.attributes["dilations"]
    )
    limits = node.attributes["minimum"], node.attributes["maximum"]
    macs = weights.size * target.height * target.width
    alone = group == source.channels == target.channels and group > 1
    dense = diagonal_weights(weights[:, 0], chip) if alone else dense_weights(weights, group)
    return (product(node, chip, source, target, sliding, dense, bias, multiplier, x, y, limits, macs),)


def diagonal_weights(weights: NDArray[np.int8], chip: Chip) -> NDArray[np.int8]:
    """[channels, h, w] as they are where a word's channels can be handled alone, else dense [channels, h, w, channels].

    The depthwise unit can, and an array as wide as a word; a wider one would read words behind a pixel's last.
    """
    if chip.has("depthwise") or chip.column_words == 1:
        return weights
    return dense_weights(weights[:, None], weights.shape[0])


def dense_weights(weights: NDArray[np.int8], group: int) -> NDArray[np.int8]:
    """[outputs, inputs / group, h, w] -> [outputs, h, w, inputs]: zero where an output does not see an input."""
    outputs, per_group, height, width = weights.shape
    dense = np.zeros((outputs, height, width, per_group * group), np.int8)
    each = outputs // group
    for index in range(group):
        rows = slice(index * each, (index + 1) * each)
        dense[rows, :, :, index * per_group : (index + 1) * per_group] = weights[rows].transpose(0, 2, 3, 1)
    return dense


def _gemm(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = _inputs(graph, node)
    weights, bias, multiplier = product_constants(graph, node)
    bias = fold(weights, bias, x.zero_point)
    limits = node.attributes["minimum"], node.attributes["maximum"]
    source, target = image_of(x), image_of(y)
    if len(x.shape) == 4:
        raise Unsupported(f"'{x.name}' has 4 dimensions, and the last is not the channels of an image")
    macs = weights.size * target.width
    dense = weights.reshape(weights.shape[0], 1, 1, -1)
    return (product(node, chip, source, target, Sliding(), dense, bias, multiplier, x, y, limits, macs),)


def flattened_gemm(gemm: Operation, tensor: Tensor) -> Operation:
    """A Gemm over one row that is a flattened tensor, as a convolution whose kernel is the tensor's whole image."""
    assert gemm.parameters is not None
    weights = gemm.parameters.weights.reshape(gemm.parameters.weights.shape[0], *tensor.shape)
    if len(tensor.shape) == 4:
        weights = weights.transpose(0, 1, 3, 4, 2)
    return over_image(gemm, image_of(tensor), weights)


def over_image(gemm: Operation, image: Image, weights: NDArray[np.int8]) -> Operation:
    """A Gemm over one row as a convolution whose kernel is a whole image; weights: [outputs, rows, columns, channels],
    or any shape that holds them in this order.
    """
    assert gemm.parameters is not None
    shaped = weights.reshape(weights.shape[0], image.height, image.width, image.channels)
    parameters = replace(gemm.parameters, weights=np.ascontiguousarray(shaped))
    return replace(gemm, x=image, sliding=Sliding((image.height, image.width)), parameters=parameters)


def product(
    node: Node,
    chip: Chip,
    source: Image,
    target: Image,
    sliding: Sliding,
    weights: NDArray[np.int8],
    bias: NDArray[np.int32],
    multiplier: NDArray[np.float32],
    x: Tensor,
    y: Tensor,
    limits: tuple[int, int],
    macs: int,
    region: Rectangle | None = None,
) -> Operation:
    """weights: as in `Parameters`."""
    depthwise = weights.ndim == 3 and chip.has("depthwise")
    region = region or target.whole
    cut = depthwise_cut(sliding, chip.rows, region.positions, chip.rows // chip.weight_ports) if depthwise else (1, 1)
    return Operation(
        node.name,
        node.operator,
        "depthwise" if depthwise else "conv",
        source,
        target,
        region,
        sliding,
        cut,
        x.zero_point,
        y.zero_point,
        *limits,
        Parameters(np.ascontiguousarray(weights), bias, np.ascontiguousarray(multiplier)),
        None,
        macs,
        target.name,
    )


def depthwise_cut(sliding: Sliding, rows: int, positions: int = COUNT, weights: int = 0) -> tuple[int, int]:
    """Taps (height, width) that one pass takes, at most `rows`: the cut that takes the fewest cycles.

    A pass reads words for each of the `positions`, and meanwhile `weights` words of the next one's weights. Window
    columns that the left neighbour left in the shift register are not read again; among equals the fewest passes.
    """
    kernel_height, kernel_width = sliding.kernel
    stride, dilation = sliding.strides[1], sliding.dilations[1]
    best: tuple[tuple[int, int, int], tuple[int, int]] | None = None
    for width in range(1, min(kernel_width, rows, COUNT) + 1):
        fresh = stride // dilation if stride and stride % dilation == 0 and stride // dilation < width else width
        for height in range(1, min(kernel_height, rows // width, COUNT) + 1):
            passes = -(-kernel_height // height) * -(-kernel_width // width)
            cost = (passes * max(positions * height * fresh, weights), passes, height)
            if best is None or cost < best[0]:
                best = cost, (height, width)
    assert best is not None
    return best[1]


def _average_pool(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = _inputs(graph, node)
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


def copied(node: Node, chip: Chip, source: Image, target: Image, zero_point: int, limits: tuple[int, int]) -> Operation:
    """The values of `source` clamped to `limits`: a stream, or where no such unit is built a product with 1."""
    if chip.streams:
        return stream(node, source, target, Sliding(), limits)
    weights = diagonal_weights(np.ones((source.channels, 1, 1), np.int8), chip)
    ones = np.ones(source.channels, np.float32)
    bias = np.full(source.channels, -zero_point, np.int32)
    tensor = Tensor(source.name, (), "int8", None, zero_point)
    return product(node, chip, source, target, Sliding(), weights, bias, ones, tensor, tensor, limits, 0)


def stream(node: Node, source: Image, target: Image, sliding: Sliding, limits: tuple[int, int]) -> Operation:
    return Operation(
        node.name,
        node.operator,
        "stream",
        source,
        target,
        target.whole,
        sliding,
        sliding.kernel,
        -128,
        0,
        *limits,
        None,
        None,
        0,
        target.name,
    )


def _max_pool(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    if not chip.has("max_pool"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit max_pool")
    x, y = _inputs(graph, node)
    attributes = node.attributes
    top, left = attributes["pads"][:2]
    sliding = Sliding(attributes["kernel_shape"], attributes["strides"], (top, left), attributes["dilations"])
    return (stream(node, image_of(x), image_of(y), sliding, FULL),)


def _clip(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = _inputs(graph, node)
    limits = node.attributes["minimum"], node.attributes["maximum"]
    return (copied(node, chip, image_of(x), image_of(y), x.zero_point, limits),)


def residual_of(graph: Graph, node: Node, chip: Chip, first: int) -> Residual:
    """The addition of an Add whose operand `first` (0 or 1) is the result it is added to; raises Unsupported."""
    if not chip.has("add"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit add")
    a, b = graph.tensors[node.inputs[first]], graph.tensors[node.inputs[1 - first]]
    y = graph.tensors[node.outputs[0]]
    broadcast = a.shape != b.shape
    if a.shape != y.shape or (broadcast and image_of(b) != Image(b.name, 1, 1, image_of(a).channels)):
        raise Unsupported(f"its operands have different shapes, {a.shape} and {b.shape}")
    with np.errstate(over="ignore"):
        a_multiplier, b_multiplier = (
            float(positive(np.divide(scale_of(t), scale_of(y)), f"'{t.name}'")) for t in (a, b)
        )
    if not np.isfinite(a_multiplier) or not np.isfinite(b_multiplier):
        raise Unsupported("the ratio of its scales leaves float32")
    limits = node.attributes["minimum"], node.attributes["maximum"]
    zero_points = a.zero_point, b.zero_point, y.zero_point
    return Residual(b.name, *zero_points, *limits, a_multiplier, b_multiplier, broadcast=broadcast)


def _add(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = _inputs(graph, node)
    residual = residual_of(graph, node, chip, 0)
    main = copied(node, chip, image_of(x), image_of(y), x.zero_point, FULL)
    if node.inputs[0] != node.inputs[1]:
        return (replace(main, residual=residual),)
    # The array and the residual port may not read the same bank: one of them reads a copy. It holds the tensor's own
    # values, and its results are traced as the tensor's.
    copy = replace(image_of(x), name=f"{x.name} (copy for {node.name})")
    return (
        replace(copied(node, chip, image_of(x), copy, x.zero_point, FULL), operator="Copy", tensor=x.name),
        replace(main, x=copy, residual=residual),
    )
