"""Copies: operations that give back what they read, elsewhere or for what is done to results on their way.

Most are products with 1, which run beside what comes before; a stream needs no weights.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.lowering.products import diagonal_weights, product
from lithify.compiler.lowering.streams import stream
from lithify.compiler.operation import Operation, Sliding
from lithify.compiler.weights import PARAMETER_WORDS
from lithify.reference.graph import Node, Tensor

LIMITS = (-128, 127)


def times(node: Node, chip: Chip, source: Image, target: Image, factor: int, offset: int) -> Operation:
    """`factor` * x + `offset` of every value x, which must be an int8: exact, as its multiplier is 1.

    factor: 1 or -1.
    """
    weights = diagonal_weights(np.full((source.channels, 1, 1), factor, np.int8), chip)
    bias = np.full(source.channels, offset, np.int32)
    return _product(node, chip, source, target, Sliding(), weights, bias, 0, None)


def copied(node: Node, chip: Chip, source: Image, tensor: str) -> Operation:
    """A copy of an image for what may not read the same bank twice; its results are traced as the tensor's."""
    target = replace(source, name=f"{source.name} (copy for {node.name})")
    return replace(times(node, chip, source, target, 1, 0), operator="Copy", tensor=tensor)


def gathered(
    node: Node,
    chip: Chip,
    source: Image,
    target: Image,
    taps: NDArray[np.int64],
    sliding: Sliding,
    pad: int = 0,
    region: Rectangle | None = None,
) -> Operation:
    """Every result is one value of its window, or `pad`.

    taps: for every channel of `target` the index of the value in the window, [height, width, channels] of the input in
    row-major order; -1 for `pad`, which coordinates outside read as too.
    """
    kernel, channels = sliding.kernel, source.channels
    bias = np.where(taps < 0, pad, 0).astype(np.int32)
    if kernel == (1, 1) and len(taps) == channels and (taps == np.arange(channels)).all():
        # Fewer pixels than the words that weights of one word of channels take.
        few = min(source.whole.positions, target.whole.positions) <= PARAMETER_WORDS + chip.word_bytes
        if few and chip.streams:
            copy = stream(node, source, target, sliding, LIMITS)
            return replace(copy, pad_value=pad, region=region or target.whole)
        weights = diagonal_weights(np.ones((channels, 1, 1), np.int8), chip)
    else:
        flat = np.zeros((len(taps), kernel[0] * kernel[1] * channels), np.int8)
        rows = np.flatnonzero(taps >= 0)
        flat[rows, taps[rows]] = 1
        weights = flat.reshape(len(taps), *kernel, channels)
    return _product(node, chip, source, target, sliding, weights, bias, pad, region)


def _product(
    node: Node,
    chip: Chip,
    source: Image,
    target: Image,
    sliding: Sliding,
    weights: NDArray[np.int8],
    bias: NDArray[np.int32],
    pad: int,
    region: Rectangle | None,
) -> Operation:
    plain = Tensor(source.name, (), "int8", None, 0)
    ones = np.ones(len(bias), np.float32)
    made = product(node, chip, source, target, sliding, weights, bias, ones, plain, plain, LIMITS, 0, region)
    return replace(made, pad_value=pad)
