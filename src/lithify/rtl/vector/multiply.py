"""The float32 multiplier, one product a cycle."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.vector.float32 import (
    BIAS,
    FRACTION_BITS,
    MANTISSA_BITS,
    WIDE_EXPONENT_BITS,
    Pipeline,
    packed,
    parts,
    rounded,
)

HALF = MANTISSA_BITS // 2
STEP_LIMIT = 512
EXPONENT_LIMIT = 500
INTEGER_BITS = 11


class Multiply(wiring.Component):
    """``result`` = a * b, ``LATENCY`` cycles after its operands with ``valid``. With ``scale``: a * 2^rint(b)."""

    LATENCY = 5

    module_name = "lithify_float_multiply"

    def __init__(self) -> None:
        super().__init__({"a": In(32), "b": In(32), "scale": In(1), "valid": In(1), "result": Out(32)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pipe = Pipeline(m, "multiply", self.valid)
        a, b = parts(self.a), parts(self.b)

        # Scale: b becomes 1.0 and its integer a step of the exponent.
        steps = Signal(signed(INTEGER_BITS))
        m.d.comb += steps.eq(_steps(b))
        mantissa = Mux(self.scale, 1 << FRACTION_BITS, b.mantissa)[:MANTISSA_BITS]
        offset = Mux(self.scale, steps, b.exponent - BIAS)
        zero = a.zero | (b.zero & ~self.scale)
        infinite = a.infinite | (b.infinite & ~self.scale)
        nan = a.nan | b.nan | (zero & infinite)
        left, right, exponent, offset, sign, zero, infinite, nan = pipe.registers(
            (a.mantissa, "a"), (mantissa, "b"), (a.exponent, "exponent"), (offset, "offset"),
            (a.sign ^ (b.sign & ~self.scale), "sign"), (zero, "zero"), (infinite, "infinite"), (nan, "nan"),
        )  # fmt: skip

        # The product in two halves, then their sum.
        low, high, total, sign, zero, infinite, nan = pipe.registers(
            (left * right[:HALF], "low"), (left * right[HALF:], "high"),
            ((exponent + offset).as_signed()[: WIDE_EXPONENT_BITS + 1].as_signed(), "exponent"), (sign, "sign"),
            (zero, "zero"), (infinite, "infinite"), (nan, "nan"),
        )  # fmt: skip
        # Beyond +-500 the number is infinite or zero all the same.
        bounded = Mux(total < -EXPONENT_LIMIT, -EXPONENT_LIMIT, Mux(total > EXPONENT_LIMIT, EXPONENT_LIMIT, total))
        product, sticky, exponent, sign, zero, infinite, nan = pipe.registers(
            ((low[HALF:] + high)[: MANTISSA_BITS + HALF], "product"), (low[:HALF].any(), "sticky"),
            (bounded.as_signed()[:WIDE_EXPONENT_BITS].as_signed(), "exponent"), (sign, "sign"),
            (zero, "zero"), (infinite, "infinite"), (nan, "nan"),
        )  # fmt: skip

        first = product[-1]
        value = Mux(first, product, product << 1)[: MANTISSA_BITS + HALF]
        below = value[: HALF - 1].any() | sticky
        exponent = (exponent + first).as_signed()[:WIDE_EXPONENT_BITS].as_signed()
        result = rounded(sign, exponent, value[HALF:], value[HALF - 1], below)
        names = ("sign", "exponent", "fraction", "kept")
        ready = type(result)(*(pipe.register(getattr(result, name), name) for name in names))
        zero, infinite, nan = pipe.registers((zero, "zero"), (infinite, "infinite"), (nan, "nan"))
        m.d.comb += self.result.eq(pipe.register(packed(ready, zero, infinite, nan), "result"))
        return m


def _steps(number: Any) -> Any:
    """rint(b) of a number's parts, within +-512."""
    # Aligned so that bit 11 is the unit: 11 bits below it, of which the first is the half.
    place = (number.exponent - (BIAS - 1))[:4]  # 0 for a half up to 10 for 512
    wide = (number.mantissa << place)[: MANTISSA_BITS + 10]
    integer, half, sticky = wide[MANTISSA_BITS:], wide[FRACTION_BITS], wide[:FRACTION_BITS].any()
    nearest = Mux(number.exponent < BIAS - 1, 0, integer + (half & (sticky | integer[0])))
    size = Mux(number.exponent >= BIAS + 9, STEP_LIMIT, nearest)
    size = Cat(size[: INTEGER_BITS - 1], Const(0, 1)).as_signed()
    return Mux(number.sign, -size, size)
