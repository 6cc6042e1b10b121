"""The primitives of float32 arithmetic that every written sequence is made of: what the vector unit can do.

Each is one IEEE 754 operation rounded to nearest even, with three rules that make hardware small and bits certain:

- A subnormal result becomes the zero of its sign; a subnormal operand counts as the zero of its sign.
- A result that is not a number is `NAN`, one bit pattern.
- -0 is a value: `multiply` and `divide` give it by the rule of signs, a sum of equal and opposite numbers is +0,
  `maximum` has -0 below +0, comparisons have them equal.

There is no fused multiply-add. numpy's +, -, *, / and sqrt are IEEE 754's and equal on every processor, which is why
they may stand here; its transcendental functions and `sum` are not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

NAN = np.array(0x7FC00000, np.uint32).view(np.float32)
"""The one not-a-number that operations give."""

SMALLEST_NORMAL = np.float32(2.0**-126)
LARGEST_INTEGRAL_STEP = np.float32(2.0**23)
"""From here on every float32 is an integer."""

FRACTION_BITS = 23
BIAS = 127


@dataclass(frozen=True)
class Primitive:
    """One operation. operands: how many; meaning: element by element, operands of one shape or broadcast.

    A `mask` is made by a comparison and taken by `select`: 1.0 where it holds, 0.0 where not.
    """

    name: str
    operands: int
    meaning: Callable[..., Values]
    says: str


def flushed(values: Any) -> Values:
    """The values with subnormal numbers made zeros of their sign, and every NaN made `NAN`."""
    array = np.asarray(values, np.float32)
    array = np.where(np.abs(array) < SMALLEST_NORMAL, np.copysign(np.float32(0), array), array)
    return np.where(np.isnan(array), NAN, array)


def _flushes(operation: Callable[..., Any]) -> Callable[..., Values]:
    """The operation on flushed operands with its result flushed, without warnings of infinities and NaN."""

    def meaning(*operands: Any) -> Values:
        with np.errstate(all="ignore"):
            return flushed(operation(*(flushed(operand) for operand in operands)))

    return meaning


def _extreme(a: Values, b: Values, larger: bool) -> Values:
    """The larger or smaller; of two zeros +0 is the larger."""
    first = (a > b) | ((a == b) & np.signbit(b)) if larger else (a < b) | ((a == b) & np.signbit(a))
    return np.where(np.isnan(a) | np.isnan(b), NAN, np.where(first, a, b))


def _compared(holds: NDArray[np.bool_]) -> Values:
    return np.where(holds, np.float32(1), np.float32(0))


def _exponent(a: Values) -> Values:
    """Of a normal number its unbiased exponent; of zero -127, of infinity and NaN 128."""
    return ((a.view(np.uint32) >> FRACTION_BITS & 0xFF).astype(np.int32) - BIAS).astype(np.float32)


def _significand(a: Values) -> Values:
    """1.fraction of a normal number, without its sign; zero as 1, infinity as 1, NaN as 1.5."""
    return (a.view(np.uint32) & 0x7FFFFF | BIAS << FRACTION_BITS).astype(np.uint32).view(np.float32)


def _scaled(a: Values, b: Values) -> Values:
    """a * 2^b for the integer nearest to b, taken as within +-512; exact but for the flush and infinity."""
    steps = np.clip(np.rint(np.where(np.isnan(b), np.float32(0), b)), -512, 512).astype(np.int64)
    powers = ((steps + 1023) << 52).view(np.float64)
    return np.where(np.isnan(b), NAN, (a.astype(np.float64) * powers).astype(np.float32))


_ROWS = (
    Primitive("add", 2, _flushes(np.add), "a + b"),
    Primitive("subtract", 2, _flushes(np.subtract), "a - b"),
    Primitive("multiply", 2, _flushes(np.multiply), "a * b"),
    Primitive("divide", 2, _flushes(np.divide), "a / b"),
    Primitive("square_root", 1, _flushes(np.sqrt), "the square root; of -0 it is -0, of less NaN"),
    Primitive("maximum", 2, _flushes(lambda a, b: _extreme(a, b, True)), "the larger; NaN if one is NaN; +0 above -0"),
    Primitive("minimum", 2, _flushes(lambda a, b: _extreme(a, b, False)), "the smaller, likewise"),
    Primitive("less", 2, _flushes(lambda a, b: _compared(a < b)), "mask of a < b; NaN is less than nothing"),
    Primitive("equal", 2, _flushes(lambda a, b: _compared(a == b)), "mask of a = b; -0 = +0, NaN equals nothing"),
    Primitive("select", 3, _flushes(lambda mask, a, b: np.where(mask != 0, a, b)), "a where the mask is set, else b"),
    Primitive("absolute", 1, _flushes(np.abs), "a without its sign"),
    Primitive("negate", 1, _flushes(np.negative), "a with the other sign"),
    Primitive("signed", 2, _flushes(np.copysign), "a with the sign of b; b = NaN counts as positive"),
    Primitive("round", 1, _flushes(np.rint), "the nearest integer, halves to even, as a float of the same sign"),
    Primitive("scale", 2, _flushes(_scaled), "a * 2^rint(b); rint(b) is taken as within +-512"),
    Primitive("exponent", 1, _flushes(_exponent), "exponent of a as a float; -127 of zero, 128 of infinity and NaN"),
    Primitive("significand", 1, _flushes(_significand), "significand of a, from 1 up to 2; of 0 and infinity 1"),
)

PRIMITIVES: Mapping[str, Primitive] = MappingProxyType({row.name: row for row in _ROWS})

SUM_WAYS = 64
"""Partial sums of a row. A constant of the definition, so that no bit depends on how many lanes a chip has."""


def row_sum(values: Any) -> Values:
    """The sum along the last axis, which stays with length 1, in one written order.

    Partial sum j of 64 starts as +0 and takes the elements j, j + 64, j + 128 ... one after the other (+0 where the row
    has ended); then partial sum j takes j + 32 for j < 32, then j + 16 for j < 16, and so on to the first.
    """
    return _reduced(values, PRIMITIVES["add"].meaning, np.float32(0))


def row_maximum(values: Any) -> Values:
    """The largest along the last axis, which stays with length 1; the order of `row_sum`, from -infinity."""
    return _reduced(values, PRIMITIVES["maximum"].meaning, np.float32(-np.inf))


def _reduced(values: Any, combine: Callable[..., Values], start: np.float32) -> Values:
    array = np.asarray(values, np.float32)
    length = array.shape[-1]
    partial = np.full((*array.shape[:-1], SUM_WAYS), start, np.float32)
    for first in range(0, length, SUM_WAYS):
        strip = np.full_like(partial, start)
        piece = array[..., first : first + SUM_WAYS]
        strip[..., : piece.shape[-1]] = piece
        partial = combine(partial, strip)
    ways = SUM_WAYS
    while ways > 1:
        ways //= 2
        partial = combine(partial[..., :ways], partial[..., ways : 2 * ways])
    return partial


REDUCTIONS: Mapping[str, Callable[[Any], Values]] = MappingProxyType({"row_sum": row_sum, "row_maximum": row_maximum})
"""Along a row, the last axis: what sequences over rows have beside the primitives."""
