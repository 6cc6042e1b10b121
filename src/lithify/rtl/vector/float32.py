"""float32 numbers as wires: their parts, their special values, and how a result is rounded and packed.

Every block here follows docs/vector.md: nearest even, subnormal numbers are zeros, one NaN.
"""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

FRACTION_BITS = 23
MANTISSA_BITS = 24
BIAS = 127
EXPONENT_ONES = 255
NAN = 0x7FC00000
INFINITY = 0x7F800000
WIDE_EXPONENT_BITS = 10
"""Of sums and differences of exponents, as signed numbers."""


@dataclass(frozen=True)
class Parts:
    """A float32 number taken apart. mantissa: 24 bits, 0 for a zero; zero: also of subnormal numbers."""

    sign: Value
    exponent: Value
    mantissa: Value
    zero: Value
    infinite: Value
    nan: Value


def parts(number: Value) -> Parts:
    """The parts of 32 bits."""
    exponent, fraction = number[FRACTION_BITS:31], number[:FRACTION_BITS]
    zero, ones, some = exponent == 0, exponent == EXPONENT_ONES, fraction.any()
    mantissa = Mux(zero, 0, Cat(fraction, Const(1, 1)))[:MANTISSA_BITS]
    return Parts(number[31], exponent, mantissa, zero, ones & ~some, ones & some)


class Pipeline:
    """Registers by stages, without reset. ``valid``: that the first stage has something; it goes along, and where there
    is nothing a stage keeps what it has, and takes no clock behind a clock gate.
    """

    def __init__(self, m: Module, name: str, valid: Any) -> None:
        self._m, self._name = m, name
        self._count, self._stage = 0, 0
        self.valid = valid

    def register(self, value: Any, name: str) -> Any:
        """``value`` a cycle later: a register of the stage that ``registers`` ends."""
        signal = Signal(Value.cast(value).shape(), name=f"{self._name}_{name}_{self._count}", reset_less=True)
        self._count += 1
        with self._m.If(self.valid):
            self._m.d.sync += signal.eq(value)
        return signal

    def registers(self, *values: tuple[Any, str]) -> list[Any]:
        """Several values a cycle later; the next registers are those of the next stage."""
        found = [self.register(value, name) for value, name in values]
        self._stage += 1
        following = Signal(name=f"{self._name}_valid_{self._stage}")
        self._m.d.sync += following.eq(self.valid)
        self.valid = following
        return found


@dataclass(frozen=True)
class Rounded:
    """A result before it is packed: mantissa of 23 bits and exponent after rounding; exceptions as bits.

    exponent: signed; infinity and zero follow from it. kept: an exponent of 0 that IEEE's rounding makes the smallest
    normal number: a mantissa of ones below it.
    """

    sign: Any
    exponent: Any
    fraction: Any
    kept: Any


def rounded(sign: Any, exponent: Value, mantissa: Value, half: Any, sticky: Any) -> Rounded:
    """Nearest even of ``mantissa`` (24 bits, the first 1) with the bits below it."""
    total = (mantissa + (half & (sticky | mantissa[0])))[: MANTISSA_BITS + 1]
    carried = (exponent + total[-1]).as_signed()[:WIDE_EXPONENT_BITS].as_signed()
    return Rounded(sign, carried, total[:FRACTION_BITS], mantissa.all() & (exponent == 0))


def packed(result: Rounded, zero: Any, infinite: Any, nan: Any) -> Value:
    """The 32 bits; ``zero``, ``infinite`` and ``nan`` overrule, the last most."""
    small = (result.exponent <= 0) & ~result.kept
    large = result.exponent >= EXPONENT_ONES
    number = Cat(
        Mux(result.kept, 0, result.fraction)[:FRACTION_BITS], Mux(result.kept, 1, result.exponent[:8])[:8], result.sign
    )
    nothing, much = Cat(Const(0, 31), result.sign), Cat(Const(INFINITY, 31), result.sign)
    finite = Mux(zero | (small & ~infinite), nothing, Mux(infinite | large, much, number))
    return Mux(nan, Const(NAN, 32), finite)[:32]
