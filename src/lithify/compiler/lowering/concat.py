"""Concat: along rows or columns each input fills its region; along channels inputs are placed one after the other."""

from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Rectangle
from lithify.compiler.lower import Unsupported, image_of
from lithify.compiler.lowering.identity import gathered
from lithify.compiler.lowering.movement import axes_of
from lithify.compiler.operation import Operation, Residual, Sliding
from lithify.reference.graph import Graph, Node


def lower_concat(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """An operation for each input."""
    target = image_of(graph.tensors[node.outputs[0]])
    axis = axes_of(graph.tensors[node.outputs[0]]).get(node.attributes["axis"])
    if axis is None:
        raise Unsupported("it joins several images, and the chip takes one")
    if axis == "channels":
        return _channels(graph, node, chip)
    operations, place = [], 0
    for name in node.inputs:
        source = image_of(graph.tensors[name])
        y, x = (place, 0) if axis == "height" else (0, place)
        region = Rectangle(y, x, source.height, source.width)
        same = np.arange(source.channels)
        operations.append(gathered(node, chip, source, target, same, Sliding(pads=(y, x)), 0, region))
        place += source.height if axis == "height" else source.width
    return tuple(operations)


def _channels(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Each input in its channels with zeros in the others, added to what was placed before: disjoint, so exact."""
    target = image_of(graph.tensors[node.outputs[0]])
    if len(node.inputs) > 1 and not chip.has("add"):
        raise Unsupported(f"chip '{chip.name}' is built without the unit add")
    operations: list[Operation] = []
    place = 0
    for number, name in enumerate(node.inputs):
        source = image_of(graph.tensors[name])
        channels = np.arange(target.channels) - place
        channels[(channels < 0) | (channels >= source.channels)] = -1
        last = number == len(node.inputs) - 1
        made = target if last else replace(target, name=f"{target.name} (first {number + 1} of {node.name})")
        operation = replace(gathered(node, chip, source, made, channels, Sliding()), tensor=target.name)
        if operations:
            before = operations[-1].y.name
            operation = replace(operation, residual=Residual(before, 0, 0, 0, -128, 127, 1.0, 1.0))
        operations.append(operation)
        place += source.channels
    return tuple(operations)
