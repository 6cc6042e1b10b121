"""Slice, Split, Pad and SpaceToDepth: each result is one value of a window, taken by a product with 1."""

from collections.abc import Sequence

import numpy as np

from lithify.chip import Chip
from lithify.compiler.lowering.identity import gathered
from lithify.compiler.lowering.moved import lower_moved
from lithify.compiler.lowering.node import Unsupported, image_of
from lithify.compiler.operation import Operation, Sliding
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.pieces import ranges

AXES = {
    4: {1: "channels", 2: "height", 3: "width"},
    2: {0: "width", 1: "channels"},
    1: {0: "channels"},
}
"""What the dimensions of a tensor are in its image (`image_shape`), by its rank."""


def plain(tensor: Tensor) -> bool:
    """Whether each dimension of a tensor is one of its image's, or of size 1."""
    return len(tensor.shape) in AXES and (len(tensor.shape) < 4 or tensor.shape[0] == 1)


def axes_of(tensor: Tensor) -> dict[int, str]:
    """What each dimension of a `plain` tensor is in its image."""
    return AXES[len(tensor.shape)]


def lower_slice(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """Any channels in any order, and rows and columns forwards, are one product."""
    x = graph.tensors[node.inputs[0]]
    taken = ranges(node, x.shape)
    if not plain(x) or any(len(part) > 1 and part.step < 0 for part in _pixels(x, taken)):
        return lower_moved(graph, node, chip)
    return (_taken(graph, node, chip, x, taken, node.outputs[0]),)


def lower_split(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A Slice for each output."""
    x, axis = graph.tensors[node.inputs[0]], node.attributes["axis"]
    if not plain(x):
        return lower_moved(graph, node, chip)
    operations, start = [], 0
    for name, size in zip(node.outputs, node.attributes["split"], strict=True):
        taken = [range(start, start + size) if place == axis else range(n) for place, n in enumerate(x.shape)]
        operations.append(_taken(graph, node, chip, x, taken, name))
        start += size
    return tuple(operations)


def _pixels(x: Tensor, taken: Sequence[range]) -> list[range]:
    """What is taken of rows and columns."""
    return [taken[axis] for axis, what in axes_of(x).items() if what != "channels"]


def _taken(graph: Graph, node: Node, chip: Chip, x: Tensor, taken: Sequence[range], output: str) -> Operation:
    of = {what: taken[axis] for axis, what in axes_of(x).items()}
    strides, starts = [], []
    for what in ("height", "width"):
        part = of.get(what, range(1))
        strides.append(part.step if len(part) > 1 else 1)
        starts.append(-part[0])
    sliding = Sliding((1, 1), (strides[0], strides[1]), (starts[0], starts[1]))
    channels = np.array(of["channels"], np.int64)
    return gathered(node, chip, image_of(x), image_of(graph.tensors[output]), channels, sliding)


def lower_pad(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A constant: coordinates outside read as it, and a channel outside is a bias. Else values of the image move."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    if node.attributes["mode"] != "constant" or not (plain(x) and plain(y)):
        return lower_moved(graph, node, chip)
    value = x.zero_point + node.attributes["value"]
    if not -128 <= value <= 127:
        raise Unsupported(f"it pads with {value}, which is no int8")
    before = {what: node.attributes["pads"][axis] for axis, what in axes_of(x).items()}
    source, target = image_of(x), image_of(y)
    channels = np.arange(target.channels) - before["channels"]
    channels[(channels < 0) | (channels >= source.channels)] = -1
    sliding = Sliding((1, 1), (1, 1), (before.get("height", 0), before.get("width", 0)))
    return (gathered(node, chip, source, target, channels, sliding, value),)


def lower_space_to_depth(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A kernel of the size of a block, whose every value becomes a channel."""
    if not plain(graph.tensors[node.inputs[0]]):
        return lower_moved(graph, node, chip)
    source, target = (image_of(graph.tensors[name]) for name in (node.inputs[0], node.outputs[0]))
    block = node.attributes["blocksize"]
    return (gathered(node, chip, source, target, np.arange(target.channels), Sliding((block, block), (block, block))),)
