"""What operators along int8 rows compute, as written sequences: exact integers go in, steps of the result come out.

`row_functions.py` has the forms for float32 rows. Here scales are folded into numbers known beforehand, which spares
the vector unit a division of every element.
"""

from collections.abc import Mapping
from types import MappingProxyType

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

# log of a positive normal number: `log` without its specials.
_define(
    "log_within(x) -> y",
    """
    m = significand(x)
    e = exponent(x)
    half = multiply(m, 0.5)
    up = add(e, 1)
    high = less(0x1.6a09e6p+0, m)
    reduced = select(high, half, m)
    n = select(high, up, e)
    f = subtract(reduced, 1)
    square = multiply(f, f)
    p = polynomial(f, *LOG)
    cube = multiply(square, f)
    curve = multiply(cube, p)
    low = multiply(n, 0x1.7f7d1cp-20)
    bent = add(curve, low)
    halved = multiply(square, 0.5)
    rest = subtract(bent, halved)
    fraction = add(f, rest)
    whole = multiply(n, 0x1.62e4p-1)
    y = add(fraction, whole)
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

# keep: 1 where an element counts, 0 where it is masked: it has no share, as e^-infinity has none.
_KEPT_SHARES = """
    kept = multiply(power, keep)
    sum = row_sum(kept)
    share = divide(steps, sum)
    y = multiply(kept, share)
    """

SOFTMAX_OF_KEPT = _define("softmax_of_kept_below_top(x, keep, steps) -> y", "power = exp_within(x)" + _KEPT_SHARES)
"""x: at most 0 and at least -64; keep: 1 or 0; steps: of the result in 1. A row that keeps nothing is not a number."""

SOFTMAX_OF_KEPT_MAXIMUM = _define(
    "softmax_of_kept_below_maximum(x, keep, scale, steps) -> y",
    """
    counts = equal(keep, 1)
    own = select(counts, x, -inf)
    largest = row_maximum(own)
    below = subtract(own, largest)
    scaled = multiply(below, scale)
    above = maximum(scaled, -87)
    power = exp_within(above)
    """
    + _KEPT_SHARES,
)
"""x: integers, `scale` their step; keep: 1 or 0; steps: of the result in 1. The maximum is of what is kept."""

_LOGARITHMS = """
    sum = row_sum(power)
    whole = log_within(sum)
    less = subtract(below, whole)
    y = multiply(less, steps)
    """

LOG_SOFTMAX = _define("log_softmax_below_top(below, steps) -> y", "power = exp_within(below)" + _LOGARITHMS)
"""below: at most 0 and at least -64; steps: of the result in 1."""

LOG_SOFTMAX_OF_MAXIMUM = _define(
    "log_softmax_below_maximum(x, scale, steps) -> y",
    """
    largest = row_maximum(x)
    distance = subtract(x, largest)
    below = multiply(distance, scale)
    above = maximum(below, -87)
    power = exp_within(above)
    """
    + _LOGARITHMS,
)
"""x: integers, `scale` their step; steps: of the result in 1."""

_NORMALISED = """
    square = multiply(around, around)
    squares = row_sum(square)
    variance = divide(squares, n)
    more = add(variance, epsilon)
    root = square_root(more)
    factor = divide(1, root)
    normal = multiply(around, factor)
    scaled = multiply(normal, scale)
    y = add(scaled, bias)
    """

# Around the mean first, then the mean of squares: so a large mean costs no digits. The step of x cancels out; epsilon
# is in its squares, scale and bias in steps of the result.
LAYER_NORM = _define(
    "layer_norm_of_integers(x, n, epsilon, scale, bias) -> y",
    """
    sum = row_sum(x)
    middle = divide(sum, n)
    around = subtract(x, middle)
    """
    + _NORMALISED,
)
"""x: integers."""

# Where a row has places that hold nothing, 0 as x and no number as bias, these count for neither mean nor variance.
LAYER_NORM_OF_PRESENT = _define(
    "layer_norm_of_present_integers(x, n, epsilon, scale, bias) -> y",
    """
    sum = row_sum(x)
    middle = divide(sum, n)
    present = less(bias, inf)
    distance = subtract(x, middle)
    around = select(present, distance, 0)
    """
    + _NORMALISED,
)
"""x: integers; n: of those that are present."""

RMS_NORM = _define(
    "rms_norm_of_integers(x, n, epsilon, scale) -> y",
    """
    square = multiply(x, x)
    squares = row_sum(square)
    mean = divide(squares, n)
    more = add(mean, epsilon)
    root = square_root(more)
    factor = divide(1, root)
    normal = multiply(x, factor)
    y = multiply(normal, scale)
    """,
)
"""x: integers."""

# Numbers of a whole row, in the place of each of its elements.
REDUCTIONS: Mapping[str, Written] = MappingProxyType(
    {
        "ReduceL1": _define("l1_of_integers(x, once) -> y", "a = absolute(x)\ns = row_sum(a)\ny = multiply(s, once)"),
        "ReduceSumSquare": _define(
            "sum_square_of_integers(x, twice) -> y", "q = multiply(x, x)\ns = row_sum(q)\ny = multiply(s, twice)"
        ),
        "ReduceL2": _define(
            "l2_of_integers(x, once) -> y",
            "q = multiply(x, x)\ns = row_sum(q)\nr = square_root(s)\ny = multiply(r, once)",
        ),
        # The sizes by their logarithms; as many turns of the sign as there are numbers below 0. log 0 is -infinity.
        "ReduceProd": _define(
            "product_of_integers(x, shift) -> y",
            """
            a = absolute(x)
            l = log(a)
            s = row_sum(l)
            below = less(x, 0)
            count = row_sum(below)
            half = multiply(count, 0.5)
            whole = round(half)
            rest = subtract(half, whole)
            odd = absolute(rest)
            turn = multiply(odd, 4)
            sign = subtract(1, turn)
            scaled = add(s, shift)
            size = exp(scaled)
            y = multiply(size, sign)
            """,
        ),
        "ReduceLogSum": _define(
            "log_sum_of_integers(x, scale, steps) -> y",
            "s = row_sum(x)\nz = multiply(s, scale)\nl = log(z)\ny = multiply(l, steps)",
        ),
        "ReduceLogSumExp": _define(
            "log_sum_exp_of_integers(x, scale, steps) -> y",
            """
            largest = row_maximum(x)
            distance = subtract(x, largest)
            below = multiply(distance, scale)
            above = maximum(below, -87)
            power = exp_within(above)
            sum = row_sum(power)
            more = log_within(sum)
            top = multiply(largest, scale)
            whole = add(top, more)
            y = multiply(whole, steps)
            """,
        ),
    }
)
"""Operator -> its function. x: integers, `scale` their step; once and twice: that step, or its square, in those of the
result; steps: of the result in 1; shift: the logarithm of the scale of a product of a row, in steps of the result."""

# A row that is not zero has a norm of 1 at least, being of integers; one that is stays.
LP_NORMALIZATIONS: Mapping[int, Written] = MappingProxyType(
    {
        1: _define(
            "l1_normalization(x, steps) -> y",
            "a = absolute(x)\ns = row_sum(a)\nn = maximum(s, 1)\nf = divide(steps, n)\ny = multiply(x, f)",
        ),
        2: _define(
            "l2_normalization(x, steps) -> y",
            "q = multiply(x, x)\ns = row_sum(q)\nm = maximum(s, 1)\nn = square_root(m)\nf = divide(steps, n)\n"
            "y = multiply(x, f)",
        ),
    }
)
"""p -> x over the norm of its row. x: integers; steps: of the result in 1."""


def search(smallest: bool, last: bool, wide: bool, high: bool) -> Written:
    """Where in a row its largest or smallest element lies: an integer from 0 to 255, exactly.

    place: the elements' indices, negated where the first of equal elements is looked for and not the last. wide: rows
    of more than 256 elements, of whose indices high chooses the byte.
    """
    x, index = "own" if smallest else "x", "best" if last else "index"
    lines = [
        *(("own = negate(x)",) if smallest else ()),
        f"top = row_maximum({x})",
        f"there = equal({x}, top)",
        "mine = select(there, place, -inf)",
        "best = row_maximum(mine)",
        *(() if last else ("index = negate(best)",)),
    ]
    if wide:
        # An index over 256, less its largest fraction's half, is nearest to its whole part.
        lines += [
            f"part = multiply({index}, 0.00390625)",
            "below = subtract(part, 0.498046875)",
            "byte = round(below)",
            "more = multiply(byte, 256)",
            f"rest = subtract({index}, more)",
        ]
    lines.append(f"y = multiply({('byte' if high else 'rest') if wide else index}, 1)")
    name = f"arg_{'min' if smallest else 'max'}{'_last' * last}{('_high' if high else '_low') * wide}"
    return written(f"{name}(x, place) -> y", "\n".join(lines), FLOAT_FUNCTIONS)
