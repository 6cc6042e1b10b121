"""A post-processing lane: from a sum to an int8 result, one a cycle, every float32 step rounded as numpy does."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import compute_pipeline
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

    ``valid``: bit n is up in d+n where the lane has a sum of cycle d; without it the registers of that cycle keep what
    they have, and take no clock behind a clock gate.
    """

    def __init__(self, chip: Chip) -> None:
        self.add = chip.has("add")
        ports: dict[str, Any] = {
            "valid": In(compute_pipeline(chip).lane),
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

    def _register(self, cycle: int, value: Any, name: str) -> Any:
        """A pipeline register, which takes what there is in ``cycle`` after the sum."""
        signal = Signal(Value.cast(value).shape(), name=name, reset_less=True)
        with self._module.If(self.valid[cycle]):
            self._module.d.sync += signal.eq(value)
        return signal

    def _scale(self) -> Any:
        """The sum's int8 result."""
        m, register = self._module, self._register
        total = register(1, (register(0, self.sum, "sum_read") + register(0, self.bias, "bias_read"))[:32], "total")

        # To float: a negative number is complemented here, and made one larger where it is rounded.
        sign = total[31]
        value, far = normalized(m, total[:31] ^ sign.replicate(31), sign, "shift", FAR)
        value, far, sign = register(2, value, "shifted"), register(2, far, "far"), register(2, sign, "shifted_sign")
        value, near = normalized(m, value, sign, "shift", NEAR)
        value, places = register(3, value, "integer"), register(3, Cat(near, far), "places")
        sign = register(3, sign, "integer_sign")
        zero = ~value[-1]
        kept, rest = value[7:], value[:7]
        up = Mux(sign, rest[6] | (rest[:6].all() & kept[0]), rest[6] & (rest[:6].any() | kept[0]))
        mantissa = Signal(MANTISSA_BITS + 1, name="float_mantissa")
        m.d.comb += mantissa.eq(kept + up)
        exponent = register(4, Mux(mantissa[-1], 31 - places, 30 - places)[:5], "float_exponent")
        fraction = register(4, mantissa[:FRACTION_BITS], "float_fraction")
        zero, sign = register(4, zero, "float_zero"), register(4, sign, "float_sign")

        # The product in four quarters, each of them a multiplier of its own; then their sum.
        multiplier = register(4, self.multiplier, "multiplier_read")
        full, scale = Cat(fraction, Const(1, 1)), Cat(multiplier[:FRACTION_BITS], Const(1, 1))
        low, high = (
            register(5, full[:12] * scale[:12], "product_low"),
            register(5, full[12:] * scale[12:], "product_high"),
        )
        cross = (
            register(5, full[12:] * scale[:12], "product_cross"),
            register(5, full[:12] * scale[12:], "product_across"),
        )
        exponent = register(5, (exponent + multiplier[FRACTION_BITS:])[:EXPONENT_BITS], "product_exponent")
        zero, sign = register(5, zero, "product_zero"), register(5, sign, "product_sign")
        product = register(6, _three(36, Cat(low[12:], high), *cross), "product")
        sticky = register(6, low[:12].any(), "product_sticky")
        exponent, zero, sign = register(6, exponent, "exponent"), register(6, zero, "zero"), register(6, sign, "sign")

        value = Mux(product[-1], product, product << 1)[:36]
        exponent = (exponent + product[-1])[:EXPONENT_BITS]
        parts, sign = self._parts(7, rounded(value, sticky), exponent, zero, sign, "scaled")
        return register(9, clamped(m, parts, sign, self.zero_point, self.minimum, self.maximum, "scaled"), "scaled")

    def _parts(self, cycle: int, mantissa: Value, exponent: Value, zero: Any, sign: Any, name: str) -> tuple[Any, Any]:
        """``aligned`` with a register between the rounding and the shift, and one behind; with its sign."""
        register = self._register
        mantissa = register(cycle, mantissa, f"{name}_mantissa")
        place, none, large = (
            register(cycle, value, f"{name}_{part}")
            for value, part in zip(place_of(exponent, zero), ("place", "none", "large"), strict=True)
        )
        parts = register(cycle + 1, shifted(self._module, mantissa, place, none, large, name), f"{name}_parts")
        sign = register(cycle, sign, f"{name}_mantissa_sign")
        return parts, register(cycle + 1, sign, f"{name}_parts_sign")

    def _product(self, value: Value, zero_point: Value, multiplier: Value, name: str) -> tuple[Any, Any, Any]:
        """f32((value - zero_point) * multiplier): its sign, exponent and mantissa; a zero has exponent 0."""
        m, register = self._module, self._register
        below = Signal(name=f"{name}_below")
        m.d.comb += below.eq(value < zero_point)
        magnitude = register(10, Mux(below, zero_point - value, value - zero_point)[:8], f"{name}_magnitude")
        sign = register(10, below, f"{name}_magnitude_sign")
        integer, places = normalized(m, magnitude, 0, f"{name}_shift")
        integer, places = register(11, integer, f"{name}_integer"), register(11, places, f"{name}_places")
        sign = register(11, sign, f"{name}_integer_sign")

        scale = Cat(multiplier[:FRACTION_BITS], Const(1, 1))
        low = register(12, integer * scale[:12], f"{name}_product_low")
        high = register(12, integer * scale[12:], f"{name}_product_high")
        exponent = register(12, (multiplier[FRACTION_BITS:] + (7 - places))[:EXPONENT_BITS], f"{name}_places_exponent")
        zero, sign = register(12, ~integer[-1], f"{name}_places_zero"), register(12, sign, f"{name}_places_sign")
        product = register(13, Cat(low[:12], (high + low[12:])[:20]), f"{name}_product")
        exponent = register(13, exponent, f"{name}_product_exponent")
        zero, sign = register(13, zero, f"{name}_zero"), register(13, sign, f"{name}_product_sign")

        mantissa = Signal(MANTISSA_BITS + 1, name=f"{name}_rounded")
        m.d.comb += mantissa.eq(rounded(Mux(product[-1], product, product << 1)[:32]))
        # Both exponents are made beforehand: the carry out of the rounding comes late.
        carried = Mux(zero, 0, exponent + Mux(product[-1], 2, 1))[:EXPONENT_BITS]
        exponent = Mux(mantissa[-1], carried, Mux(zero, 0, exponent + product[-1]))[:EXPONENT_BITS]
        return (
            register(14, sign, f"{name}_sign"),
            register(14, exponent, f"{name}_exponent"),
            register(14, Cat(mantissa[:FRACTION_BITS], ~zero), f"{name}_mantissa"),
        )

    def _sum(self, a: tuple[Any, Any, Any], b: tuple[Any, Any, Any]) -> Any:
        """The int8 result of the float32 sum of two floats."""
        m, register = self._module, self._register
        (a_sign, a_exponent, a_mantissa), (b_sign, b_exponent, b_mantissa) = a, b
        swap = Signal(name="b_is_larger")
        m.d.comb += swap.eq(Cat(b_mantissa, b_exponent) > Cat(a_mantissa, a_exponent))
        ahead, behind = (a_exponent - b_exponent)[:EXPONENT_BITS], (b_exponent - a_exponent)[:EXPONENT_BITS]
        distance = Mux(swap, behind, ahead)[:EXPONENT_BITS]
        large = register(15, Mux(swap, b_mantissa, a_mantissa), "large")
        small = register(15, Mux(swap, a_mantissa, b_mantissa), "small")
        exponent = register(15, Mux(swap, b_exponent, a_exponent), "large_exponent")
        distance = register(15, Mux(distance[5:].any(), 31, distance[:5])[:5], "distance")
        sign, subtract = (
            register(15, Mux(swap, b_sign, a_sign), "large_sign"),
            register(15, a_sign ^ b_sign, "subtract"),
        )

        # Three bits below the mantissa are enough to round right: guard, round, and sticky for all that is below.
        value: Any = Cat(Const(0, 3), small)
        for level in range(5):
            amount = 1 << level
            shifted = Signal(MANTISSA_BITS + 3, name=f"align_{amount}")
            gone = value[: amount + 1].any()
            m.d.comb += shifted.eq(Mux(distance[level], Cat(gone, value[amount + 1 :]), value))
            value = shifted
        value = register(16, value, "aligned")
        large, subtract = register(16, large, "large_aligned"), register(16, subtract, "subtract_aligned")
        exponent, sign = register(16, exponent, "aligned_exponent"), register(16, sign, "aligned_sign")

        total = Signal(MANTISSA_BITS + 4, name="sum_total")
        m.d.comb += total.eq(
            Cat(Const(0, 3), large, Const(0, 1)) + (Cat(value, Const(0, 1)) ^ subtract.replicate(len(total))) + subtract
        )
        total = register(17, total, "float_sum")
        exponent, sign = register(17, exponent, "sum_exponent"), register(17, sign, "sum_sign")

        value, far = normalized(m, total, 0, "sum_shift", FAR)
        value, far = register(18, value, "sum_shifted"), register(18, far, "sum_far")
        exponent, sign = register(18, exponent, "sum_shifted_exponent"), register(18, sign, "sum_shifted_sign")
        value, near = normalized(m, value, 0, "sum_shift", NEAR)
        value, places = register(19, value, "normal"), Cat(near, far)
        exponent = register(19, (exponent + 1 - places).as_signed()[: EXPONENT_BITS + 1], "normal_exponent")
        sign = register(19, sign, "normal_sign")

        # A negative exponent is that of a number far below a half.
        zero = ~value[-1] | exponent[-1]
        parts, sign = self._parts(20, rounded(value), exponent[:EXPONENT_BITS], zero, sign, "sum")
        return register(
            22, clamped(m, parts, sign, self.sum_zero_point, self.sum_minimum, self.sum_maximum, "sum"), "sum_result"
        )


def _three(bits: int, *terms: Value) -> Value:
    """The sum of three numbers modulo 2 ** bits, in one addition."""
    left, right = two(bits, *terms)
    return (left + right)[:bits]
