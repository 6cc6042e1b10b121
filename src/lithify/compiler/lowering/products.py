"""Conv and Gemm: products of images with constant weights."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.node import (
    COUNT,
    Unsupported,
    check_image,
    constant,
    image_of,
    input_and_output,
    positive,
)
from lithify.compiler.operation import Operation, Parameters, Sliding
from lithify.reference.arithmetic import product_multiplier
from lithify.reference.graph import Graph, Node, Tensor


def fold(weights: NDArray[np.int8], bias: NDArray[np.int32], zero_point: int) -> NDArray[np.int32]:
    """bias - zero_point * sum(weights), int32 as the accumulators wrap. weights: [outputs, ...]."""
    sums = weights.reshape(weights.shape[0], -1).sum(axis=1, dtype=np.int64)
    wrapped: NDArray[np.int32] = (
        (bias.astype(np.int64) - zero_point * sums).astype(np.uint64).astype(np.uint32).view(np.int32)
    )
    return wrapped


def product_constants(graph: Graph, node: Node) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float32]]:
    """Weights, bias and multipliers of a Conv, ConvTranspose or Gemm; [outputs, ...] each."""
    x, y = input_and_output(graph, node)
    weights = constant(graph, node, 1)
    bias = constant(graph, node, 2) if node.inputs[2] else np.zeros(weights.shape[0], np.int32)
    multiplier = product_multiplier(x, graph.tensors[node.inputs[1]], y)
    whole = np.broadcast_to(positive(multiplier, f"'{node.name}'"), (weights.shape[0],))
    return weights, bias, whole


def lower_conv(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = input_and_output(graph, node)
    check_image(x)
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


def lower_gemm(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = input_and_output(graph, node)
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
