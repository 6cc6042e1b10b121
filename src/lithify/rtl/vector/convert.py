"""Integers to float32 and float32 to int8: how elements enter and leave the vector unit."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.compute.rounding import aligned, clamped, normalized
from lithify.rtl.vector.float32 import BIAS, FRACTION_BITS, MANTISSA_BITS, Pipeline, parts

TOP_BIT = 30


class FromInteger(wiring.Component):
    """``result`` = the float32 nearest to ``value``, halves to even; 0 is +0. ``LATENCY`` cycles after ``valid``."""

    LATENCY = 2

    module_name = "lithify_float_from_integer"

    def __init__(self) -> None:
        super().__init__({"value": In(signed(32)), "valid": In(1), "result": Out(32)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pipe = Pipeline(m, "from_integer", self.valid)
        sign = self.value[31]
        # A negative number is complemented here, and made one larger where it is rounded.
        # The two smallest shifts come after the register: before it the number is chosen out of a word.
        value, far = normalized(m, self.value[:31] ^ sign.replicate(31), sign, "shift", levels=(4, 3, 2))
        value, far, sign = pipe.registers((value, "value"), (far, "places"), (sign, "sign"))
        value, near = normalized(m, value, sign, "shift", levels=(1, 0))
        places = Cat(near, far)
        kept, rest = value[7:], value[:7]
        up = Mux(sign, rest[6] | (rest[:6].all() & kept[0]), rest[6] & (rest[:6].any() | kept[0]))
        mantissa = Signal(MANTISSA_BITS + 1)
        m.d.comb += mantissa.eq(kept + up)
        exponent = (BIAS + TOP_BIT - places + mantissa[-1])[:8]
        number = Cat(mantissa[:FRACTION_BITS], exponent, sign)
        m.d.comb += self.result.eq(pipe.register(Mux(value[-1], number, 0)[:32], "result"))
        return m


class ToInt8(wiring.Component):
    """``result`` = clip(rint(value) + zero_point, minimum, maximum) ``LATENCY`` cycles after ``valid``; NaN is the
    minimum.
    """

    LATENCY = 2

    module_name = "lithify_float_to_int8"

    def __init__(self) -> None:
        super().__init__(
            {"value": In(32), "zero_point": In(signed(8)), "minimum": In(signed(8)), "maximum": In(signed(8)),
             "valid": In(1), "result": Out(8)}
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pipe = Pipeline(m, "to_int8", self.valid)
        value = parts(self.value)
        near, sign = pipe.registers(
            (aligned(m, Cat(value.mantissa, Const(0, 1)), value.exponent, value.zero, "value"), "near"),
            (value.sign | value.nan, "sign"),
        )
        result = clamped(m, near, sign, self.zero_point, self.minimum, self.maximum, "value")
        m.d.comb += self.result.eq(pipe.register(result, "result"))
        return m
