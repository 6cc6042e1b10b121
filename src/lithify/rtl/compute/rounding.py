"""Pieces of float32 arithmetic: normalise, round to nearest even, round to an integer, clamp.

A positive float is a mantissa of 24 bits, the first of them 1, and a biased exponent: mantissa * 2 ** (exponent - 150).
"""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

MANTISSA_BITS = 24
EXPONENT_BITS = 9
"""Exponents are not clamped to float32's range: what would be infinite here is a large number, and is clipped alike."""

BIAS = 127
INTEGER_BITS = 10
"""An int8 zero point added to 512 or more is clipped, so a larger integer need not be told from 1023."""


def normalized(
    m: Module, value: Value, fill: Any, name: str, levels: Sequence[int] | None = None
) -> tuple[Value, Value]:
    """``value`` shifted left until its first bit is 1, ``fill`` bits entering, and by how many places.

    A value of zeros ends after the largest shift, (the power of two above its length) - 1 or its length - 1.
    ``levels``: the shifts that are taken here, as powers of two from the largest on, where a register comes between.
    Which are taken is then told from groups of bits as they come, beside the shifting.
    """
    bits = len(value)
    places: list[Value] = []
    chosen = tuple(reversed(range((bits - 1).bit_length()))) if levels is None else tuple(levels)
    group = 1 << min(chosen)
    ahead = Signal(-(-bits // group), name=f"{name}_ahead")
    if levels:
        m.d.comb += ahead.eq(Cat(value[max(0, end - group) : end].any() for end in range(bits, 0, -group)))
    for level in chosen:
        amount = 1 << level
        empty, shifted = Signal(name=f"{name}_empty_{amount}"), Signal(bits, name=f"{name}_{amount}")
        if levels:
            groups, before = amount // group, ahead
            ahead = Signal(len(before), name=f"{name}_ahead_{amount}")
            m.d.comb += [empty.eq(~before[:groups].any()), ahead.eq(Mux(empty, before >> groups, before))]
        else:
            m.d.comb += empty.eq(~value[bits - amount :].any())
        m.d.comb += shifted.eq(Mux(empty, Cat(Value.cast(fill).replicate(amount), value[: bits - amount]), value))
        value = shifted
        places.insert(0, empty)
    return value, Cat(places)


def rounded(value: Value, sticky: Any = 0) -> Value:
    """The first 24 bits of ``value``, rounded to nearest even: 25 bits, as rounding up may carry.

    ``sticky``: a one somewhere below the value's last bit.
    """
    rest = len(value) - MANTISSA_BITS
    kept, half = value[rest:], value[rest - 1]
    below = value[: rest - 1].any() | sticky if rest > 1 else sticky
    return (kept + (half & (below | kept[0])))[: MANTISSA_BITS + 1]


def aligned(m: Module, mantissa: Value, exponent: Value, zero: Any, name: str) -> Value:
    """Integer part, half bit and sticky bit of a float whose 25-bit mantissa may be 2 ** 24: 12 bits, sticky first.

    Exact up to 511; above it the integer part is 1023. Below a half it is zero.
    """
    return shifted(m, mantissa, *place_of(exponent, zero), name)


def place_of(exponent: Value, zero: Any) -> tuple[Value, Value, Value]:
    """What ``shifted`` needs of a float: how far its mantissa is shifted, whether it is below a half, and too large."""
    first = BIAS - 1  # the exponent of 0.5
    limit = BIAS + INTEGER_BITS - 1
    return (exponent + (16 - first % 16))[:4], zero | (exponent < first), exponent >= limit


def shifted(m: Module, mantissa: Value, place: Value, none: Value, large: Value, name: str) -> Value:
    """``aligned``, of what ``place_of`` gave."""
    wide = Signal(MANTISSA_BITS + INTEGER_BITS, name=f"{name}_wide")
    m.d.comb += wide.eq(mantissa << place)
    parts = Cat(wide[: MANTISSA_BITS - 1].any(), wide[MANTISSA_BITS - 1 :])
    return Mux(none, 0, Mux(large, Const(((1 << INTEGER_BITS) - 1) << 2, INTEGER_BITS + 2), parts))


def clamped(m: Module, parts: Value, negative: Any, zero_point: Value, low: Value, high: Value, name: str) -> Value:
    """clip(rint(float) + zero_point, low, high) from what ``aligned`` gave: halves go to the even integer."""
    sticky, half, integer = parts[0], parts[1], parts[2:]
    up = half & (sticky | integer[0])
    # -(integer + up) = ~integer + 1 - up: one adder with a carry.
    total = Signal(signed(INTEGER_BITS + 2), name=f"{name}_total")
    flipped = Cat(integer ^ negative.replicate(INTEGER_BITS), negative, negative).as_signed()
    m.d.comb += total.eq(flipped + zero_point + (up ^ negative))
    return Mux(total < low, low, Mux(total > high, high, total[:8]))[:8]
