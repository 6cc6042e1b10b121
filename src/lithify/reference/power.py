"""x^y in float32, within 2 units in the last place: the logarithm in two float32 numbers, high and low.

Specials are those of IEEE 754 pow: x^0 = 1 and 1^y = 1 even for NaN; a negative x has a power where y is an integer.
"""

from lithify.reference.float_functions import FLOAT_FUNCTIONS, POLYNOMIALS
from lithify.reference.written import Written, written

# 2 atanh(s) / ln 2 = 2 s / ln 2 + s^3 P(s^2), |s| to 0.0436
_LOG2 = (float.fromhex("0x1.ec709ep-1"), float.fromhex("0x1.27751cp-1"), float.fromhex("0x1.abb864p-2"))

_FUNCTIONS: dict[str, Written] = dict(FLOAT_FUNCTIONS)


def _define(head: str, text: str) -> Written:
    function = written(head, text, _FUNCTIONS, {**POLYNOMIALS, "LOG2": _LOG2})
    _FUNCTIONS[function.name] = function
    return function


# a + b = high + low exactly, where a is 0 or its exponent is not below that of b (T. J. Dekker, 1971).
_define(
    "sum_in_two(a, b) -> high, low",
    """
    high = add(a, b)
    there = subtract(high, a)
    low = subtract(b, there)
    """,
)

# a b = high + low exactly, where nothing overflows or is subnormal (T. J. Dekker, 1971).
_define(
    "product_in_two(a, b) -> high, low",
    """
    a_wide = multiply(a, 4097)
    a_over = subtract(a_wide, a)
    a_head = subtract(a_wide, a_over)
    a_rest = subtract(a, a_head)
    b_wide = multiply(b, 4097)
    b_over = subtract(b_wide, b)
    b_head = subtract(b_wide, b_over)
    b_rest = subtract(b, b_head)
    high = multiply(a, b)
    heads = multiply(a_head, b_head)
    first = subtract(heads, high)
    crossed = multiply(a_head, b_rest)
    second = add(first, crossed)
    recrossed = multiply(a_rest, b_head)
    third = add(second, recrossed)
    rests = multiply(a_rest, b_rest)
    low = add(third, rests)
    """,
)

# log2(a) of a positive normal number: a = 2^n m, m from 0.77 to 1.55, and c the nearest of four short numbers, of which
# log2 is known in two parts; log2(m) = log2(c) + 2 atanh(s) / ln 2 with s = (m - c) / (m + c).
_define(
    "log2_in_two(a) -> high, low",
    """
    whole = significand(a)
    e = exponent(a)
    upper = less(0x1.8ace54p+0, whole)
    halved = multiply(whole, 0.5)
    m = select(upper, halved, whole)
    up = add(e, 1)
    n = select(upper, up, e)
    least = less(m, 0x1.d5818ep-1)
    third = less(0x1.172b84p+0, m)
    fourth = less(0x1.4bfdaep+0, m)
    c_1 = select(least, 0.84375, 1)
    c_2 = select(third, 1.1875, c_1)
    c = select(fourth, 1.40625, c_2)
    head_1 = select(least, -0x1.f6p-3, 0)
    head_2 = select(third, 0x1.fbcp-3, head_1)
    head = select(fourth, 0x1.f7ap-2, head_2)
    rest_1 = select(least, 0x1.3ab7cep-18, 0)
    rest_2 = select(third, 0x1.6b9026p-19, rest_1)
    rest = select(fourth, 0x1.0ad196p-15, rest_2)
    difference = subtract(m, c)
    both, both_low = sum_in_two(c, m)
    s = divide(difference, both)
    part, part_low = product_in_two(s, both)
    left = subtract(difference, part)
    left_1 = subtract(left, part_low)
    more = multiply(s, both_low)
    left_2 = subtract(left_1, more)
    s_low = divide(left_2, both)
    u, u_error = product_in_two(s, 0x1.715476p+1)
    u_1 = multiply(s, 0x1.4ae0c0p-25)
    u_2 = multiply(s_low, 0x1.715476p+1)
    u_3 = add(u_1, u_2)
    u_low = add(u_error, u_3)
    square = multiply(s, s)
    p = polynomial(square, *LOG2)
    cube = multiply(s, square)
    tail = multiply(cube, p)
    known = add(n, head)
    sum, sum_low = sum_in_two(known, u)
    low_1 = add(u_low, rest)
    low_2 = add(low_1, tail)
    low_3 = add(low_2, sum_low)
    high, low = sum_in_two(sum, low_3)
    """,
)

POWER = _define(
    "power(x, y) -> z",
    """
    a = absolute(x)
    log, log_low = log2_in_two(a)
    y_above = maximum(y, -0x1p+40)       # beyond, the power of anything but 1 is zero or infinite
    exponent_ = minimum(y_above, 0x1p+40)
    t, t_error = product_in_two(log, exponent_)
    t_rest = multiply(log_low, exponent_)
    t_low = add(t_error, t_rest)
    t_above = maximum(t, -200)
    t_in = minimum(t_above, 200)
    ordinary = equal(t_in, t)
    low = select(ordinary, t_low, 0)
    n = round(t_in)
    fraction = subtract(t_in, n)
    binary = add(fraction, low)
    r = multiply(binary, 0x1.62e430p-1)
    p = polynomial(r, *EXP)
    square = multiply(r, r)
    curve = multiply(square, p)
    less_one = add(r, curve)
    one_more = add(less_one, 1)
    size = scale(one_more, n)
    rises = less(0, y)
    of_zero = select(rises, 0, inf)
    of_infinity = select(rises, inf, 0)
    zero = equal(a, 0)
    infinite = equal(a, inf)
    size_1 = select(zero, of_zero, size)
    size_2 = select(infinite, of_infinity, size_1)
    nearest = round(y)
    integer = equal(nearest, y)
    half = multiply(y, 0.5)
    half_nearest = round(half)
    even = equal(half_nearest, half)
    odd = select(even, 0, integer)
    sign = select(odd, x, 1)
    signed_size = signed(size_2, sign)
    below = less(x, 0)
    finite = less(a, inf)
    no_root = select(integer, 0, below)
    no_value = select(no_root, finite, 0)
    real = select(no_value, nan, signed_size)
    x_number = equal(x, x)
    y_number = equal(y, y)
    real_1 = select(x_number, real, nan)
    real_2 = select(y_number, real_1, nan)
    x_one = equal(x, 1)
    y_zero = equal(y, 0)
    one_1 = select(x_one, 1, real_2)
    z = select(y_zero, 1, one_1)
    """,
)
"""x^y, element by element."""
