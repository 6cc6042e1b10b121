"""Transpose, Expand, Tile, DepthToSpace, ResizeNearest, and every Pad and Slice: what moves where, by the reference.

The reference moves the numbers of the input's places; where they arrive is what the chip must do.
"""

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.lower import image_of
from lithify.compiler.lowering.rearrange import rearranged
from lithify.compiler.operation import Operation
from lithify.reference.definition import Operand
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import OPERATORS


def lower_moved(graph: Graph, node: Node, chip: Chip) -> tuple[Operation, ...]:
    """A node that moves the values of one tensor."""
    return lower_chain(graph, (node,), chip)


def lower_chain(graph: Graph, nodes: tuple[Node, ...], chip: Chip) -> tuple[Operation, ...]:
    """Nodes of which each moves the values of the one before; the operations are the last one's."""
    x, y = graph.tensors[nodes[0].inputs[0]], graph.tensors[nodes[-1].outputs[0]]
    source, target = image_of(x), image_of(y)
    return rearranged(nodes[-1], chip, source, target, _as_image(chain_places(graph, nodes), target))


def chain_places(graph: Graph, nodes: tuple[Node, ...]) -> NDArray[np.int64]:
    """In the shape of what the last node makes: where in the image that the first reads each value lies, row-major."""
    x = graph.tensors[nodes[0].inputs[0]]
    places = _as_tensor(np.arange(np.prod(x.shape), dtype=np.int64), x, image_of(x))
    for node in nodes:
        operand = Operand(graph.tensors[node.inputs[0]], places)
        (places,) = OPERATORS[node.operator].meaning(node, (operand,), tuple(graph.tensors[n] for n in node.outputs))
    return places


def _as_tensor(places: NDArray[np.int64], tensor: Tensor, image: Image) -> NDArray[np.int64]:
    """Numbers in the order of the image, in the shape of the tensor."""
    if len(tensor.shape) == 4:
        return places.reshape(1, image.height, image.width, image.channels).transpose(0, 3, 1, 2)
    return places.reshape(tensor.shape)


def _as_image(places: NDArray[np.int64], image: Image) -> NDArray[np.int64]:
    """[height, width, channels] of numbers in a tensor's shape."""
    if places.ndim == 4:
        places = places[0].transpose(1, 2, 0)
    return places.reshape(image.height, image.width, image.channels)
