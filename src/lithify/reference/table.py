"""Tables for Lookup, filled from a function of float32."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lithify.reference.arithmetic import centred, round_to_int8, scale_of
from lithify.reference.functions import Values
from lithify.reference.graph import Tensor


def fill(function: Callable[[Values], Values], x: Tensor, y: Tensor) -> NDArray[np.int8]:
    """The int8 result [256] for every int8 from -128 up: Dequantize by x, apply the function, Quantize by y.

    function: float32 [256] to float32 [256]; built of `functions.apply` and `functions.combine` its bits are the same
    on every machine. The identity makes a table that changes scale and zero point. NaN becomes -128, as in Quantize.
    """
    every = np.arange(-128, 128).astype(np.int8)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.multiply(centred(every, x.zero_point).astype(np.float32), scale_of(x))
        quotient = np.divide(function(values).astype(np.float32), scale_of(y))
    return round_to_int8(quotient, y.zero_point)
