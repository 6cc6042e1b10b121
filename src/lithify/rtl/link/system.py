"""What an FPGA holds: the chip, its memory, and the link to the host."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa import Queue
from lithify.isa.link import LINK_ID, SILENCE_BITS, fingerprint
from lithify.isa.registers import BY_NAME
from lithify.rtl.chip import Top
from lithify.rtl.compute.unit import ComputeUnit
from lithify.rtl.leaf import place
from lithify.rtl.link.bridge import Bridge
from lithify.rtl.link.controller import SdramPins, SdramStore
from lithify.rtl.link.memory import Memory
from lithify.rtl.link.sdram import Sdram
from lithify.rtl.link.store import BlockStore
from lithify.rtl.link.uart import Receiver, Transmitter
from lithify.rtl.netlist import modules

POWER_UP_CYCLES = 64
"""Cycles of reset after the clock is there."""


@dataclass(frozen=True)
class SystemDescription:
    """A chip with a memory and a link. memory_bytes: of its DRAM, a multiple of 4096; clock_hz: of all; baud: bits a
    second on the line; sdram: what the DRAM is, whole, None: block RAM.
    """

    chip: Chip
    memory_bytes: int
    clock_hz: int
    baud: int
    sdram: Sdram | None = None

    @property
    def divisor(self) -> int:
        """Cycles of a bit."""
        return max(1, round(self.clock_hz / self.baud))

    @property
    def identification(self) -> dict[str, int]:
        """The words by which the driver knows it, LATE apart."""
        name = fingerprint(self.chip)
        return {
            "LINK_ID": LINK_ID,
            "MEMORY_BYTES": self.memory_bytes,
            "BUS_BYTES": self.chip.bus_bytes,
            "CLOCK_HZ": self.clock_hz,
            **{f"CHIP_{index}": int.from_bytes(name[4 * index : 4 * index + 4], "little") for index in range(4)},
        }


class System(wiring.Component):
    """``rx`` and ``tx``: the line. ``locked``: the clock is good. ``running``: a program runs; ``linked``: a request is
    under way. ``sdram``: the pins of an SDRAM, where the DRAM is one.
    """

    module_name = "lithify_system"

    def __init__(self, description: SystemDescription) -> None:
        self.description = description
        super().__init__(
            {
                "clk": In(1),
                "locked": In(1),
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "running": Out(1),
                "linked": Out(1),
                **({"sdram": Out(SdramPins(description.sdram))} if description.sdram else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        whole, chip = self.description, self.description.chip
        m.domains.sync = ClockDomain("sync")
        m.domains.power = ClockDomain("power", reset_less=True)
        waited = Signal(range(POWER_UP_CYCLES))
        reset = Signal(init=1)
        m.d.comb += [ClockSignal("sync").eq(self.clk), ClockSignal("power").eq(self.clk), ResetSignal("sync").eq(reset)]
        with m.If(~self.locked):
            m.d.power += [waited.eq(0), reset.eq(1)]
        with m.Elif(waited != POWER_UP_CYCLES - 1):
            m.d.power += waited.eq(waited + 1)
        with m.Else():
            m.d.power += reset.eq(0)

        top = Top(chip, ComputeUnit(chip))
        place(m, "chip", top, platform)
        store: BlockStore | SdramStore
        if whole.sdram is None:
            store = BlockStore(chip.bus_bytes, whole.memory_bytes)
        else:
            assert whole.memory_bytes == whole.sdram.size, whole.memory_bytes
            store = SdramStore(whole.sdram, chip.bus_bytes, whole.clock_hz)
            wiring.connect(m, wiring.flipped(self.sdram), store.pins)
        m.submodules.memory = memory = Memory(store, chip.bus_bytes, chip.dram_bytes_per_cycle)
        m.submodules.bridge = bridge = Bridge(
            chip.bus_bytes, whole.memory_bytes, whole.identification, SILENCE_BITS * whole.divisor
        )
        m.submodules.receiver = receiver = Receiver(whole.divisor)
        m.submodules.transmitter = transmitter = Transmitter(whole.divisor)
        for component, port, other in ((top, "m_axi", memory.bus), (bridge, "memory", memory.host),
                                       (bridge, "registers", top.s_axi)):  # fmt: skip
            wiring.connect(m, getattr(component, port), other)
        m.d.comb += [
            top.clk.eq(ClockSignal("sync")),
            top.rst.eq(reset),
            receiver.line.eq(self.rx),
            bridge.receive.eq(receiver.byte),
            bridge.receive_valid.eq(receiver.valid),
            transmitter.byte.eq(bridge.send),
            transmitter.valid.eq(bridge.send_valid),
            bridge.send_ready.eq(transmitter.ready),
            self.tx.eq(transmitter.line),
            self.linked.eq(bridge.active | ~transmitter.ready),
        ]
        control = BY_NAME["CONTROL"].offset
        with m.If(self.running & memory.late & ~bridge.late.all()):
            m.d.sync += bridge.late.eq(bridge.late + 1)
        with m.If(bridge.registers.wvalid & (bridge.registers.awaddr == control) & bridge.registers.wdata[0]):
            m.d.sync += [self.running.eq(1), bridge.late.eq(0)]
        with m.Elif(top.retire[len(Queue)]):
            m.d.sync += self.running.eq(0)
        return m


def system_verilog(description: SystemDescription) -> dict[str, str]:
    """The Verilog of the whole system: file name -> text, the top module `lithify_system` first."""
    return modules(System(description))
