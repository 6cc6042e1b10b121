"""Turned matrices: what exchanges rows and channels is a product of the identity with the rows to be turned.

`y[d, n] = sum_k I[d, k] * x[n, k]`: as the second operand of a product x is loaded as weights, channel by channel of
the identity's rows.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.matmul import slices
from lithify.compiler.lowering.moved import chain_places
from lithify.compiler.lowering.node import FULL, check_fields, image_of
from lithify.compiler.operation import Landing, Operation, Parameters, Second, Sliding
from lithify.reference.graph import Graph, Node

BLOCK = 64
"""Channels that are turned by one operation: the identity's other words are multiplied in vain."""
MOST_OPERATIONS = 512


def lower_turned(
    graph: Graph, chain: tuple[Node, ...], chip: Chip, name: str | None = None
) -> tuple[Operation, ...] | None:
    """The operations of a chain that makes matrices whose rows are channels of an image; None for another chain.

    name: of the tensor that they read, if that is not what the first node reads but the same integers.
    """
    node, y = chain[-1], graph.tensors[chain[-1].outputs[0]]
    source, target = image_of(graph.tensors[name or chain[0].inputs[0]]), image_of(y)
    if len(y.shape) not in (2, 3, 4) or y.dtype != "int8":
        return None
    places = chain_places(graph, chain)
    if len(y.shape) == 4:
        return _turned_image(chain[-1], source, target, places.reshape(*y.shape[:2], -1), chip)
    rows, outputs = y.shape[-2:]
    count = target.width // rows
    found = slices(np.swapaxes(places, -1, -2), source.channels, count, 1)
    if found is None or min(rows, outputs) == 1 or count * -(-rows // BLOCK) > MOST_OPERATIONS:
        return None
    step, starts = found
    parameters = {
        size: Parameters(
            np.broadcast_to(np.int8(0), (outputs, 1, 1, size)),
            np.zeros(outputs, np.int32),
            np.ones(outputs, np.float32),
        )
        for size in {min(BLOCK, rows), rows % BLOCK or min(BLOCK, rows)}
    }
    operations = []
    for number, (pixel, channel) in enumerate(starts):
        for first in range(0, rows, BLOCK):
            size = min(BLOCK, rows - first)
            operations.append(
                _by_identity(
                    node,
                    target,
                    size,
                    parameters[size],
                    Landing((0, number * rows + first), (1, 1), 0, outputs),
                    Second(source, pixel, step, channel + first, 0, (), 0),
                )
            )
    for operation in operations:
        check_fields(operation, chip)
    return tuple(operations)


def _by_identity(
    node: Node, target: Image, size: int, parameters: Parameters, landing: Landing, second: Second
) -> Operation:
    """A product of so many rows of the identity with the second operand, whose rows become columns."""
    return Operation(
        layer=node.name,
        operator=node.operator,
        unit="conv",
        x=Image(_name(size), 1, size, size),
        y=target,
        region=Rectangle(0, 0, 1, size),
        sliding=Sliding(),
        cut=(1, 1),
        pad_value=0,
        zero_point=0,
        minimum=FULL[0],
        maximum=FULL[1],
        parameters=parameters,
        residual=None,
        macs=0,
        tensor=target.name,
        landing=landing,
        second=second,
    )


def _turned_image(
    node: Node, source: Image, target: Image, places: NDArray[np.int64], chip: Chip
) -> tuple[Operation, ...] | None:
    """As `lower_turned`, of images whose channels are rows of a matrix: a piece of a line of pixels at a time.

    places: [images, channels, pixels].
    """
    images, outputs, pixels = places.shape
    found = slices(places, source.channels, images, 1)
    pieces = -(-target.width // BLOCK)
    if found is None or min(outputs, pixels) == 1 or target.height * pieces > MOST_OPERATIONS:
        return None
    step, starts = found
    bias, ones = np.zeros(outputs, np.int32), np.ones(outputs, np.float32)
    operations = []
    for line in range(target.height):
        image, inner = divmod(line, target.height // images)
        pixel, channel = starts[image]
        for first in range(0, target.width, BLOCK):
            size = min(BLOCK, target.width - first)
            operations.append(
                _by_identity(
                    node,
                    target,
                    size,
                    Parameters(np.broadcast_to(np.int8(0), (outputs, 1, 1, size)), bias, ones),
                    Landing((line, first), (1, 1), 0, outputs),
                    Second(source, pixel, step, channel + inner * target.width + first, 0, (), 0),
                )
            )
    for operation in operations:
        check_fields(operation, chip)
    return tuple(operations)


def _name(size: int) -> str:
    return f"identity of {size}"


def identities(operations: Iterable[Operation]) -> Mapping[str, NDArray[np.int8]]:
    """The identities that some operations read, by name."""
    sizes = {operation.x.channels for operation in operations if operation.x.name == _name(operation.x.channels)}
    return {_name(size): np.eye(size, dtype=np.int8) for size in sizes}
