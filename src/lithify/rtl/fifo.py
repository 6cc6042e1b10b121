"""Queues whose flags, and if wanted whose first entry, come from registers."""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class Fifo(wiring.Component):
    """A queue of ``depth`` entries of ``width`` bits, as `amaranth.lib.fifo.SyncFIFO` in every cycle.

    ``w_data`` enters with ``w_en`` while ``w_rdy``; the first entry is ``r_data`` while ``r_rdy``, and leaves with
    ``r_en``. An entry that enters in cycle c can leave in c+1. ``head``: the first entry is in a register, which costs
    one and saves the memory's read time; ``r_rdy_next`` and ``r_data_next`` are then those of the next cycle.
    ``registers``: the entries are registers, no memory.
    """

    def __init__(self, *, width: int, depth: int, head: bool = False, registers: bool = False) -> None:
        assert depth >= 2, depth
        self.width, self.depth, self.head, self.registers = width, depth, head, registers
        super().__init__(
            {
                "w_data": In(width),
                "w_rdy": Out(1),
                "w_en": In(1),
                "r_data": Out(width),
                "r_rdy": Out(1),
                "r_en": In(1),
                "r_rdy_next": Out(1),
                **({"r_data_next": Out(width)} if head else {}),
            }
        )
        self.w_rdy = Signal(init=1, name="w_rdy")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        produce = Signal(range(self.depth))
        level = Signal(range(self.depth + 1))
        several = Signal()  # more than one entry
        put = Signal()
        take = Signal()
        m.d.comb += [
            put.eq(self.w_en & self.w_rdy),
            take.eq(self.r_en & self.r_rdy),
            self.r_rdy_next.eq(put | Mux(take, several, self.r_rdy)),
        ]
        m.d.sync += self.r_rdy.eq(self.r_rdy_next)
        with m.If(put):
            m.d.sync += produce.eq(self._after(produce))
        with m.If(put & ~take):
            m.d.sync += [
                level.eq(level + 1),
                several.eq(self.r_rdy),
                self.w_rdy.eq(level != self.depth - 1),
            ]
        with m.If(take & ~put):
            m.d.sync += [level.eq(level - 1), several.eq(level > 2), self.w_rdy.eq(1)]

        # The entry that is read: the first, or with `head` the one behind it.
        place = Signal(range(self.depth), init=1 if self.head else 0)
        if self.registers:
            entries = [Signal(self.width, name=f"entry_{number}", reset_less=True) for number in range(self.depth)]
            for number, entry in enumerate(entries):
                with m.If(put & (produce == number)):
                    m.d.sync += entry.eq(self.w_data)
            stored: Any = Array(entries)[place]
        else:
            m.submodules.storage = cells = memory.Memory(shape=self.width, depth=self.depth, init=[])
            write, read = cells.write_port(), cells.read_port(domain="comb")
            m.d.comb += [
                write.addr.eq(produce),
                write.data.eq(self.w_data),
                write.en.eq(put),
                read.addr.eq(place),
            ]
            stored = read.data
        with m.If(take):
            m.d.sync += place.eq(self._after(place))
        if self.head:
            following = Mux(several, stored, self.w_data)
            m.d.comb += self.r_data_next.eq(Mux(self.r_en | ~self.r_rdy, following, self.r_data))
            m.d.sync += self.r_data.eq(self.r_data_next)
        else:
            m.d.comb += self.r_data.eq(stored)
        return m

    def _after(self, number: Signal) -> Any:
        return number + 1 if self.depth & (self.depth - 1) == 0 else Mux(number == self.depth - 1, 0, number + 1)
