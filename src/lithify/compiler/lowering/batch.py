"""Batches: several images lie one under the other, and what slides a window does so on each by itself."""

from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.node import Unsupported, image_of
from lithify.compiler.operation import Excerpt, Landing, Operation
from lithify.reference.graph import Graph, Node, Tensor

MOST_IMAGES = 64
"""Images of a batch, each of which takes operations of its own."""
WINDOWS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "ResizeLinear")
"""Operators whose windows must not reach from one image into the next."""


def batch_of(graph: Graph, node: Node) -> int:
    """Images that a window slides over, one at a time; 1 where there is no window or no batch."""
    shape = graph.tensors[node.inputs[0]].shape
    return shape[0] if node.operator in WINDOWS and len(shape) == 4 else 1


def one_image(graph: Graph, node: Node) -> Graph:
    """The graph as it would be if the node read and made one image."""
    changed = dict(graph.tensors)
    for name in (node.inputs[0], *node.outputs):
        changed[name] = _first(graph.tensors[name])
    return replace(graph, tensors=changed)


def _first(tensor: Tensor) -> Tensor:
    return replace(tensor, shape=(1, *tensor.shape[1:]))


def each_image(graph: Graph, node: Node, chip: Chip, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """The operations of one image, for all images of the batch.

    Each for every image before the next: what is made on the way is traced as a part of the result, in the rows of the
    first image, and the last operations write over all of that.
    """
    count = graph.tensors[node.inputs[0]].shape[0]
    if count > MOST_IMAGES:
        raise Unsupported(f"it takes {count} images at once, and the chip at most {MOST_IMAGES}")
    source, target = (image_of(graph.tensors[name]) for name in (node.inputs[0], node.outputs[0]))
    return tuple(
        _of_image(operation, number, source, target, count) for operation in operations for number in range(count)
    )


def _of_image(operation: Operation, number: int, source: Image, target: Image, count: int) -> Operation:
    """An operation as that of one image. What lies between its operations has a name for each."""

    def own(image: Image) -> Image:
        return replace(image, name=f"{image.name} (image {number + 1})")

    if operation.x.name == source.name:
        operation = replace(operation, excerpt=Excerpt(number * (source.height // count)))
    else:
        operation = replace(operation, x=own(operation.x))
    if operation.y.name != target.name:
        return replace(operation, y=own(operation.y))
    first_row = number * (target.height // count)
    region = operation.region
    landing = operation.landing or Landing((region.y, region.x), (1, 1), 0, target.channels)
    moved = replace(landing, first=(landing.first[0] + first_row, landing.first[1]))
    if operation.landing is None:
        # Positions count from the region's first, which the window's start must then do as well.
        (down, right), (top, left) = operation.sliding.strides, operation.sliding.pads
        sliding = replace(operation.sliding, pads=(top - region.y * down, left - region.x * right))
        operation = replace(operation, sliding=sliding, region=Rectangle(0, 0, region.height, region.width))
    return replace(operation, y=target, landing=moved)
