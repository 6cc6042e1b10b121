"""Between integers and float32: the rounding of the chip's results against its definition in whole numbers."""

from amaranth.hdl import Assert, Cat, Const, Module, Mux, Signal, Value, signed

from lithify.rtl.proofs.contract import before, contract, free_inputs
from lithify.rtl.vector.convert import FromInteger, ToInt8
from lithify.rtl.vector.float32 import BIAS, FRACTION_BITS

POINT = 47
"""Bits behind the binary point of the exact value of a float32; what has more is below 2 ** -23 and rounds to 0."""

SMALLEST = BIAS + FRACTION_BITS - POINT
LARGEST = BIAS + 9
"""Biased exponents: below the first a number is 0, above the second it is 1024 or more, and clipped."""


def to_int8() -> Module:
    """clip(rint(value) + zero point) for every float32: halves go to the even integer, NaN is the minimum."""
    m = contract()
    m.submodules.proven = block = ToInt8()
    free_inputs(m, block)
    value = before(m, block.value, "value", ToInt8.LATENCY)
    zero_point, low, high = (
        before(m, signal, name, 1).as_signed()
        for name, signal in (("zero_point", block.zero_point), ("low", block.minimum), ("high", block.maximum))
    )
    fraction, exponent, sign = value[:FRACTION_BITS], value[FRACTION_BITS:31], value[31]
    nan = (exponent == 255) & (fraction != 0)

    exact, integer = Signal(24 + LARGEST - SMALLEST), Signal(12)
    m.d.comb += exact.eq(Cat(fraction, Const(1, 1)) << (exponent - SMALLEST)[:6])
    # To the nearest, halves to even: floor(exact + 1/2 - the smallest part, which an odd integer gives back).
    nearest = (exact + ((1 << (POINT - 1)) - 1) + exact[POINT]) >> POINT
    with m.If(exponent > LARGEST):
        m.d.comb += integer.eq(1024)
    with m.Elif(exponent >= SMALLEST):
        m.d.comb += integer.eq(nearest)
    total = Signal(signed(14))
    m.d.comb += total.eq(Mux(sign | nan, -integer, integer) + zero_point)
    clipped = Mux(total < low, low, Mux(total > high, high, total))
    _promised(m, block, ToInt8.LATENCY, block.result == clipped[:8])
    return m


def from_integer() -> Module:
    """The float32 nearest to an int32, halves to even: no other number lies closer."""
    m = contract()
    m.submodules.proven = block = FromInteger()
    free_inputs(m, block)
    value, result = before(m, block.value, "value", FromInteger.LATENCY).as_signed(), block.result
    fraction, exponent, sign = result[:FRACTION_BITS], result[FRACTION_BITS:31], result[31]
    power, step = Signal(5), Signal(32)
    # Both in units of 2 ** -23: `step` is between a number and the next.
    exact, found, off = Signal(32 + FRACTION_BITS), Signal(32 + FRACTION_BITS), Signal(32 + FRACTION_BITS)
    magnitude = Signal(32)
    m.d.comb += [
        power.eq(exponent - BIAS),
        step.eq(Const(1, 1) << power),
        magnitude.eq(Mux(value < 0, -value, value)),
        exact.eq(Cat(Const(0, FRACTION_BITS), magnitude)),
        found.eq(Cat(fraction, Const(1, 1)) << power),
        off.eq(Mux(exact > found, exact - found, found - exact)),
    ]
    below = (fraction == 0) & (exact < found)  # the next number below a power of two is half as far
    twice = Mux(below, off << 2, off << 1)
    near = (twice < step) | ((twice == step) & ~fraction[0])
    right = Mux(value == 0, result == 0, near & (sign == (value < 0)) & (exponent >= BIAS) & (exponent <= BIAS + 31))
    _promised(m, block, FromInteger.LATENCY, right)
    return m


def _promised(m: Module, block: FromInteger | ToInt8, latency: int, right: Value) -> None:
    """The result is right where a value was taken ``latency`` cycles ago, and stays as it was where none was."""
    taken = before(m, block.valid, "valid", latency)
    m.d.comb += Assert(Mux(taken, right, block.result == before(m, block.result, "result")))
