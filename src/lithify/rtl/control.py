"""The control registers behind AXI4-Lite, built from the register table."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.isa import ISA_VERSION
from lithify.isa.registers import BASES, BY_NAME, DEVICE_ID, REGISTERS
from lithify.rtl.axi import ADDRESS_BITS, AXI4Lite

COUNTERS = ("CYCLES", "READ_BEATS", "WRITE_BEATS", "ARRAY_CYCLES")
ERRORS = ("conflict", "unknown", "failed")
"""The inputs behind the bits of ERROR, bit 0 first."""


class Control(wiring.Component):
    """Registers, doorbell, interrupt and counters.

    A write is accepted when its address and its data are there, in one cycle; whole registers only. START written in
    cycle s while the chip is not busy gives ``start`` in s; ``busy`` and the counters run from s+1 to the cycle of
    ``ended``.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "bus": In(AXI4Lite()),
                "interrupt": Out(1),
                "start": Out(1),
                "busy": Out(1),
                "program": Out(ADDRESS_BITS),
                "program_bursts": Out(26),
                "bases": Out(data.ArrayLayout(unsigned(ADDRESS_BITS), BASES)),
                "skip": Out(16),
                "ended": In(1),
                "read_beat": In(1),
                "write_beat": In(1),
                "array_active": In(1),
                **{name: In(1) for name in ERRORS},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus = self.bus
        stored = {entry.name: Signal(32, name=entry.name.lower()) for entry in REGISTERS if entry.access == "rw"}
        counters = {name: Signal(64, name=name.lower()) for name in COUNTERS}
        done = Signal()
        error = Signal(len(ERRORS))

        # Writes.
        write = Signal()
        command = Signal(32)
        m.d.comb += [
            write.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            bus.awready.eq(write),
            bus.wready.eq(write),
        ]
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(write):
            m.d.sync += bus.bvalid.eq(1)
            with m.Switch(bus.awaddr[2:]):
                for name, register in stored.items():
                    with m.Case(BY_NAME[name].offset // 4):
                        m.d.sync += register.eq(bus.wdata)
                with m.Case(BY_NAME["CONTROL"].offset // 4):
                    m.d.comb += command.eq(bus.wdata)

        # Start, end, errors, interrupt.
        pending = Signal()
        m.d.comb += [
            self.start.eq(command[0] & ~self.busy),
            self.interrupt.eq(pending & stored["INTERRUPT_ENABLE"][0]),
            self.program.eq(_wide(stored, "PROGRAM")),
            self.program_bursts.eq(stored["PROGRAM_BYTES"][7:]),
            self.skip.eq(Cat(Const(0, 1), stored["SKIP"][1:16])),
        ]
        m.d.comb += [self.bases[index].eq(_wide(stored, f"BASE{index}")) for index in range(BASES)]
        with m.If(command[1]):
            m.d.sync += pending.eq(0)
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), done.eq(0), error.eq(0)]
            m.d.sync += [counter.eq(0) for counter in counters.values()]
        with m.Elif(self.busy):
            events = (1, self.read_beat, self.write_beat, self.array_active)
            for counter, event in zip(counters.values(), events, strict=True):
                m.d.sync += counter.eq(counter + event)
            for bit, name in enumerate(ERRORS):
                with m.If(getattr(self, name)):
                    m.d.sync += error[bit].eq(1)
            with m.If(self.ended):
                m.d.sync += [self.busy.eq(0), done.eq(1), pending.eq(1)]

        # Reads.
        values = {
            "ID": DEVICE_ID,
            "VERSION": ISA_VERSION,
            "STATUS": self.busy | done << 1 | error.any() << 2,
            "ERROR": error,
            **stored,
        }
        for name, counter in counters.items():
            values |= {f"{name}_LOW": counter[:32], f"{name}_HIGH": counter[32:]}
        # The register is chosen in the cycle in which its address is taken, and read in the next.
        readable = [entry for entry in REGISTERS if entry.access != "w"]
        chosen = Signal(len(readable))
        reading = Signal()
        m.d.comb += bus.arready.eq(~bus.rvalid & ~reading)
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        m.d.sync += [
            reading.eq(bus.arvalid & bus.arready),
            chosen.eq(Cat(bus.araddr[2:] == entry.offset // 4 for entry in readable)),
        ]
        with m.If(reading):
            m.d.sync += bus.rvalid.eq(1)
            value: Any = Const(0, 32)
            for bit, entry in enumerate(readable):
                value = value | Mux(chosen[bit], values[entry.name], 0)
            m.d.sync += bus.rdata.eq(value)
        return m


def _wide(stored: dict[str, Signal], name: str) -> Any:
    """The DRAM address in a pair of registers."""
    return stored[f"{name}_LOW"] | stored[f"{name}_HIGH"][: ADDRESS_BITS - 32] << 32
