"""The control registers: AXI4-Lite by its rules, and registers that keep what was written."""

from amaranth.hdl import Assert, Module, Signal

from lithify.isa.registers import BY_NAME, REGISTERS
from lithify.rtl.control import Control
from lithify.rtl.proofs.contract import any_constant, before, contract, free_inputs, opened

KEPT = tuple(entry for entry in REGISTERS if entry.access == "rw")


def registers() -> Module:
    """Each write and each read has one answer, which stays until it is taken; a register that can be written and read
    gives what was last written to it; a program starts by a write of CONTROL alone, and never while one runs.
    """
    m = contract()
    block = Control()
    inside = opened(m, block)
    free_inputs(m, block)
    bus = block.bus
    started = before(m, 1, "started")
    wrote = before(m, bus.awvalid & bus.awready, "wrote")
    m.d.comb += Assert((bus.awvalid & bus.awready) == (bus.wvalid & bus.wready))
    asked = before(m, bus.arvalid & bus.arready, "asked", 2)  # read in the cycle after its address is taken
    for answer, ready, question, data in (
        (bus.bvalid, bus.bready, wrote, None),
        (bus.rvalid, bus.rready, asked, bus.rdata),
    ):
        name = "write" if data is None else "read"
        waits = before(m, answer & ~ready, f"{name}_waits")
        m.d.comb += Assert(~started | (answer == (waits | question)))
        m.d.comb += Assert(~(waits & question))
        if data is not None:
            m.d.comb += Assert(~waits | (data == before(m, data, "data")))

    mine, value = any_constant(m, 10, "mine"), Signal(32)
    with m.If(bus.awvalid & bus.awready & (bus.awaddr[2:] == mine)):
        m.d.sync += value.eq(bus.wdata)
    is_kept = Signal()
    taken = before(m, bus.arvalid & bus.arready & (bus.araddr[2:] == mine) & is_kept, "taken")
    m.d.comb += Assert(~before(m, taken, "read_mine") | (bus.rdata == before(m, value, "value")))

    command = bus.awvalid & bus.awready & (bus.awaddr[2:] == BY_NAME["CONTROL"].offset // 4)
    m.d.comb += Assert(block.start == (command & bus.wdata[0] & ~block.busy))
    busy = before(m, block.busy, "busy")
    m.d.comb += Assert(
        ~started | (block.busy == (before(m, block.start, "start") | (busy & ~before(m, block.ended, "ended"))))
    )

    # What makes it inductive: the register itself, and that it is the one that is read.
    reading = before(m, bus.arvalid & bus.arready, "reading")
    m.d.comb += [Assert(inside["reading"] == reading), Assert(~(bus.rvalid & reading))]
    places = {entry.name: place for place, entry in enumerate(entry for entry in REGISTERS if entry.access != "w")}
    with m.Switch(mine):
        for entry in KEPT:
            with m.Case(entry.offset // 4):
                m.d.comb += [is_kept.eq(1), Assert(inside[entry.name.lower()] == value)]
                m.d.comb += Assert(~taken | (inside["chosen"] == 1 << places[entry.name]))
    return m
