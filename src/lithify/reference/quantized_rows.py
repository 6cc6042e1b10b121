"""What operators along int8 rows compute, as written sequences: exact integers go in, steps of the result come out.

`row_functions.py` has the forms for float32 rows. Here scales are folded into numbers known beforehand, which spares
the vector unit a division of every element.
"""

from lithify.reference.float_functions import FLOAT_FUNCTIONS, POLYNOMIALS
from lithify.reference.written import Written, written

_FUNCTIONS: dict[str, Written] = dict(FLOAT_FUNCTIONS)


def _define(head: str, text: str) -> Written:
    function = written(head, text, _FUNCTIONS, POLYNOMIALS)
    _FUNCTIONS[function.name] = function
    return function


# e^x of x from -87 to 87: `exp` without its limits, and with Horner's rule to the end, which costs half a unit in the
# last place and three micro-operations less.
EXP_WITHIN = _define(
    "exp_within(x) -> y",
    """
    quotient = multiply(x, 0x1.715476p+0)
    n = round(quotient)
    large = multiply(n, 0x1.62e4p-1)
    near = subtract(x, large)
    small = multiply(n, 0x1.7f7d1cp-20)
    r = subtract(near, small)
    power = polynomial(r, 1, 1, *EXP)
    y = scale(power, n)
    """,
)

_SHARES = """
    sum = row_sum(power)
    share = divide(steps, sum)
    y = multiply(power, share)
    """

SOFTMAX = _define("softmax_below_top(x, steps) -> y", "power = exp_within(x)" + _SHARES)
"""x: at most 0 and at least -64; steps: of the result in 1."""

SOFTMAX_OF_MAXIMUM = _define(
    "softmax_below_maximum(x, scale, steps) -> y",
    """
    largest = row_maximum(x)
    below = subtract(x, largest)
    scaled = multiply(below, scale)
    above = maximum(scaled, -87)
    power = exp_within(above)
    """
    + _SHARES,
)
"""x: integers, `scale` their step; steps: of the result in 1."""
