"""Transpose, Expand, Tile, DepthToSpace, ResizeNearest, and every Pad and Slice: what moves where, by the reference.

The reference moves the numbers of the input's places; where they arrive is what the chip must do.
"""

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.lowering.node import image_of
from lithify.compiler.lowering.rearrange import rearranged
from lithify.compiler.operation import Operation
from lithify.reference.definition import Operand
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import OPERATORS

CONSTANTS = 256
"""More than any int8: numbers of places begin here, so that what is below is a constant between them."""


def lower_moved(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A node that moves the values of one tensor to one or more others, perhaps with a constant between them."""
    source = image_of(graph.tensors[node.inputs[0]])
    operations: list[Operation] = []
    for name, places in zip(node.outputs, _places(graph, (node,)), strict=True):
        target = image_of(graph.tensors[name])
        index = _as_image(places, target)
        constants = index[index < CONSTANTS]
        pad = int(constants[0]) if constants.size else 0
        operations += rearranged(node, chip, source, target, np.where(index < CONSTANTS, -1, index - CONSTANTS), pad)
    return tuple(operations)


def lower_chain(graph: Graph, nodes: tuple[Node, ...], chip: Chip) -> tuple[Operation, ...]:
    """Nodes of which each moves the values of the one before; the operations are the last one's."""
    x, y = graph.tensors[nodes[0].inputs[0]], graph.tensors[nodes[-1].outputs[0]]
    source, target = image_of(x), image_of(y)
    return rearranged(nodes[-1], chip, source, target, _as_image(chain_places(graph, nodes), target))


def chain_places(graph: Graph, nodes: tuple[Node, ...]) -> NDArray[np.int64]:
    """In the shape of what the last node makes: where in the image that the first reads each value lies, row-major."""
    (places,) = _places(graph, nodes)
    return places - CONSTANTS


def _places(graph: Graph, nodes: tuple[Node, ...]) -> tuple[NDArray[np.int64], ...]:
    """For each output of the last node the places of its values, from CONSTANTS on."""
    x = graph.tensors[nodes[0].inputs[0]]
    numbers = CONSTANTS + np.arange(np.prod(x.shape), dtype=np.int64)
    moved: tuple[NDArray[np.int64], ...] = (_as_tensor(numbers, x, image_of(x)),)
    for node in nodes:
        operand = Operand(graph.tensors[node.inputs[0]], moved[0])
        moved = OPERATORS[node.operator].meaning(node, (operand,), tuple(graph.tensors[n] for n in node.outputs))
    return moved


def _as_tensor(places: NDArray[np.int64], tensor: Tensor, image: Image) -> NDArray[np.int64]:
    """Numbers in the order of the image, in the shape of the tensor."""
    if len(tensor.shape) == 4:
        batch, channels, height, width = tensor.shape
        return places.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
    return places.reshape(tensor.shape)


def _as_image(places: NDArray[np.int64], image: Image) -> NDArray[np.int64]:
    """[height, width, channels] of numbers in a tensor's shape."""
    if places.ndim == 4:
        places = places.transpose(0, 2, 3, 1)
    return places.reshape(image.height, image.width, image.channels)
