"""Clip and Add: values that pass through the post-processing alone."""

from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.lowering.node import FULL, Unsupported, image_of, input_and_output, positive
from lithify.compiler.lowering.products import diagonal_weights, product
from lithify.compiler.operation import Operation, Residual, Sliding
from lithify.reference.arithmetic import scale_of
from lithify.reference.graph import Graph, Node, Tensor


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


def lower_clip(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = input_and_output(graph, node)
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


def lower_add(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    x, y = input_and_output(graph, node)
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
