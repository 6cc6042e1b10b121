"""A serial line: 8 data bits, no parity, one stop bit, least significant bit first."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

FRAME_BITS = 10
"""Bit periods of a byte: start, eight data bits, stop."""


class Receiver(wiring.Component):
    """``valid`` pulses with ``byte`` in the middle of a stop bit; a byte without one is dropped.

    ``divisor``: cycles of a bit, at least 4.
    """

    def __init__(self, divisor: int) -> None:
        assert divisor >= 4, divisor
        self.divisor = divisor
        super().__init__({"line": In(1, init=1), "byte": Out(8), "valid": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.line, line, init=1)
        timer = Signal(range(self.divisor + self.divisor // 2))
        left = Signal(range(FRAME_BITS))
        shift = Signal(8, reset_less=True)
        m.d.comb += self.byte.eq(shift)
        m.d.sync += self.valid.eq(0)
        with m.If(left == 0):
            with m.If(~line):  # from the edge of the start bit to the middle of the first data bit
                m.d.sync += [left.eq(FRAME_BITS - 1), timer.eq(self.divisor + self.divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += self.valid.eq(line)
            with m.Else():
                m.d.sync += shift.eq(Cat(shift[1:], line))
        return m


class Transmitter(wiring.Component):
    """Takes ``byte`` in a cycle with ``valid`` and ``ready``, and sends it on ``line``."""

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__({"byte": In(8), "valid": In(1), "ready": Out(1), "line": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        timer = Signal(range(self.divisor))
        left = Signal(range(FRAME_BITS + 1))
        shift = Signal(FRAME_BITS, init=-1)
        m.d.comb += [self.ready.eq(left == 0), self.line.eq(shift[0])]
        with m.If(left == 0):
            with m.If(self.valid):
                m.d.sync += [
                    shift.eq(Cat(Const(0, 1), self.byte, Const(1, 1))),
                    left.eq(FRAME_BITS),
                    timer.eq(self.divisor - 1),
                ]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1), shift.eq(Cat(shift[1:], Const(1, 1)))]
        return m
