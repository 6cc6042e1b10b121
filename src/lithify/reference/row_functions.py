"""Softmax, normalisations and reductions along a row (the last axis) as written sequences of float32 primitives.

Sums have the fixed order of `float32.row_sum`. `n` is the length of the row as a float32 number.
"""

from collections.abc import Mapping
from types import MappingProxyType

from lithify.reference.float_functions import FLOAT_FUNCTIONS
from lithify.reference.written import Written, written

_FUNCTIONS: dict[str, Written] = dict(FLOAT_FUNCTIONS)
_ROWS: dict[str, Written] = {}


def _define(head: str, text: str) -> None:
    function = written(head, text, _FUNCTIONS)
    _FUNCTIONS[function.name] = _ROWS[function.name] = function


_define(
    "softmax(x) -> y",
    """
    largest = row_maximum(x)
    below = subtract(x, largest)
    power = exp(below)
    sum = row_sum(power)
    share = divide(1, sum)
    y = multiply(power, share)
    """,
)

_define(
    "log_softmax(x) -> y",
    """
    largest = row_maximum(x)
    below = subtract(x, largest)
    power = exp(below)
    sum = row_sum(power)
    whole = log(sum)
    y = subtract(below, whole)
    """,
)

_define("mean(x, n) -> y", "sum = row_sum(x)\ny = divide(sum, n)")
_define("sum_of_squares(x) -> y", "square = multiply(x, x)\ny = row_sum(square)")
_define("l2_norm(x) -> y", "sum = sum_of_squares(x)\ny = square_root(sum)")

# Around the mean first, then the mean of squares: two passes, so that a large mean costs no digits.
_define(
    "normalize(x, n, epsilon) -> y",
    """
    middle = mean(x, n)
    around = subtract(x, middle)
    sum = sum_of_squares(around)
    variance = divide(sum, n)
    more = add(variance, epsilon)
    factor = reciprocal_square_root(more)
    y = multiply(around, factor)
    """,
)

_define(
    "layer_norm(x, n, epsilon, scale, bias) -> y",
    """
    normal = normalize(x, n, epsilon)
    scaled = multiply(normal, scale)
    y = add(scaled, bias)
    """,
)

_define(
    "rms_norm(x, n, epsilon, scale) -> y",
    """
    sum = sum_of_squares(x)
    squares = divide(sum, n)
    more = add(squares, epsilon)
    factor = reciprocal_square_root(more)
    normal = multiply(x, factor)
    y = multiply(normal, scale)
    """,
)

ROW_FUNCTIONS: Mapping[str, Written] = MappingProxyType(_ROWS)
"""By name. layer_norm serves instance and group norm too: their rows are a channel's, or a group's, whole image."""
