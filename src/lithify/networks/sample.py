"""Seeded input that resembles data: large shapes, small detail, mean 0 and variance 1."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray


def sample(shape: Sequence[int], count: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """`count` inputs as one array of shape (count, *shape[1:]).

    shape: that of a network's input, batch first, channels second. Along the axes behind, noise of every octave is
    added with the amplitude growing with its wavelength, as in photographs; features without such axes are white.
    """
    random = np.random.default_rng(seed)
    _, channels, *extents = shape
    total = random.standard_normal((count, channels, *extents), np.float32)
    step = 2
    while extents and step < max(extents):
        coarse = random.standard_normal((count, channels, *(ceil(extent / step) for extent in extents)), np.float32)
        for axis, extent in enumerate(extents, start=2):
            coarse = coarse.repeat(step, axis=axis).take(range(extent), axis=axis)
        total += np.float32(step**0.5) * coarse
        step *= 2
    axes = tuple(range(1, total.ndim))
    total -= total.mean(axes, keepdims=True)
    total /= total.std(axes, keepdims=True)
    return total
