"""The range of values that an int8 tensor has to cover, from what the float model does on samples.

minmax      from the least to the greatest value: nothing is ever clipped.
percentile  without the 0.01 % that lie farthest out, half of them on each side (ONNX Runtime's calibration).
entropy     that which loses least information, by Kullback and Leibler's divergence (ONNX Runtime's calibration).
mse         that whose squared error, of rounding inside and of clipping outside, is least in sum.
"""

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["minmax", "percentile", "entropy", "mse"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy", "mse")

PERCENTILE = 99.99
_BINS = 2048
_ENTROPY_BINS = 512
"""ONNX Runtime's own number is 128, which leaves its entropy search a single range to choose; its search is slow."""
_ENTROPY_LEVELS = 128
_STEPS = 255
_SHRINKINGS = np.linspace(0.05, 1.0, 96)


@dataclass(frozen=True)
class Range:
    """low <= 0 <= high, in the tensor's own unit: zero is always a value of an int8 tensor."""

    low: float
    high: float

    def __or__(self, other: "Range") -> "Range":
        """The range that covers both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    @property
    def width(self) -> float:
        return self.high - self.low


def find(watched: Iterable[Mapping[str, NDArray[Any]]], method: Method) -> dict[str, Range]:
    """The range of every tensor watched; none for one that was ever empty, infinite or no number.

    watched: for each sample, name -> float32 values.
    """
    endless: set[str] = set()
    found = _find(_finite(watched, endless), method)
    return {name: own for name, own in found.items() if name not in endless}


def _finite(watched: Iterable[Mapping[str, NDArray[Any]]], endless: set[str]) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The samples without the tensors that no int8 tensor covers, whose names go to `endless`."""
    for sample in watched:
        endless.update(name for name, array in sample.items() if not array.size or not np.isfinite(array).all())
        yield {name: array for name, array in sample.items() if name not in endless}


def _find(watched: Iterable[Mapping[str, NDArray[Any]]], method: Method) -> dict[str, Range]:
    if method == "minmax":
        return _minmax(watched)
    bins = _ENTROPY_BINS if method == "entropy" else _BINS
    with contextlib.redirect_stdout(io.StringIO()):  # the library tells its progress
        collector = _collector("entropy" if method == "entropy" else "percentile", bins)
        for sample in watched:
            collector.collect(dict(sample))
        if not collector.histogram_dict:
            return {}
        if method == "mse":
            histograms = collector.get_histogram_dict()
            return {name: _least_squares(*histogram[:4]) for name, histogram in histograms.items()}
        found = collector.compute_collection_result()
    return {name: _with_zero(float(entry[0]), float(entry[1])) for name, entry in found.items()}


def _collector(method: str, bins: int) -> Any:
    from onnxruntime.quantization.calibrate import HistogramCollector  # type: ignore[import-untyped]

    return HistogramCollector(method, False, bins, _ENTROPY_LEVELS, PERCENTILE, "same")


def _minmax(watched: Iterable[Mapping[str, NDArray[Any]]]) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for sample in watched:
        for name, array in sample.items():
            own = _with_zero(float(array.min()), float(array.max()))
            found[name] = found[name] | own if name in found else own
    return found


def _with_zero(low: float, high: float) -> Range:
    return Range(min(low, 0.0), max(high, 0.0))


def _least_squares(
    counts: NDArray[np.int64], edges: NDArray[np.floating], least: np.floating, greatest: np.floating
) -> Range:
    """Both ends moved in turn: each to where, the other staying, the squared error is least."""
    centres = (edges[1:].astype(np.float64) + edges[:-1]) / 2
    weights = counts.astype(np.float64)
    low, high = min(float(least), 0.0), max(float(greatest), 0.0)
    best = low, high
    for _ in range(2):
        lows = [(low * part, best[1]) for part in _SHRINKINGS]
        best = min(lows, key=lambda ends: _error(centres, weights, *ends))
        highs = [(best[0], high * part) for part in _SHRINKINGS]
        best = min(highs, key=lambda ends: _error(centres, weights, *ends))
    return Range(*best)


def _error(centres: NDArray[np.float64], weights: NDArray[np.float64], low: float, high: float) -> float:
    beyond = centres - np.clip(centres, low, high)
    # Rounding to steps of s has the variance s^2 / 12.
    rounding = ((high - low) / _STEPS) ** 2 / 12
    return float((weights * np.where(beyond == 0, rounding, beyond**2)).sum())
