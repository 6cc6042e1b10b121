"""A unit of the chip by itself on a board: a shift register gives what it takes, and one bit takes what it gives."""

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetSignal, Signal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.leaf import flat_ports
from lithify.rtl.netlist import modules


class Probe(wiring.Component):
    """The ports of a system around ``unit``. Every path into and out of it ends at a register."""

    module_name = "lithify_system"

    def __init__(self, unit: wiring.Component) -> None:
        self.unit = unit
        lines = {"clk": In(1), "locked": In(1), "rx": In(1), "tx": Out(1), "running": Out(1), "linked": Out(1)}
        super().__init__(lines)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.submodules.unit = self.unit
        ports = flat_ports(self.unit)
        taken = Cat(value for _, value, way in ports if way == PortDirection.Input)
        given = Cat(value for _, value, way in ports if way == PortDirection.Output)
        shift, kept = Signal(len(taken)), Signal(len(given))
        m.d.comb += [ClockSignal("sync").eq(self.clk), ResetSignal("sync").eq(~self.locked), taken.eq(shift)]
        m.d.sync += [shift.eq(Cat(self.rx & self.locked, shift)), kept.eq(given)]
        m.d.comb += [self.tx.eq(_folded(m, kept)), self.running.eq(shift[-1]), self.linked.eq(kept[0])]
        return m


def _folded(m: Module, value: Value) -> Value:
    """All bits together, eight at a time and a register after each time."""
    while len(value) > 1:
        folded = Signal(-(-len(value) // 8))
        m.d.sync += folded.eq(Cat(value[start : start + 8].xor() for start in range(0, len(value), 8)))
        value = folded
    return value


def probed(unit: wiring.Component) -> dict[str, str]:
    """The Verilog of a unit in its probe."""
    return modules(Probe(unit))
