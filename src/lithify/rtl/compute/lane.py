"""A post-processing lane: from a sum to an int8 result, one a cycle, every float32 step rounded as numpy does."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.rtl.compute.ring import two
from lithify.rtl.compute.rounding import EXPONENT_BITS, MANTISSA_BITS, clamped, normalized, place_of, rounded, shifted

FRACTION_BITS = MANTISSA_BITS - 1

FAR, NEAR = (4, 3, 2), (1, 0)
"""The shifts that normalise a number of 17 to 32 bits, in two cycles, as powers of two."""


class Lane(wiring.Component):
    """clip(rint(f32(sum + bias) * multiplier) + zero_point, minimum, maximum), then the addition of the residual.

    With ``sum`` in cycle d, ``bias`` is read in d, ``multiplier`` in d+4, ``zero_point`` to ``maximum`` in d+9; the
    result is there in d+10. With the unit "add": ``b`` and the zero points in d+10, their multipliers in d+12,
    ``sum_zero_point`` to ``sum_maximum`` in d+22, the result in d+23 (``chip/pipeline.py``). Multipliers are float32
    without their sign.
    """

    def __init__(self, chip: Chip) -> None:
        self.add = chip.has("add")
        ports: dict[str, Any] = {
            "sum": In(signed(32)),
            "bias": In(signed(32)),
            "multiplier": In(31),
            "zero_point": In(signed(8)),
            "minimum": In(signed(8)),
            "maximum": In(signed(8)),
            "result": Out(8),
        }
        if self.add:
            ports |= {name: In(signed(8)) for name in ("b", "a_zero_point", "b_zero_point")}
            ports |= {name: In(31) for name in ("a_multiplier", "b_multiplier")}
            ports |= {name: In(signed(8)) for name in ("sum_zero_point", "sum_minimum", "sum_maximum")}
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        return "lithify_lane_add" if self.add else "lithify_lane"

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._module = m
        scaled = self._scale()
        if self.add:
            a = self._product(scaled.as_signed(), self.a_zero_point, self.a_multiplier, "a")
            b = self._product(self.b, self.b_zero_point, self.b_multiplier, "b")
            m.d.comb += self.result.eq(self._sum(a, b))
        else:
            m.d.comb += self.result.eq(scaled)
        return m

    def _register(self, value: Any, name: str) -> Any:
        """A pipeline register."""
        signal = Signal(Value.cast(value).shape(), name=name, reset_less=True)
        self._module.d.sync += signal.eq(value)
        return signal

    def _scale(self) -> Any:
        """The sum's int8 result."""
        m, register = self._module, self._register
        total = register((register(self.sum, "sum_read") + register(self.bias, "bias_read"))[:32], "total")

        # To float: a negative number is complemented here, and made one larger where it is rounded.
        sign = total[31]
        value, far = normalized(m, total[:31] ^ sign.replicate(31), sign, "shift", FAR)
        value, far, sign = register(value, "shifted"), register(far, "far"), register(sign, "shifted_sign")
        value, near = normalized(m, value, sign, "shift", NEAR)
        value, places = register(value, "integer"), register(Cat(near, far), "places")
        sign = register(sign, "integer_sign")
        zero = ~value[-1]
        kept, rest = value[7:], value[:7]
        up = Mux(sign, rest[6] | (rest[:6].all() & kept[0]), rest[6] & (rest[:6].any() | kept[0]))
        mantissa = Signal(MANTISSA_BITS + 1, name="float_mantissa")
        m.d.comb += mantissa.eq(kept + up)
        exponent = register(Mux(mantissa[-1], 31 - places, 30 - places)[:5], "float_exponent")
        fraction = register(mantissa[:FRACTION_BITS], "float_fraction")
        zero, sign = register(zero, "float_zero"), register(sign, "float_sign")

        # The product in four quarters, each of them a multiplier of its own; then their sum.
        multiplier = register(self.multiplier, "multiplier_read")
        full, scale = Cat(fraction, Const(1, 1)), Cat(multiplier[:FRACTION_BITS], Const(1, 1))
        low, high = register(full[:12] * scale[:12], "product_low"), register(full[12:] * scale[12:], "product_high")
        cross = register(full[12:] * scale[:12], "product_cross"), register(full[:12] * scale[12:], "product_across")
        exponent = register((exponent + multiplier[FRACTION_BITS:])[:EXPONENT_BITS], "product_exponent")
        zero, sign = register(zero, "product_zero"), register(sign, "product_sign")
        product = register(_three(36, Cat(low[12:], high), *cross), "product")
        sticky = register(low[:12].any(), "product_sticky")
        exponent, zero, sign = (register(exponent, "exponent"), register(zero, "zero"), register(sign, "sign"))

        value = Mux(product[-1], product, product << 1)[:36]
        exponent = (exponent + product[-1])[:EXPONENT_BITS]
        parts, sign = self._parts(rounded(value, sticky), exponent, zero, sign, "scaled")
        return register(clamped(m, parts, sign, self.zero_point, self.minimum, self.maximum, "scaled"), "scaled")

    def _parts(self, mantissa: Value, exponent: Value, zero: Any, sign: Any, name: str) -> tuple[Any, Any]:
        """``aligned`` with a register between the rounding and the shift, and one behind; with its sign."""
        register = self._register
        mantissa = register(mantissa, f"{name}_mantissa")
        place, none, large = (
            register(value, f"{name}_{part}")
            for value, part in zip(place_of(exponent, zero), ("place", "none", "large"), strict=True)
        )
        parts = register(shifted(self._module, mantissa, place, none, large, name), f"{name}_parts")
        return parts, register(register(sign, f"{name}_mantissa_sign"), f"{name}_parts_sign")

    def _product(self, value: Value, zero_point: Value, multiplier: Value, name: str) -> tuple[Any, Any, Any]:
        """f32((value - zero_point) * multiplier): its sign, exponent and mantissa; a zero has exponent 0."""
        m, register = self._module, self._register
        below = Signal(name=f"{name}_below")
        m.d.comb += below.eq(value < zero_point)
        magnitude = register(Mux(below, zero_point - value, value - zero_point)[:8], f"{name}_magnitude")
        sign = register(below, f"{name}_magnitude_sign")
        integer, places = normalized(m, magnitude, 0, f"{name}_shift")
        integer, places = register(integer, f"{name}_integer"), register(places, f"{name}_places")
        sign = register(sign, f"{name}_integer_sign")

        scale = Cat(multiplier[:FRACTION_BITS], Const(1, 1))
        low = register(integer * scale[:12], f"{name}_product_low")
        high = register(integer * scale[12:], f"{name}_product_high")
        exponent = register((multiplier[FRACTION_BITS:] + (7 - places))[:EXPONENT_BITS], f"{name}_places_exponent")
        zero, sign = register(~integer[-1], f"{name}_places_zero"), register(sign, f"{name}_places_sign")
        product = register(Cat(low[:12], (high + low[12:])[:20]), f"{name}_product")
        exponent = register(exponent, f"{name}_product_exponent")
        zero, sign = register(zero, f"{name}_zero"), register(sign, f"{name}_product_sign")

        mantissa = Signal(MANTISSA_BITS + 1, name=f"{name}_rounded")
        m.d.comb += mantissa.eq(rounded(Mux(product[-1], product, product << 1)[:32]))
        # Both exponents are made beforehand: the carry out of the rounding comes late.
        carried = Mux(zero, 0, exponent + Mux(product[-1], 2, 1))[:EXPONENT_BITS]
        exponent = Mux(mantissa[-1], carried, Mux(zero, 0, exponent + product[-1]))[:EXPONENT_BITS]
        return (
            register(sign, f"{name}_sign"),
            register(exponent, f"{name}_exponent"),
            register(Cat(mantissa[:FRACTION_BITS], ~zero), f"{name}_mantissa"),
        )

    def _sum(self, a: tuple[Any, Any, Any], b: tuple[Any, Any, Any]) -> Any:
        """The int8 result of the float32 sum of two floats."""
        m, register = self._module, self._register
        (a_sign, a_exponent, a_mantissa), (b_sign, b_exponent, b_mantissa) = a, b
        swap = Signal(name="b_is_larger")
        m.d.comb += swap.eq(Cat(b_mantissa, b_exponent) > Cat(a_mantissa, a_exponent))
        ahead, behind = (a_exponent - b_exponent)[:EXPONENT_BITS], (b_exponent - a_exponent)[:EXPONENT_BITS]
        distance = Mux(swap, behind, ahead)[:EXPONENT_BITS]
        large = register(Mux(swap, b_mantissa, a_mantissa), "large")
        small = register(Mux(swap, a_mantissa, b_mantissa), "small")
        exponent = register(Mux(swap, b_exponent, a_exponent), "large_exponent")
        distance = register(Mux(distance[5:].any(), 31, distance[:5])[:5], "distance")
        sign, subtract = register(Mux(swap, b_sign, a_sign), "large_sign"), register(a_sign ^ b_sign, "subtract")

        # Three bits below the mantissa are enough to round right: guard, round, and sticky for all that is below.
        value: Any = Cat(Const(0, 3), small)
        for level in range(5):
            amount = 1 << level
            shifted = Signal(MANTISSA_BITS + 3, name=f"align_{amount}")
            gone = value[: amount + 1].any()
            m.d.comb += shifted.eq(Mux(distance[level], Cat(gone, value[amount + 1 :]), value))
            value = shifted
        value = register(value, "aligned")
        large, subtract = register(large, "large_aligned"), register(subtract, "subtract_aligned")
        exponent, sign = register(exponent, "aligned_exponent"), register(sign, "aligned_sign")

        total = Signal(MANTISSA_BITS + 4, name="sum_total")
        m.d.comb += total.eq(
            Cat(Const(0, 3), large, Const(0, 1)) + (Cat(value, Const(0, 1)) ^ subtract.replicate(len(total))) + subtract
        )
        total = register(total, "float_sum")
        exponent, sign = register(exponent, "sum_exponent"), register(sign, "sum_sign")

        value, far = normalized(m, total, 0, "sum_shift", FAR)
        value, far = register(value, "sum_shifted"), register(far, "sum_far")
        exponent, sign = register(exponent, "sum_shifted_exponent"), register(sign, "sum_shifted_sign")
        value, near = normalized(m, value, 0, "sum_shift", NEAR)
        value, places = register(value, "normal"), Cat(near, far)
        exponent = register((exponent + 1 - places).as_signed()[: EXPONENT_BITS + 1], "normal_exponent")
        sign = register(sign, "normal_sign")

        # A negative exponent is that of a number far below a half.
        zero = ~value[-1] | exponent[-1]
        parts, sign = self._parts(rounded(value), exponent[:EXPONENT_BITS], zero, sign, "sum")
        return register(
            clamped(m, parts, sign, self.sum_zero_point, self.sum_minimum, self.sum_maximum, "sum"), "sum_result"
        )


def _three(bits: int, *terms: Value) -> Value:
    """The sum of three numbers modulo 2 ** bits, in one addition."""
    left, right = two(bits, *terms)
    return (left + right)[:bits]
