"""Primitives against exact rational arithmetic, and the order of sums against a plain loop."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lithify.reference.float32 import NAN, PRIMITIVES, flushed, row_maximum, row_sum

SPECIAL = np.array(
    [0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC12345, 0x7F800001,
     0x00800000, 0x80800000, 0x00FFFFFF, 0x007FFFFF, 0x807FFFFF, 0x00000001, 0x80000001, 0x7F7FFFFF, 0xFF7FFFFF,
     0x3F7FFFFF, 0x3F800001, 0x4B000000, 0x4B000001, 0x40400000, 0x3F000000, 0x3FC00000, 0x34000000, 0x5F000000],
    np.uint32,
).view(np.float32)  # fmt: skip


def random_floats(random: np.random.Generator, count: int) -> np.ndarray:
    """Any bits; specials; and numbers near one."""
    bits = random.integers(0, 2**32, count, np.uint32)
    near = (random.integers(96, 160, count) << 23 | random.integers(0, 2**23, count)).astype(np.uint32)
    near |= random.integers(0, 2, count, np.uint32) << 31
    kind = random.integers(0, 4, count)
    return np.select([kind == 0, kind == 1], [bits, random.choice(SPECIAL.view(np.uint32), count)], near).astype(
        np.uint32
    ).view(np.float32)  # fmt: skip


def nearest(value: Fraction) -> float:
    """IEEE's float32 of a rational number, then flushed; by integers alone. The sign of a zero is the caller's."""
    if value == 0:
        return 0.0
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > size
    step = Fraction(2) ** (max(exponent, -126) - 23)
    whole, rest = divmod(size, step)
    whole += rest > step / 2 or (rest == step / 2 and whole % 2 == 1)
    result = whole * step
    sign = -1.0 if value < 0 else 1.0
    if result >= Fraction(2) ** 128:
        return sign * math.inf
    return sign * (float(result) if result >= Fraction(2) ** -126 else 0.0)


def exact(name: str, a: float, b: float) -> float:
    """a + b and so on, of flushed operands."""
    a, b = (math.copysign(0.0, v) if abs(v) < 2.0**-126 else v for v in (a, b))
    if name == "subtract":
        b = -b
    if name in ("add", "subtract"):
        if not (math.isfinite(a) and math.isfinite(b)):
            return a + b
        return a + b if a == b == 0 else nearest(Fraction(a) + Fraction(b))
    sign = math.copysign(1.0, a) * math.copysign(1.0, b)
    if math.isnan(a) or math.isnan(b):
        return math.nan
    if name == "multiply":
        if math.isinf(a) or math.isinf(b):
            return math.nan if a == 0 or b == 0 else sign * math.inf
        return math.copysign(nearest(Fraction(abs(a)) * Fraction(abs(b))), sign)
    if (math.isinf(a) and math.isinf(b)) or (a == 0 and b == 0):
        return math.nan
    if math.isinf(a) or b == 0:
        return sign * math.inf
    return sign * 0.0 if math.isinf(b) else math.copysign(nearest(Fraction(abs(a)) / Fraction(abs(b))), sign)


def bits(values: object) -> list[int]:
    """The bits, every NaN as one."""
    array = np.asarray(values, np.float32)
    return np.where(np.isnan(array), 0x7FC00000, array.view(np.uint32)).ravel().tolist()


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_arithmetic_is_exact_arithmetic_rounded_once(name: str) -> None:
    random = np.random.default_rng(11)
    a, b = random_floats(random, 2500), random_floats(random, 2500)
    b[:300] = -a[:300]
    b[300:600] = (a[300:600].view(np.uint32) ^ random.integers(0, 64, 300, np.uint32)).view(np.float32)
    # Quotients and products around the smallest normal number.
    a[600:900] = np.ldexp(random.uniform(1, 2, 300), -100).astype(np.float32)
    b[600:900] = np.ldexp(random.uniform(1, 2, 300), -27 if name == "multiply" else 27).astype(np.float32)
    first, second = np.broadcast_arrays(SPECIAL[:, None], SPECIAL)
    a, b = np.concatenate([a, first.ravel()]), np.concatenate([b, second.ravel()])
    got = PRIMITIVES[name].meaning(a, b)
    wanted = [exact(name, float(x), float(y)) for x, y in zip(a, b, strict=True)]
    assert bits(got) == bits(wanted)
    assert set(np.unique(got[np.isnan(got)].view(np.uint32))) <= {0x7FC00000}


def test_the_product_just_below_the_smallest_normal_number_rounds_up_to_it() -> None:
    """As IEEE 754 has it: the subnormal neighbours are a step of 2^-149 apart, and the half goes to the even one."""
    a, b = np.float32(2.0**-126), np.float32(1 - 2.0**-24)
    assert PRIMITIVES["multiply"].meaning(a, b) == a
    assert PRIMITIVES["multiply"].meaning(a, np.float32(1 - 2.0**-23)) == 0


def test_square_root() -> None:
    values = np.abs(random_floats(np.random.default_rng(3), 1500))
    values = np.concatenate([values, SPECIAL])
    for value, got in zip(values, PRIMITIVES["square_root"].meaning(values), strict=True):
        if np.isfinite(value) and value >= 2.0**-126:
            # The root is nearer to it than to its neighbours: compared by squares, exactly.
            below, above = (np.nextafter(got, np.float32(way)) for way in (-np.inf, np.inf))
            low, high = (Fraction(float(got)) + Fraction(float(other)) for other in (below, above))
            assert (low / 2) ** 2 < Fraction(float(value)) < (high / 2) ** 2
    assert bits(PRIMITIVES["square_root"].meaning(np.float32([0.0, -0.0, -1.0, np.inf, 1e-40, -1e-40]))) == bits(
        [0.0, -0.0, math.nan, math.inf, 0.0, -0.0]
    )


@pytest.mark.parametrize(
    ("name", "operands", "wanted"),
    [
        ("maximum", (0.0, -0.0), 0.0),
        ("maximum", (-0.0, 0.0), 0.0),
        ("maximum", (-0.0, -0.0), -0.0),
        ("minimum", (0.0, -0.0), -0.0),
        ("minimum", (-0.0, 0.0), -0.0),
        ("maximum", (1.0, math.nan), math.nan),
        ("minimum", (math.nan, 1.0), math.nan),
        ("maximum", (1e-40, -1.0), 0.0),
        ("less", (-0.0, 0.0), 0.0),
        ("less", (-1e-40, 1e-40), 0.0),
        ("less", (math.nan, 1.0), 0.0),
        ("less", (-math.inf, -1.0), 1.0),
        ("equal", (-0.0, 0.0), 1.0),
        ("equal", (math.nan, math.nan), 0.0),
        ("select", (1.0, 2.0, 3.0), 2.0),
        ("select", (0.0, 2.0, 3.0), 3.0),
        ("select", (-0.0, 2.0, 3.0), 3.0),
        ("absolute", (-0.0,), 0.0),
        ("negate", (0.0,), -0.0),
        ("signed", (2.0, -0.0), -2.0),
        ("signed", (-2.0, math.nan), 2.0),
        ("round", (2.5,), 2.0),
        ("round", (-0.5,), -0.0),
        ("round", (8388609.0,), 8388609.0),
        ("scale", (1.5, 2.5), 6.0),
        ("scale", (1.0, 128.0), math.inf),
        ("scale", (-1.5, -127.0), -0.0),
        ("scale", (0.0, math.inf), 0.0),
        ("scale", (math.inf, -math.inf), math.inf),
        ("scale", (2.0**-126, 1e30), math.inf),
        ("scale", (1.0, math.nan), math.nan),
        ("scale", (2 - 2.0**-23, -127.0), 2.0**-126),
        ("exponent", (0.75,), -1.0),
        ("exponent", (0.0,), -127.0),
        ("exponent", (1e-40,), -127.0),
        ("exponent", (-math.inf,), 128.0),
        ("exponent", (math.nan,), 128.0),
        ("significand", (-0.75,), 1.5),
        ("significand", (0.0,), 1.0),
        ("significand", (math.nan,), 1.5),
    ],
)
def test_the_table_of_special_cases(name: str, operands: tuple[float, ...], wanted: float) -> None:
    assert len(operands) == PRIMITIVES[name].operands
    assert bits(PRIMITIVES[name].meaning(*np.float32(operands))) == bits(wanted)


def test_subnormal_numbers_are_zeros_of_their_sign() -> None:
    assert bits(flushed(np.float32([1e-40, -1e-40, 2.0**-126]))) == bits([0.0, -0.0, 2.0**-126])


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 127, 200, 768])
def test_the_order_of_a_sum(length: int) -> None:
    row = np.random.default_rng(length).normal(size=length).astype(np.float32) * np.float32(1e3)
    partial = [np.float32(0)] * 64
    for index, value in enumerate(row):
        partial[index % 64] = partial[index % 64] + value
    distance = 32
    while distance:
        for index in range(distance):
            partial[index] = partial[index] + partial[index + distance]
        distance //= 2
    assert bits(row_sum(row)) == bits(partial[0])
    assert bits(row_maximum(row)) == bits(row.max())


def test_a_row_has_the_same_sum_alone_and_among_others() -> None:
    rows = np.random.default_rng(0).normal(size=(37, 130)).astype(np.float32)
    together = row_sum(rows)
    assert together.shape == (37, 1)
    assert bits(together) == [entry for row in rows for entry in bits(row_sum(row))]
    assert bits(row_sum(np.float32([[-0.0]]))) == bits(0.0)
    assert bits(row_maximum(np.float32([[-5.0, NAN]]))) == bits(math.nan)
