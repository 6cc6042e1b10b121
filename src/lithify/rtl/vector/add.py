"""The float32 adder, which also compares, chooses and rounds: one result a cycle."""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.isa.vector import Second
from lithify.rtl.compute.rounding import normalized
from lithify.rtl.vector.float32 import (
    BIAS,
    FRACTION_BITS,
    MANTISSA_BITS,
    NAN,
    WIDE_EXPONENT_BITS,
    Parts,
    Pipeline,
    packed,
    parts,
    rounded,
)

GUARD_BITS = 3
ONE = BIAS << FRACTION_BITS


class Add(wiring.Component):
    """``result`` of ``operation`` (a ``Second`` below DIVIDE) on a and b, ``LATENCY`` cycles after its operands
    with ``valid``.

    REVERSE is b - a, SELECT takes a where ``mask`` is set; ROUND, EXPONENT and SIGNIFICAND are of a alone.

    Whatever is chosen instead of added goes through the adder as its only addend, which is exact.
    """

    LATENCY = 7

    module_name = "lithify_float_add"

    def __init__(self) -> None:
        super().__init__(
            {"a": In(32), "b": In(32), "operation": In(4), "mask": In(1), "valid": In(1), "result": Out(32)}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pipe = Pipeline(m, "add", self.valid)
        a, b = _flushed(self.a), _flushed(self.b)
        distance = (a[FRACTION_BITS:31] - b[FRACTION_BITS:31])[:9].as_signed()
        # Which is larger in size, and what round makes of a.
        a, b, larger, same, ahead, behind, nearest, operation, mask = pipe.registers(
            (a, "a"), (b, "b"), (b[:31] > a[:31], "larger"), (b[:31] == a[:31], "same"), (distance, "ahead"),
            (-distance, "behind"), (_rounded_to_integer(m, parts(a)), "nearest"), (self.operation, "operation"),
            (self.mask, "mask"),
        )  # fmt: skip

        chosen = self._chosen(m, a, b, larger, same, nearest, operation, mask)
        adds = Signal()
        m.d.comb += adds.eq(operation <= Second.REVERSE)
        left, right, only = parts(a), parts(b), parts(chosen)
        left_sign = left.sign ^ (operation == Second.REVERSE)
        right_sign = right.sign ^ (operation == Second.SUBTRACT)
        apart = Mux(larger, behind, ahead)[:8]
        opposite = left_sign ^ right_sign
        nan = left.nan | right.nan | (left.infinite & right.infinite & opposite)
        zeros = left.zero & right.zero
        # -0 only from two of them; a difference of equal numbers is +0.
        zero_sign = Mux(adds, left_sign & right_sign & zeros, only.sign)
        large, small, exponent, apart, sign, zero_sign, subtract, infinite, nan = pipe.registers(
            (Mux(adds, Mux(larger, right.mantissa, left.mantissa), only.mantissa), "large"),
            (Mux(adds, Mux(larger, left.mantissa, right.mantissa), 0), "small"),
            (Mux(adds, Mux(larger, right.exponent, left.exponent), only.exponent), "exponent"),
            (Mux(apart[5:].any(), 31, apart[:5])[:5], "apart"),
            (Mux(adds, Mux(larger, right_sign, left_sign), only.sign), "sign"), (zero_sign, "zero_sign"),
            (adds & opposite, "subtract"), (Mux(adds, left.infinite | right.infinite, only.infinite), "infinite"),
            (Mux(adds, nan, only.nan), "nan"),
        )  # fmt: skip
        # An infinity has the largest exponent, so the sign of the larger is its sign.

        value: Any = Cat(Const(0, GUARD_BITS), small)
        for level in range(5):
            amount = 1 << level
            shifted = Signal(MANTISSA_BITS + GUARD_BITS, name=f"align_{amount}")
            m.d.comb += shifted.eq(Mux(apart[level], Cat(value[: amount + 1].any(), value[amount + 1 :]), value))
            value = shifted
        value, large, exponent, sign, zero_sign, subtract, infinite, nan = pipe.registers(
            (value, "aligned"), (large, "large"), (exponent, "exponent"), (sign, "sign"), (zero_sign, "zero_sign"),
            (subtract, "subtract"), (infinite, "infinite"), (nan, "nan"),
        )  # fmt: skip

        total = Signal(MANTISSA_BITS + GUARD_BITS + 1)
        flipped = Cat(value, Const(0, 1)) ^ subtract.replicate(len(total))
        m.d.comb += total.eq(Cat(Const(0, GUARD_BITS), large, Const(0, 1)) + flipped + subtract)
        total, exponent, sign, zero_sign, infinite, nan = pipe.registers(
            (total, "total"), (exponent, "exponent"), (sign, "sign"), (zero_sign, "zero_sign"),
            (infinite, "infinite"), (nan, "nan"),
        )  # fmt: skip

        value, places = normalized(m, total, 0, "normal")
        normal = (exponent + 1 - places).as_signed()[:WIDE_EXPONENT_BITS].as_signed()
        value, exponent, sign, zero_sign, infinite, nan = pipe.registers(
            (value, "normal"), (normal, "exponent"), (sign, "sign"), (zero_sign, "zero_sign"),
            (infinite, "infinite"), (nan, "nan"),
        )  # fmt: skip

        zero = ~value[-1]
        rest = len(value) - MANTISSA_BITS
        result = rounded(sign, exponent, value[rest:], value[rest - 1], value[: rest - 1].any())
        ready = type(result)(
            pipe.register(Mux(zero, zero_sign, sign), "sign"), pipe.register(result.exponent, "exponent"),
            pipe.register(result.fraction, "fraction"), Const(0, 1),
        )  # fmt: skip
        zero, infinite, nan = pipe.registers((zero, "zero"), (infinite, "infinite"), (nan, "nan"))
        m.d.comb += self.result.eq(pipe.register(packed(ready, zero, infinite, nan), "result"))
        return m

    def _chosen(
        self, m: Module, a: Any, b: Any, larger: Any, same: Any, nearest: Any, operation: Any, mask: Any
    ) -> Any:
        """What passes through for every operation that does not add."""
        left, right = parts(a), parts(b)
        nan = left.nan | right.nan
        # Of two zeros -0 is the smaller for the extremes, and neither for a comparison.
        order = Signal()  # a is below b
        m.d.comb += order.eq(Mux(left.sign, Mux(right.sign, ~larger & ~same, 1), ~right.sign & larger))
        zeros = left.zero & right.zero
        less = order & ~zeros & ~nan
        equal = (zeros | (same & (left.sign == right.sign))) & ~nan
        whole = Const(ONE, 32)
        outcomes = {
            Second.MAXIMUM: Mux(nan, NAN, Mux(order, b, a)),
            Second.MINIMUM: Mux(nan, NAN, Mux(order, a, b)),
            Second.LESS: Mux(less, whole, 0),
            Second.EQUAL: Mux(equal, whole, 0),
            Second.SELECT: Mux(mask, a, b),
            Second.SIGNED: Cat(a[:31], right.sign & ~right.nan),
            Second.ROUND: nearest,
            Second.EXPONENT: _float_of_exponent(m, left),
            Second.SIGNIFICAND: Cat(Mux(left.nan, NAN, Mux(left.zero, 0, a))[:FRACTION_BITS], Const(BIAS, 9)),
        }
        chosen = Signal(32)
        m.d.comb += chosen.eq(Array(Value.cast(outcomes.get(Second(code), 0)) if code < len(Second) else Const(0, 32)
                                    for code in range(16))[operation])  # fmt: skip
        return chosen


def _flushed(number: Any) -> Value:
    """A number with subnormal ones made zeros."""
    return Cat(Mux(number[FRACTION_BITS:31] == 0, 0, number[:FRACTION_BITS])[:FRACTION_BITS], number[FRACTION_BITS:32])


def _rounded_to_integer(m: Module, number: Parts) -> Value:
    """The nearest integer, halves to even, as a float of the same sign; infinity and NaN as they are."""
    drop = Signal(8, name="round_drop")  # bits of the mantissa behind the point
    m.d.comb += drop.eq(BIAS + FRACTION_BITS - number.exponent)
    ones = ((1 << drop[:5]) - 1)[:MANTISSA_BITS]
    unit, half = (1 << drop[:5])[: MANTISSA_BITS + 1], ((1 << drop[:5]) >> 1)[:MANTISSA_BITS]
    is_half, below = (number.mantissa & half).any(), (number.mantissa & (half - 1)[:MANTISSA_BITS]).any()
    odd = (Cat(number.mantissa, Const(0, 1)) & unit).any()
    up = is_half & (below | odd)
    total = (Cat(number.mantissa & ~ones, Const(0, 1)) + Mux(up, unit, 0))[: MANTISSA_BITS + 1]
    exponent = (number.exponent + total[-1])[:8]
    nearest = Cat(total[:FRACTION_BITS], exponent, number.sign)
    whole = Cat(number.mantissa[:FRACTION_BITS], number.exponent, number.sign)
    integral = number.exponent >= BIAS + FRACTION_BITS
    small = number.exponent < BIAS - 1
    none = Cat(Const(0, 31), number.sign)
    return Mux(integral, whole, Mux(small | ~(total[MANTISSA_BITS - 1 :].any()), none, nearest))[:32]


def _float_of_exponent(m: Module, number: Parts) -> Value:
    """The unbiased exponent, an integer from -127 to 128, as a float."""
    negative = number.exponent < BIAS
    size = Mux(negative, BIAS - number.exponent, number.exponent - BIAS)[:8]
    value, places = normalized(m, size, 0, "exponent")
    exponent = (BIAS + 7 - places)[:8]
    number_ = Cat(Const(0, FRACTION_BITS - 7), value[:7], exponent, negative)
    return Mux(value[-1], number_, 0)[:32]
