"""The queue that the chip has between its units: first in, first out, nothing lost, nothing made up."""

from amaranth.hdl import Assert, Module, Signal
from amaranth.lib.fifo import SyncFIFO

from lithify.rtl.proofs.contract import contract, free, opened, peek

DEPTH, WIDTH = 4, 8


def queue() -> Module:
    """One entry, any of those that ever come in, is followed on its way: as many come out before it as were there."""
    m = contract()
    fifo = SyncFIFO(width=WIDTH, depth=DEPTH)
    inside, peeked = opened(m, fifo), Signal(WIDTH)
    place = Signal(range(DEPTH))
    peek(m.submodules.proven, place, peeked)
    follow = Signal()
    free(m, fifo.w_data, fifo.w_en, fifo.r_en, follow)

    there, ahead, value = Signal(), Signal(range(DEPTH + 1)), Signal(WIDTH)
    takes, gives = fifo.w_en & fifo.w_rdy, fifo.r_en & fifo.r_rdy
    with m.If(there):
        with m.If(gives):
            m.d.sync += [ahead.eq(ahead - 1), there.eq(ahead != 0)]
    with m.Elif(takes & follow):
        m.d.sync += [there.eq(1), ahead.eq(fifo.level - gives), value.eq(fifo.w_data)]
    m.d.comb += Assert(~there | (ahead < fifo.level))
    with m.If(there & (ahead == 0)):
        m.d.comb += Assert(fifo.r_rdy & (fifo.r_data == value))

    count = Signal(range(DEPTH + 1))
    m.d.sync += count.eq(count + takes - gives)
    m.d.comb += [
        Assert(fifo.level == count),
        Assert(count <= DEPTH),
        Assert(fifo.w_rdy == (count != DEPTH)),
        Assert(fifo.r_rdy == (count != 0)),
    ]
    # What makes it inductive: where the queue keeps the entry.
    m.d.comb += place.eq(inside["consume"] + ahead)
    m.d.comb += Assert((inside["produce"] - inside["consume"] - count)[:2] == 0)
    with m.If(there):
        m.d.comb += Assert(peeked == value)
    return m
