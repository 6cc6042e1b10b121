"""The float32 divider, which also takes square roots: one result a cycle, one bit of it a stage."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.vector.float32 import BIAS, MANTISSA_BITS, WIDE_EXPONENT_BITS, Pipeline, packed, parts, rounded

STEPS = MANTISSA_BITS
"""Bits of the result after its first, which is 1: the fraction's 23 and the half."""

STEPS_A_STAGE = 1
REMAINDER_BITS = STEPS + 3


class Divide(wiring.Component):
    """``result`` = a / b, or with ``root`` the square root of a, ``LATENCY`` cycles after its operands with
    ``valid``.

    The schoolbook's recurrence: the remainder is doubled, and the divisor (of a root: twice the root so far, and the
    new bit) taken from it where it can be. Both have 24 bits behind the point.
    """

    LATENCY = 1 + STEPS // STEPS_A_STAGE + 2

    module_name = "lithify_float_divide"

    def __init__(self) -> None:
        super().__init__({"a": In(32), "b": In(32), "root": In(1), "valid": In(1), "result": Out(32)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pipe = Pipeline(m, "divide", self.valid)
        a, b, root = parts(self.a), parts(self.b), self.root

        # The first bit. A dividend below its divisor is doubled; so is a root's number with an odd exponent.
        below, odd = a.mantissa < b.mantissa, ~a.exponent[0]
        double = Mux(root, odd, below)
        number = Mux(double, a.mantissa << 1, a.mantissa)[: MANTISSA_BITS + 1]
        remainder = (number - Mux(root, 1 << (MANTISSA_BITS - 1), b.mantissa))[: MANTISSA_BITS + 1]
        quotient_exponent = a.exponent - b.exponent + (BIAS - 1) + ~below
        half_exponent = ((a.exponent + BIAS - odd) >> 1)[:8]
        exponent = Mux(root, half_exponent, quotient_exponent).as_signed()[:WIDE_EXPONENT_BITS].as_signed()
        negative = root & a.sign & ~a.zero
        zero = Mux(root, a.zero, a.zero | b.infinite)
        infinite = Mux(root, a.infinite, a.infinite | b.zero)
        nan = a.nan | Mux(root, negative, b.nan | (a.zero & b.zero) | (a.infinite & b.infinite))
        remainder, divisor, root, *rest = pipe.registers(
            (Cat(Const(0, 1), remainder), "remainder"), (Cat(Const(0, 1), b.mantissa), "divisor"), (root, "root"),
            (exponent, "exponent"), (Mux(root, a.sign, a.sign ^ b.sign), "sign"), (zero, "zero"),
            (infinite, "infinite"), (nan, "nan"),
        )  # fmt: skip
        # In units of 2^-24: the divisor and the remainder; the bits found so far.
        found: Any = Const(1, 1)  # the first bit last
        for stage in range(STEPS // STEPS_A_STAGE):
            for step in range(STEPS_A_STAGE):
                number = stage * STEPS_A_STAGE + step + 1
                taken = Signal(REMAINDER_BITS + 1, name=f"taken_{number}")
                # Twice the root so far, and the bit sought: found << (25 - (number - 1)) | 1 << (24 - number).
                of_root = Cat(Const(0, STEPS - number), Const(1, 1), Const(0, 1), found)
                m.d.comb += taken.eq(Cat(Const(0, 1), remainder) - Mux(root, of_root, divisor))
                fits = ~taken[-1]
                remainder = Mux(fits, taken, Cat(Const(0, 1), remainder))[:REMAINDER_BITS]
                found = Cat(fits, found)
            remainder, divisor, root, found, *rest = pipe.registers(
                (remainder, "remainder"), (divisor, "divisor"), (root, "root"), (found, "found"),
                *zip(rest, ("exponent", "sign", "zero", "infinite", "nan"), strict=True),
            )  # fmt: skip
        exponent, sign, zero, infinite, nan = rest
        result = rounded(sign, exponent.as_signed(), found[1:], found[0], remainder.any())
        ready = type(result)(
            *(pipe.register(getattr(result, name), name) for name in ("sign", "exponent", "fraction", "kept"))
        )
        zero, infinite, nan = pipe.registers((zero, "zero"), (infinite, "infinite"), (nan, "nan"))
        m.d.comb += self.result.eq(pipe.register(packed(ready, zero, infinite, nan), "result"))
        return m
