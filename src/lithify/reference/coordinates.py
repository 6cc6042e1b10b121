"""Where a resized image looks into the original: the attributes of ONNX Resize as indices and exact weights.

Along each dimension place i of the result lies at a coordinate of the original, in pixels; s is the scale of the
dimension, places / size where sizes were given. By coordinate_transformation_mode the coordinate is

    half_pixel            (i + 1/2) / s - 1/2
    pytorch_half_pixel    the same; 0 if there is one place
    half_pixel_symmetric  the same + size/2 * (1 - places / (s * size))
    asymmetric            i / s
    align_corners         i * (size - 1) / (places - 1); 0 if there is one place
    tf_half_pixel_for_nn  (i + 1/2) / s

and i in every mode where s is 1 and there are as many places as pixels.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError

COORDINATES = (
    "half_pixel",
    "pytorch_half_pixel",
    "half_pixel_symmetric",
    "asymmetric",
    "align_corners",
    "tf_half_pixel_for_nn",
)
NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")

# How near to a half a coordinate counts as one for `round_prefer_floor` and `round_prefer_ceil`, as in ONNX Runtime.
_TIE = 1e-6


def _check(mode: str, name: str, known: tuple[str, ...]) -> None:
    if mode not in known:
        raise LithifyError(f"Resize was given the {name} '{mode}'; known are: {', '.join(known)}.")


def nearest(size: int, places: int, scale: float, mode: str, nearest_mode: str) -> tuple[int, ...]:
    """The index in the original at every place, for `ResizeNearest`.

    scale: rounded to float32; places / size where sizes were given. mode: coordinate_transformation_mode.
    Where a coordinate falls on a boundary its last bit chooses the pixel, so it is computed as ONNX Runtime does: in
    float32, one operation at a time in the order written above. Indices beyond the image become its edge.
    Raises LithifyError for an unknown mode.
    """
    _check(mode, "coordinate_transformation_mode", COORDINATES)
    _check(nearest_mode, "nearest_mode", NEAREST)
    coordinate = _rounded(mode, size, places, np.float32(scale)).astype(np.float64)
    below = np.floor(coordinate)
    if nearest_mode == "floor":
        index = below
    elif nearest_mode == "ceil":
        index = np.ceil(coordinate)
    else:
        tie = below if nearest_mode == "round_prefer_floor" else below + 1
        index = np.where(np.abs(coordinate - below - 0.5) <= _TIE, tie, np.floor(coordinate + 0.5))
    return tuple(int(entry) for entry in np.clip(index, 0, size - 1))


def _rounded(mode: str, size: int, places: int, scale: np.float32) -> NDArray[np.float32]:
    """The coordinates of all places in float32."""
    i, length, count = np.arange(places, dtype=np.float32), np.float32(size), np.float32(places)
    one, half = np.float32(1), np.float32(0.5)
    if scale == 1 and places == size:
        return i
    if mode in ("align_corners", "pytorch_half_pixel") and places == 1:
        return np.zeros(1, np.float32)
    if mode == "align_corners":
        found: NDArray[np.float32] = i * (length - one) / (count - one)
    elif mode == "asymmetric":
        found = i / scale
    elif mode == "tf_half_pixel_for_nn":
        found = (i + half) / scale
    elif mode == "half_pixel_symmetric":
        # The offset in float32, the rest in float64.
        offset = (length / np.float32(2)) * (one - count / (scale * length))
        found = (float(offset) + (i.astype(np.float64) + 0.5) / float(scale) - 0.5).astype(np.float32)
    else:
        found = (i + half) / scale - half
    return found


@dataclass(frozen=True)
class Blend:
    """Along one dimension, place i of the result is (first[i] x (steps - weights[i]) + next[i] x weights[i]) / steps.

    first: index in the original; the next is one further, at the edge the same.
    """

    first: tuple[int, ...]
    weights: tuple[int, ...]
    steps: int


def linear(size: int, places: int, scale: float, mode: str) -> Blend:
    """The two neighbours of every place and their weights, as exact fractions, for `ResizeLinear`.

    scale: as for `nearest`; the simplest fraction that float32 rounds to it is meant, 13/10 for 1.3.
    Coordinates beyond the image are moved to its edge. Raises LithifyError for an unknown mode.
    """
    _check(mode, "coordinate_transformation_mode", COORDINATES)
    exact = _fraction(np.float32(scale), size, places)
    edge = Fraction(size - 1)
    found = [min(max(_exact(mode, i, size, places, exact), Fraction(0)), edge) for i in range(places)]
    steps = math.lcm(*(coordinate.denominator for coordinate in found))
    first = tuple(math.floor(coordinate) for coordinate in found)
    weights = tuple(int((coordinate - index) * steps) for coordinate, index in zip(found, first, strict=True))
    return Blend(first, weights, steps)


def _exact(mode: str, i: int, size: int, places: int, scale: Fraction) -> Fraction:
    half = Fraction(1, 2)
    if scale == 1 and places == size:
        return Fraction(i)
    if mode in ("align_corners", "pytorch_half_pixel") and places == 1:
        return Fraction(0)
    if mode == "align_corners":
        return Fraction(i * (size - 1), places - 1)
    if mode == "asymmetric":
        return i / scale
    if mode == "tf_half_pixel_for_nn":
        return (i + half) / scale
    offset = size * half * (1 - places / (scale * size)) if mode == "half_pixel_symmetric" else Fraction(0)
    return offset + (i + half) / scale - half


def _fraction(scale: np.float32, size: int, places: int) -> Fraction:
    if np.float32(places) / np.float32(size) == scale:
        return Fraction(places, size)
    exact, limit = Fraction(float(scale)), 1
    while np.float32(float(found := exact.limit_denominator(limit))) != scale:
        limit += limit // 8 + 1
    return found
