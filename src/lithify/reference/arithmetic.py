"""The arithmetic every quantised operator is made of: exact integer products, one float32 multiplier, one rounding.

Every float32 step below is a single IEEE operation rounded to nearest even, written as its own numpy call, so that
its bits do not depend on the processor. numpy's `sum` and `@` over float data whose sums must round are not used:
their order of additions changes with processor and length. They do appear over integers that the format holds
exactly, where no addition rounds and every order gives the same bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.graph import Tensor

INT8_MINIMUM = -128
INT8_MAXIMUM = 127
INT32_MINIMUM = -(2**31)
INT32_MAXIMUM = 2**31 - 1

# |x - zero_point| <= 255 and |w| <= 128, so 512 products sum to at most 16,711,680 < 2**24: every partial sum is an
# integer that float32 holds exactly, in any order of additions, with or without fused multiply-add.
EXACT_CHUNK = 512


def integer_matmul(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.int64]:
    """Exact product of integer matrices held in float32.

    left: [..., M, K], integers of magnitude at most 255; right: [..., K, N], at most 128 (or the other way round).
    Returns [..., M, N] int64.
    """
    terms = left.shape[-1]
    total = (left[..., :EXACT_CHUNK] @ right[..., :EXACT_CHUNK, :]).astype(np.int64)
    for start in range(EXACT_CHUNK, terms, EXACT_CHUNK):
        chunk = slice(start, start + EXACT_CHUNK)
        total += (left[..., chunk] @ right[..., chunk, :]).astype(np.int64)
    return total


def accumulator(node: str, total: NDArray[np.int64]) -> NDArray[np.int32]:
    """The int32 accumulator that holds `total`; raises LithifyError where it would overflow."""
    if total.size and (total.min() < INT32_MINIMUM or total.max() > INT32_MAXIMUM):
        largest = int(total.flat[int(np.abs(total).argmax())])
        raise LithifyError(
            f"Node '{node}' sums to {largest}, which does not fit its 32-bit accumulator; "
            "use smaller weights or a smaller bias, or split the layer."
        )
    return total.astype(np.int32)


def centred(data: NDArray[np.int8], zero_point: int) -> NDArray[np.int32]:
    """data - zero_point, exact: within [-255, 255]."""
    return data.astype(np.int32) - np.int32(zero_point)


def scale_of(tensor: Tensor) -> NDArray[np.float32]:
    """The float32 scale of a quantised tensor, a scalar or one entry per output channel."""
    if tensor.scale is None:
        raise LithifyError(f"Tensor '{tensor.name}' has no scale; an int8 tensor needs one.")
    return np.asarray(tensor.scale, dtype=np.float32)


def product_multiplier(x: Tensor, w: Tensor, y: Tensor) -> NDArray[np.float32]:
    """m = f32(f32(x_scale * w_scale) / y_scale): a scalar, or one entry per output channel."""
    with np.errstate(over="ignore"):
        multiplier = np.divide(np.multiply(scale_of(x), scale_of(w)), scale_of(y))
    return finite(multiplier, y)


def finite(multiplier: Any, y: Tensor) -> NDArray[np.float32]:
    """The multiplier as a float32 array; raises LithifyError where the ratio of scales leaves float32."""
    array = np.asarray(multiplier, dtype=np.float32)
    if not np.all(np.isfinite(array)):
        raise LithifyError(
            f"The scales of '{y.name}' and of what it is made from have a ratio beyond float32; "
            "calibrate again, so that they are of like size."
        )
    return array


def requantize(
    total: NDArray[np.int32], multiplier: NDArray[np.float32], y: Tensor, minimum: int, maximum: int
) -> NDArray[np.int8]:
    """clip(rint(f32(f32(total) * multiplier)) + y_zero_point, minimum, maximum), halves to even."""
    # The product may overflow to infinity, which the clip turns into the limit.
    with np.errstate(over="ignore"):
        scaled = np.multiply(total.astype(np.float32), multiplier)
    return round_to_int8(scaled, y.zero_point, minimum, maximum)


def round_to_int8(
    value: NDArray[np.float32], zero_point: int, minimum: int = INT8_MINIMUM, maximum: int = INT8_MAXIMUM
) -> NDArray[np.int8]:
    """clip(rint(value) + zero_point, minimum, maximum): rounds halves to even before it adds the zero point.

    Infinities go to the limits; NaN goes to the minimum, as the vector instructions of x86 and Arm make it.
    """
    # Clipping first keeps every value far inside int32; the limits are integers, so rint and clip commute.
    low, high = np.float32(minimum - zero_point), np.float32(maximum - zero_point)
    rounded: NDArray[Any] = np.rint(np.where(np.isnan(value), low, np.clip(value, low, high)))
    return (rounded.astype(np.int32) + np.int32(zero_point)).astype(np.int8)
