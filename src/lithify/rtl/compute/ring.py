"""Rows of a ring of words, and sums of three terms: what addresses are made of (docs/architecture.md, section 4).

A row steps by the words of a row; a step that would reach the ring's end goes back by the ring's length besides.
Whether it does is decided a step ahead, so that the step waits for no comparison.
"""

from typing import Any

from amaranth.hdl import Cat, Const, Mux, Signal, signed

ROW_BITS = 20
"""Signed sums of a ring's ends, a row and steps."""


def padded(value: Any, bits: int) -> Any:
    """An unsigned value as so many bits."""
    return Cat(value, Const(0, bits - len(value))) if len(value) < bits else value[:bits]


def two(bits: int, *terms: Any) -> tuple[Any, Any]:
    """Two numbers whose sum is that of three, modulo 2 ** bits: an adder of each place, no carry along them."""
    one, other, third = (padded(term, bits) for term in terms)
    return one ^ other ^ third, Cat(Const(0, 1), ((one & other) | (third & (one | other)))[: bits - 1])


def less(bits: int, one: Any, other: Any, minus: Any) -> Any:
    """``one + other - minus`` modulo 2 ** bits, in one addition."""
    terms = two(bits, one, other, ~padded(minus, bits))
    return (terms[0] + terms[1] + 1)[:bits]


class Leaving:
    """Whether a step from the row at hand leaves the ring: ``now`` says so of the row, a register of the caller.

    In a ring rows do not wrap around 2 ** 16; without one, of no words, both steps are the same.
    """

    def __init__(self, name: str) -> None:
        self.now, self.origin = (Signal(name=f"{name}_{part}", reset_less=True) for part in ("leaves", "origin_leaves"))
        self._after_step, self._after_back = (
            Signal(signed(ROW_BITS), name=f"{name}_{part}", reset_less=True) for part in ("leaves_next", "leaves_back")
        )

    def following(self, row: Any) -> Any:
        """Of the row that follows ``row``, the one at hand."""
        there = Cat(row, Const(0, 1)).as_signed()
        return Mux(self.now, there >= self._after_back, there >= self._after_step)

    def first(self, row: Any, start: Any, words: Any, step: Any) -> Any:
        """Of the first row: from the ring's end less a step on (if that is not below 0) a step leaves it."""
        last_row = two(ROW_BITS, start, words, ~padded(step, ROW_BITS))
        short = two(ROW_BITS, *last_row, ~padded(row, ROW_BITS))
        return ~(last_row[0] + last_row[1] + 1)[ROW_BITS - 1] & (short[0] + short[1] + 1)[ROW_BITS - 1]

    def begin(self, start: Any, words: Any, step: Any) -> list[Any]:
        """Assignments for an instruction."""
        end = start + words
        return [self._after_step.eq(end - (step << 1)), self._after_back.eq(end + words - (step << 1))]
