"""Packed rows: an input of few channels becomes words that hold the pixels of a whole kernel row.

A word of an image with 1 or 3 channels would be almost empty. In DRAM the kernel_width x channels bytes under a kernel
row are contiguous, so a LOAD that fetches them for each output column (overlapping rows) makes an image whose channels
are (kernel column, channel), over which the kernel is one pixel wide. The border that the padding would be lies in
DRAM.
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
    left = sliding.pads[1]
    reach = (operation.y.width - 1) * sliding.strides[1] + kernel_width
    right = max(0, reach - left - operation.x.width)
    width = left + operation.x.width + right
    name = f"{operation.x.name} (packed for {operation.layer})"
    weights = operation.parameters.weights
    rows = replace(
        operation,
        x=Image(name, operation.x.height, operation.y.width, kernel_width * channels),
        sliding=Sliding((kernel_height, 1), (sliding.strides[0], 1), (sliding.pads[0], 0), (sliding.dilations[0], 1)),
        parameters=replace(
            operation.parameters,
            weights=np.ascontiguousarray(weights.reshape(weights.shape[0], kernel_height, 1, kernel_width * channels)),
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
        left=left,
        right=right,
        fill=tensor.zero_point,
    )
    lies = DramImage(
        Base.INPUTS,
        0,
        width * channels,
        sliding.strides[1] * channels,
        kernel_width * channels,
        tensor.zero_point,
    )
    return rows, placement, lies
