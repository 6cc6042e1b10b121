"""The queue that the chip has between its units: first in, first out, nothing lost, nothing made up."""

from amaranth.hdl import Assert, Module, Signal

from lithify.rtl.fifo import Fifo
from lithify.rtl.proofs.contract import contract, free, opened, peek

DEPTH, WIDTH = 4, 8


def queue() -> Module:
    """One entry, any of those that ever come in, is followed on its way: as many come out before it as were there."""
    m = contract()
    fifo = Fifo(width=WIDTH, depth=DEPTH)
    inside, peeked = opened(m, fifo), Signal(WIDTH)
    count = Signal(range(DEPTH + 1))
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
        m.d.sync += [there.eq(1), ahead.eq(count - gives), value.eq(fifo.w_data)]
    m.d.comb += Assert(~there | (ahead < count))
    with m.If(there & (ahead == 0)):
        m.d.comb += Assert(fifo.r_rdy & (fifo.r_data == value))

    m.d.sync += count.eq(count + takes - gives)
    m.d.comb += [
        Assert(count <= DEPTH),
        Assert(fifo.w_rdy == (count != DEPTH)),
        Assert(fifo.r_rdy == (count != 0)),
    ]
    # What makes it inductive: where the queue keeps the entry, and what its registers say of the count.
    m.d.comb += place.eq(inside["place"] + ahead)
    m.d.comb += Assert((inside["produce"] - inside["place"] - count)[:2] == 0)
    m.d.comb += [Assert(inside["level"] == count), Assert(inside["several"] == (count > 1))]
    with m.If(there):
        m.d.comb += Assert(peeked == value)
    return m
