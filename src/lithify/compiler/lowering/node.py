"""What every rule starts from: a node's tensors as images, its constants, and why the chip cannot run it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image, image_shape
from lithify.compiler.operation import Operation
from lithify.reference.graph import Graph, Node, Tensor

COORDINATES = 32767
"""Largest coordinate that the signed 16-bit arithmetic of the address generators reaches."""
STEP = 65535
COUNT = 255
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
FULL = (-128, 127)


class Unsupported(Exception):
    """Why the chip cannot run a node, in words that complete "runs on the host because ..."."""


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


def check_image(tensor: Tensor) -> None:
    """Raises Unsupported for a sequence where a window slides over an image."""
    if len(tensor.shape) == 3:
        raise Unsupported(
            f"'{tensor.name}' is a sequence of shape {tensor.shape}, and the chip slides windows over images"
        )


def input_and_output(graph: Graph, node: Node) -> tuple[Tensor, Tensor]:
    """Its first input and its first output."""
    return graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]


def constant(graph: Graph, node: Node, index: int) -> NDArray[Any]:
    """The value of an input, which the program must know."""
    name = node.inputs[index]
    if name not in graph.constants:
        raise Unsupported(f"'{name}' is no constant")
    return graph.constants[name]
