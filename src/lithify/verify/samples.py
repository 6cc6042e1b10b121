"""What to verify with: samples of the data, and inputs that drive the network into saturation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.preprocessing import Preprocessing
from lithify.quantize.data import Input, Samples, Source, read, seeded

Array = NDArray[Any]

LEAST_INPUTS = 8

GAIN = 16
"""How far beyond the data's largest value an extreme input goes."""


def verify_samples(
    inputs: Sequence[Input],
    source: Source | None,
    count: int,
    seed: int,
    preprocessing: Preprocessing | None = None,
) -> Samples:
    """`count` inputs, at least 8, the last half of them saturating.

    The first half are samples of `source` (random ones without it), spread over it. The others are, in turn: every
    value at the positive extreme; at the negative one; extremes of random sign; samples times 16; samples times -16.
    preprocessing: what makes inputs of pictures, where `source` holds some.
    Raises LithifyError for a smaller `count` and for data that does not fit.
    """
    if count < LEAST_INPUTS:
        raise LithifyError(f"{count} inputs are too few to verify with; take at least {LEAST_INPUTS}.")
    data = read(source, inputs, preprocessing=preprocessing) if source is not None else seeded(inputs, count, seed)
    taken = np.unique(np.linspace(0, len(data) - 1, min(len(data), count - count // 2)).astype(int))
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for item in inputs:
        chosen = data.inputs[item.name][taken]
        made = [_extreme(item, chosen, kind, generator) for kind in range(count - len(chosen))]
        arrays[item.name] = np.concatenate([chosen, np.stack(made)])
    return Samples(arrays)


def _extreme(item: Input, samples: Array, kind: int, generator: np.random.Generator) -> Array:
    """The `kind`-th saturating input."""
    dtype = np.dtype(item.dtype)
    low: float
    high: float
    if dtype.kind == "f":
        high = GAIN * max(float(np.abs(samples).max()), 1.0)
        low = -high
    elif dtype.itemsize == 1:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    else:
        # An index: no value but those of the data is known to be allowed.
        low, high = samples.min(), samples.max()
    way = kind % 5
    if way == 0:
        return np.full(item.shape, high, dtype)
    if way == 1:
        return np.full(item.shape, low, dtype)
    if way == 2:
        return np.where(generator.random(item.shape) < 0.5, low, high).astype(dtype)
    gain = GAIN if way == 3 else -GAIN
    extreme: Array = np.clip(samples[kind % len(samples)].astype(np.float64) * gain, low, high).astype(dtype)
    return extreme
