"""Concat: along rows, columns or several dimensions each input fills its places; along channels one after the other."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import Rectangle
from lithify.compiler.lowering.identity import gathered
from lithify.compiler.lowering.movement import axes_of, plain
from lithify.compiler.lowering.node import Unsupported, image_of
from lithify.compiler.lowering.progressions import Progression, progressions
from lithify.compiler.lowering.rearrange import landed
from lithify.compiler.operation import Landing, Operation, Residual, Sliding
from lithify.reference.graph import Graph, Node


def lower_concat(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """An operation for each input, or more."""
    y = graph.tensors[node.outputs[0]]
    target = image_of(y)
    axis = axes_of(y).get(node.attributes["axis"]) if plain(y) else None
    if axis == "channels" or node.attributes["axis"] == (1 if len(y.shape) == 4 else len(y.shape) - 1):
        return _channels(graph, node, chip)
    if axis is None:
        return _stretches(graph, node, chip)
    operations, place = [], 0
    for name in node.inputs:
        source = image_of(graph.tensors[name])
        y_first, x_first = (place, 0) if axis == "height" else (0, place)
        region = Rectangle(y_first, x_first, source.height, source.width)
        same = np.arange(source.channels)
        operations.append(gathered(node, chip, source, target, same, Sliding(pads=(y_first, x_first)), 0, region))
        place += source.height if axis == "height" else source.width
    return tuple(operations)


def _stretches(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Rows or columns of the result go to the inputs in turn, in stretches."""
    y, axis = graph.tensors[node.outputs[0]], node.attributes["axis"]
    target = image_of(y)
    # Of four dimensions the second is the channels; the last of the others is. Columns of a batch stay whole.
    by_columns = len(y.shape) != 4 or axis == 3
    sizes = [y.shape[0], y.shape[2], y.shape[3]] if len(y.shape) == 4 else list(y.shape[:-1])
    axis = max(axis - 1, 0) if len(y.shape) == 4 else axis
    if len(y.shape) == 4 and not by_columns:
        sizes = sizes[:2]
    elif len(y.shape) == 4:
        sizes, axis = [sizes[2]], 0
    inner, total = math.prod(sizes[axis + 1 :]), sizes[axis]
    outer = math.prod(sizes[:axis])
    operations, offset = [], 0
    for name in node.inputs:
        source = image_of(graph.tensors[name])
        own = (source.width if by_columns else source.height) // (outer * inner)
        places = {
            (index * total + offset) * inner + part: (index * own * inner + part, ())
            for index in range(outer)
            for part in range(own * inner)
        }
        for run in progressions(places):
            whole = Progression(0, 1, source.height if by_columns else source.width, 0, 1, ())
            rows, columns = (whole, run) if by_columns else (run, whole)
            sliding = Sliding((1, 1), (rows.stride, columns.stride), (-rows.source, -columns.source))
            same = np.arange(source.channels)
            operations.append(landed(gathered(node, chip, source, target, same, sliding), rows, columns))
        offset += own
    return tuple(operations)


def _channels(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Each input in its own words where these are whole; else `_added`."""
    target = image_of(graph.tensors[node.outputs[0]])
    sources = [image_of(graph.tensors[name]) for name in node.inputs]
    firsts = list(accumulate((source.channels for source in sources), initial=0))
    if any(first % chip.word_bytes for first in firsts[:-1]):
        return _added(graph, node, chip)
    operations = []
    for source, first in zip(sources, firsts, strict=False):
        same = gathered(node, chip, source, target, np.arange(source.channels), Sliding())
        landing = Landing((0, 0), (1, 1), first // chip.word_bytes, source.channels)
        operations.append(replace(same, landing=landing))
    return tuple(operations)


def place_parts(
    graph: Graph, lowered: dict[str, tuple[Operation, ...]], aliases: Mapping[str, str], absorbed: set[str]
) -> list[str]:
    """Makes operations write right into the words that a Concat would copy their results to; the parts' tensors.

    Only what nothing else reads, and nothing is added to: a second tensor is read with the steps of the results.
    absorbed: nodes whose work others do; the makers join them.
    """
    makers = {name: node for node in graph.nodes for name in node.outputs}
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    kept = {*graph.outputs, *aliases, *aliases.values()}
    parts = []
    for node in graph.nodes:
        copies = lowered.get(node.name, ())
        if node.operator != "Concat" or node.name in absorbed or not all(copy.landing for copy in copies):
            continue
        before: list[Operation] = []
        left: list[Operation] = []
        for copy in copies:
            name = copy.x.name
            maker = makers.get(name)
            made = lowered.get(maker.name, ()) if maker is not None and maker.name not in absorbed else ()
            whole = copy.region == Rectangle(0, 0, copy.x.height, copy.x.width) and copy.excerpt is None
            steps = copy.landing.steps if copy.landing else None
            alike = copy.table is None and whole and steps == (1, 1) and copy.sliding == Sliding()
            if (
                not made
                or not alike
                or name in kept
                or readers[name] != 1
                or any(operation.residual or operation.program for operation in made if operation.y.name == name)
                or len(maker.outputs) != 1  # type: ignore[union-attr]
            ):
                left.append(copy)
                continue
            before += [_placed(operation, copy) if operation.y.name == name else operation for operation in made]
            absorbed.add(maker.name)  # type: ignore[union-attr]
            parts.append(name)
        lowered[node.name] = (*before, *left)
    return parts


def _placed(operation: Operation, copy: Operation) -> Operation:
    """An operation whose results land where a copy of them would."""
    assert copy.landing is not None
    region, own = operation.region, operation.landing
    if own is None:
        own = Landing((region.y, region.x), (1, 1), 0, copy.landing.channels)
        (down, right), (top, left) = operation.sliding.strides, operation.sliding.pads
        sliding = replace(operation.sliding, pads=(top - region.y * down, left - region.x * right))
        operation = replace(operation, sliding=sliding, region=Rectangle(0, 0, region.height, region.width))
    first = own.first[0] + copy.landing.first[0], own.first[1] + copy.landing.first[1]
    landing = replace(own, first=first, word=own.word + copy.landing.word)
    return replace(operation, y=copy.y, tensor=copy.tensor, landing=landing)


def _added(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
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
