"""Packed rows: an input of few channels becomes words that hold the pixels of a whole kernel row.

A word of an image with 1 or 3 channels would be almost empty. In DRAM the kernel_width x channels bytes under a kernel
row are contiguous, so a LOAD that fetches them for each output column (overlapping rows) makes an image whose channels
are (kernel column, channel), over which the kernel is one pixel wide. Where the kernel moves down by several rows at
once, as many may take turns in DRAM, pixel by pixel: their pixels are contiguous too then. The border that the padding
would be lies in DRAM.
"""

from dataclasses import replace

import numpy as np

from lithify.chip import Chip
from lithify.compiler.image import DramImage, Image
from lithify.compiler.operation import Operation, Sliding
from lithify.isa.program import Base, Placement
from lithify.reference.graph import Tensor


def pack_rows(operation: Operation, tensor: Tensor, chip: Chip) -> tuple[Operation, Placement, DramImage] | None:
    """The operation over packed rows, with where its input lies (offsets 0); None where packing saves nothing."""
    sliding, channels = operation.sliding, operation.x.channels
    kernel_height, kernel_width = sliding.kernel
    plain = kernel_width * operation.x.pixel_words(chip.word_bytes)
    packed = -(-kernel_width * channels // chip.word_bytes)
    if (
        operation.unit != "conv"
        or operation.landing is not None
        or operation.excerpt is not None
        or sliding.turned
        or operation.each_word_alone
        or sliding.dilations[1] != 1
        or channels >= chip.word_bytes
        or packed >= plain
    ):
        return None
    assert operation.parameters is not None
    together = _rows_together(operation, chip)
    left, top = sliding.pads[1], sliding.pads[0] if together > 1 else 0
    reach = (operation.y.width - 1) * sliding.strides[1] + kernel_width
    right = max(0, reach - left - operation.x.width)
    width = left + operation.x.width + right
    name = f"{operation.x.name} (packed for {operation.layer})"
    taps, pixel = -(-kernel_height // together), together * channels
    # Pairs of rows, or more, are the rows of the packed image; its padding lies in DRAM then.
    needed = (operation.y.height - 1) * sliding.strides[0] + taps * together
    height = max(needed, top + operation.x.height) if together > 1 else operation.x.height
    height = -(-height // together) * together
    weights = operation.parameters.weights
    weights = np.pad(weights, ((0, 0), (0, taps * together - kernel_height), (0, 0), (0, 0)))
    weights = weights.reshape(weights.shape[0], taps, together, kernel_width, channels).transpose(0, 1, 3, 2, 4)
    rows = replace(
        operation,
        x=Image(name, height // together, operation.y.width, kernel_width * pixel, overlapping=True),
        sliding=Sliding(
            (taps, 1),
            (sliding.strides[0] // together, 1),
            (sliding.pads[0] if together == 1 else 0, 0),
            (sliding.dilations[0], 1),
        ),
        parameters=replace(
            operation.parameters,
            weights=np.ascontiguousarray(weights.reshape(weights.shape[0], taps, 1, kernel_width * pixel)),
        ),
    )
    placement = Placement(
        tensor.name,
        Base.INPUTS,
        0,
        operation.x.height,
        operation.x.width,
        channels,
        channels,
        top=top,
        bottom=height - top - operation.x.height,
        left=left,
        right=right,
        fill=tensor.zero_point,
        rows_together=together,
    )
    lies = DramImage(Base.INPUTS, 0, width * pixel, sliding.strides[1] * pixel, kernel_width * pixel, tensor.zero_point)
    return rows, placement, lies


def _rows_together(operation: Operation, chip: Chip) -> int:
    """How many rows of the input lie together, pixel by pixel, so that a kernel takes the fewest words."""
    sliding = operation.sliding
    height, width = sliding.kernel
    counts = [
        count for count in range(1, 5) if count == 1 or (sliding.strides[0] % count == 0 and sliding.dilations[0] == 1)
    ]
    return min(
        counts, key=lambda count: -(-height // count) * -(-width * count * operation.x.channels // chip.word_bytes)
    )
