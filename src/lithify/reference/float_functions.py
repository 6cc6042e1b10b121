"""exp, log, erf, tanh and what is made of them, one number to one: written sequences of float32 primitives.

Polynomials are minimax, found by `benchmarks/coefficients.py`. Reductions of the argument are the classic ones (W. J.
Cody and W. Waite, Software Manual for the Elementary Functions, 1980). The errors that tests hold them to are in
`docs/vector.md`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from lithify.reference.written import Written, written

POLYNOMIALS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        name: tuple(float.fromhex(entry) for entry in text.split())
        for name, text in {
            # (e^r - 1 - r) / r^2 on +-ln(2)/2
            "EXP": "0x1.fffffcp-2 0x1.555492p-3 0x1.5558aep-5 0x1.12397ep-7 0x1.6a4f0ap-10",
            # (log(1 + f) - f + f^2/2) / f^3 from sqrt(1/2) to sqrt(2)
            "LOG": "0x1.555548p-2 -0x1.000006p-2 0x1.99a476p-3 -0x1.555c46p-3 0x1.233ba8p-3 -0x1.fc2888p-4"
            " 0x1.e6bf3ep-4 -0x1.de02a8p-4 0x1.1475e0p-4",
            # (tanh(x)/x - 1) / x^2 in x^2, x to 0.625
            "TANH": "-0x1.555532p-2 0x1.1106fcp-3 -0x1.b83738p-5 0x1.5207b8p-6 -0x1.75619ap-8",
            # erf(x)/x - 1 in x^2, x to 1
            "ERF": "0x1.06eba8p-3 -0x1.812744p-2 0x1.ce2ea2p-4 -0x1.b82232p-6 0x1.55e0eep-8 -0x1.b9d556p-11"
            " 0x1.c8c8b0p-14 -0x1.2307bcp-17",
            # erfc(z) e^(z^2) in (z - 2) / (z + 2), z from 0.5 to 10.2
            "TAIL": "0x1.058672p-2 -0x1.b57036p-2 0x1.eeea32p-3 -0x1.437db2p-4 0x1.eac956p-9 0x1.c9185cp-8"
            " -0x1.e6e5d2p-11 -0x1.b4a3e2p-11 0x1.24c6e0p-12 -0x1.e9d50cp-13 -0x1.c3d544p-13 0x1.818e7ap-12",
        }.items()
    }
)
"""Coefficients from the constant term on."""

_FUNCTIONS: dict[str, Written] = {}


def _define(head: str, text: str) -> None:
    function = written(head, text, _FUNCTIONS, POLYNOMIALS)
    _FUNCTIONS[function.name] = function


# e^(a + b) for a small b, of no effect where a is rounded: a is cut into n ln 2 + r, ln 2 being 0x1.62e4p-1 (so short
# that n times it is exact) + 0x1.7f7d1cp-20. Beyond +-104 it is infinite or zero anyway, and r would not be a number.
_define(
    "exp_of_sum(a, b) -> y",
    """
    above = maximum(a, -104)
    x = minimum(above, 104)
    quotient = multiply(x, 0x1.715476p+0)
    n = round(quotient)
    large = multiply(n, 0x1.62e4p-1)
    near = subtract(x, large)
    small = multiply(n, 0x1.7f7d1cp-20)
    nearer = subtract(near, small)
    r = add(nearer, b)
    p = polynomial(r, *EXP)
    square = multiply(r, r)
    curve = multiply(square, p)
    less_one = add(r, curve)
    power = add(less_one, 1)
    y = scale(power, n)
    """,
)

_define("exp(x) -> y", "y = exp_of_sum(x, 0)")

# 2^e m with m from sqrt(1/2) to sqrt(2); then log(m), small terms first.
_define(
    "log(x) -> y",
    """
    m = significand(x)
    e = exponent(x)
    high = less(0x1.6a09e6p+0, m)
    half = multiply(m, 0.5)
    up = add(e, 1)
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
    sum = add(fraction, whole)
    finite = less(x, inf)
    upper = select(finite, sum, x)     # infinity and NaN are their own
    zero = equal(x, 0)
    lower = select(zero, -inf, upper)
    negative = less(x, 0)
    y = select(negative, nan, lower)
    """,
)

_define(
    "tanh(x) -> y",
    """
    a = absolute(x)
    double = add(a, a)
    power = exp(double)
    below = add(power, 1)
    part = divide(2, below)
    large = subtract(1, part)
    square = multiply(a, a)
    p = polynomial(square, *TANH)
    curve = multiply(square, p)
    bent = multiply(a, curve)
    small = add(a, bent)
    inner = less(a, 0.625)
    size = select(inner, small, large)
    y = signed(size, x)
    """,
)

# erf for x up to 1; scaled, so that the smallest keep their digits.
_define(
    "erf_near(x) -> y",
    """
    square = multiply(x, x)
    p = polynomial(square, *ERF)
    wide = scale(x, 24)
    bent = multiply(wide, p)
    sum = add(wide, bent)
    y = scale(sum, -24)
    """,
)

# x^2 = high + low, exactly: a part of 12 bits, whose square is exact, and the rest (T. J. Dekker, 1971).
_define(
    "square_in_two(x) -> high, low",
    """
    wide = multiply(x, 4097)
    over = subtract(wide, x)
    head = subtract(wide, over)
    rest = subtract(x, head)
    high = multiply(head, head)
    both = add(x, head)
    low = multiply(both, rest)
    """,
)

# erfc(z) e^(z^2) for z from 0.5 on; beyond 10.2 erfc is zero in float32 all the same.
_define(
    "erfc_slope(z) -> y",
    """
    within = minimum(z, 10.2)
    below = subtract(within, 2)
    above = add(within, 2)
    q = divide(below, above)
    y = polynomial(q, *TAIL)
    """,
)

# erfc for z from 0.5 on.
_define(
    "erfc_far(z) -> y",
    """
    within = minimum(z, 20)
    high, low = square_in_two(within)
    a = negate(high)
    b = negate(low)
    power = exp_of_sum(a, b)
    slope = erfc_slope(within)
    y = multiply(power, slope)
    """,
)

_define(
    "erf(x) -> y",
    """
    a = absolute(x)
    near = erf_near(a)
    rest = erfc_far(a)
    far = subtract(1, rest)
    inner = less(a, 1)
    size = select(inner, near, far)
    y = signed(size, x)
    """,
)

_define(
    "erfc(x) -> y",
    """
    a = absolute(x)
    near = erf_near(a)
    middle = subtract(1, near)
    far = erfc_far(a)
    inner = less(a, 0.5)
    size = select(inner, middle, far)
    other = subtract(2, size)
    negative = less(x, 0)
    y = select(negative, other, size)
    """,
)

_define("reciprocal_square_root(x) -> y", "root = square_root(x)\ny = divide(1, root)")

_define(
    "sigmoid(x) -> y",
    """
    opposite = negate(x)
    power = exp(opposite)
    below = add(power, 1)
    y = divide(1, below)
    """,
)

_define(
    "silu(x) -> y",
    """
    opposite = negate(x)
    power = exp(opposite)
    below = add(power, 1)
    y = divide(x, below)
    """,
)

# x tanh(log(1 + e^x)) is x u / (u + 2) with u = e^x (e^x + 2); above 20 it is x.
_define(
    "mish(x) -> y",
    """
    within = minimum(x, 20)
    power = exp(within)
    more = add(power, 2)
    u = multiply(power, more)
    below = add(u, 2)
    share = divide(u, below)
    y = multiply(x, share)
    """,
)

# x erfc(-x/sqrt 2) / 2. The tail is e^(-x^2/2) times the slope, from x^2 in two parts, so that it keeps its digits.
_define(
    "gelu(x) -> y",
    """
    a = absolute(x)
    within = minimum(a, 20)
    z = multiply(within, 0x1.6a09e6p-1)
    near = erf_near(z)
    middle = subtract(1, near)
    high, low = square_in_two(within)
    half_high = multiply(high, -0.5)
    half_low = multiply(low, -0.5)
    power = exp_of_sum(half_high, half_low)
    slope = erfc_slope(z)
    far = multiply(power, slope)
    inner = less(z, 0.5)
    twice = select(inner, middle, far)
    below = multiply(twice, 0.5)
    above = subtract(1, below)
    negative = less(x, 0)
    share = select(negative, below, above)
    y = multiply(x, share)
    """,
)

# x (1 + tanh(t)) / 2 = x / (1 + e^(-2t)) with t = sqrt(2/pi) (x + 0.044715 x^3).
_define(
    "gelu_tanh(x) -> y",
    """
    square = multiply(x, x)
    factor = multiply(square, 0x1.2444f2p-4)
    more = add(factor, 0x1.988454p+0)
    double = multiply(x, more)
    opposite = negate(double)
    power = exp(opposite)
    below = add(power, 1)
    y = divide(x, below)
    """,
)

# `power` in the steps that a program of the vector unit has: e^(b log(abs(a))), near enough to be rounded to int8. The
# logarithm comes from a table where a is int8. A negative a has whole powers only.
_define(
    "power_near(a, b) -> y",
    """
    size = absolute(a)
    logarithm = log(size)
    product = multiply(b, logarithm)
    grown = exp(product)
    half = multiply(b, 0.5)
    nearest = round(half)
    rest = subtract(half, nearest)
    off = absolute(rest)
    odd = equal(off, 0.5)
    two = multiply(odd, 2)
    turned = subtract(1, two)
    even = equal(off, 0)
    whole = maximum(odd, even)
    known = less(0.5, whole)
    sign = select(known, turned, nan)
    below = less(a, 0)
    factor = select(below, sign, 1)
    signed_power = multiply(grown, factor)
    nothing = equal(b, 0)
    y = select(nothing, 1, signed_power)
    """,
)

FLOAT_FUNCTIONS: Mapping[str, Written] = MappingProxyType(_FUNCTIONS)
"""By name; those of two operands or two results are parts of others."""
