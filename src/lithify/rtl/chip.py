"""The chip: every unit, and the wires between them."""

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa import Queue
from lithify.rtl.axi import AXI4, AXI4Lite
from lithify.rtl.control import Control
from lithify.rtl.dispatch import Dispatch
from lithify.rtl.fetch import Fetch
from lithify.rtl.ports import SCRATCHPAD_ADDRESS_BITS, activation_ports, weight_ports
from lithify.rtl.read_port import ReadPort
from lithify.rtl.scratchpad import Scratchpad
from lithify.rtl.transfer.load import Load
from lithify.rtl.transfer.store import Store
from lithify.rtl.vector.unit import VectorUnit


class Top(wiring.Component):
    """The whole chip.

    ``rst`` is synchronous to ``clk``; hold it high for two cycles. ``m_axi`` goes to memory, ``s_axi`` comes from the
    host, ``irq`` rises when a program has ended (until acknowledged). ``retire`` pulses bit q when an instruction of
    queue q retires, bit 4 for END; ``result_*`` shows every word that post-processing writes and, where there is a
    vector unit, ``vector_result_*`` every word that it writes. No trace is needed to use the chip; left open, they cost
    nothing.

    ``compute`` is the compute unit, a component with the ports of ``ComputePorts``.
    """

    module_name = "lithify_chip"

    def __init__(self, chip: Chip, compute: wiring.Component) -> None:
        self.chip, self.compute = chip, compute
        results = {
            "result_valid": Out(1),
            "result_address": Out(SCRATCHPAD_ADDRESS_BITS),
            "result_data": Out(8 * chip.word_bytes),
        }
        super().__init__(
            {
                "clk": In(1),
                "rst": In(1),
                "m_axi": Out(AXI4(chip.bus_bytes)),
                "s_axi": In(AXI4Lite()),
                "irq": Out(1),
                "retire": Out(5),
                **results,
                **({f"vector_{name}": port for name, port in results.items()} if chip.vector else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, compute = self.chip, self.compute
        # The reset is registered before it fans out; it takes effect a cycle later.
        m.domains.sync = ClockDomain("sync")
        m.domains.reset = ClockDomain("reset", reset_less=True)
        reset = Signal(init=1)
        m.d.reset += reset.eq(self.rst)
        m.d.comb += [
            ClockSignal("reset").eq(self.clk),
            ClockSignal("sync").eq(self.clk),
            ResetSignal("sync").eq(reset),
        ]

        m.submodules.control = control = Control()
        m.submodules.fetch = fetch = Fetch(chip)
        m.submodules.dispatch = dispatch = Dispatch(chip)
        m.submodules.read_port = read_port = ReadPort(chip)
        m.submodules.load = load = Load(chip)
        m.submodules.store = store = Store(chip)
        m.submodules.compute = compute
        m.submodules.scratchpad = scratchpad = Scratchpad(chip)

        # The buses.
        memory = self.m_axi
        wiring.connect(m, wiring.flipped(self.s_axi), control.bus)
        for name, member in read_port.bus.signature.members.items():
            _join(m, getattr(memory, name), getattr(read_port.bus, name), member.flow == wiring.Out)
        for name, member in store.bus.signature.members.items():
            _join(m, getattr(memory, name), getattr(store.bus, name), member.flow == wiring.Out)

        # Control and fetch.
        m.d.comb += [
            self.irq.eq(control.interrupt),
            fetch.start.eq(control.start),
            fetch.program.eq(control.program),
            fetch.program_bursts.eq(control.program_bursts),
            fetch.idle.eq(dispatch.idle),
            control.ended.eq(fetch.ended),
            control.unknown.eq(fetch.unknown),
            control.conflict.eq(scratchpad.conflict),
            control.failed.eq(read_port.failed | store.failed),
            control.read_beat.eq(memory.rvalid & memory.rready),
            control.write_beat.eq(memory.wvalid & memory.wready),
            control.array_active.eq(compute.array_active),
            dispatch.push.eq(fetch.push),
            dispatch.instruction.eq(fetch.instruction),
            fetch.room.eq(dispatch.room),
            dispatch.clear.eq(control.start),
            dispatch.skip.eq(control.skip),
            load.bases.eq(control.bases),
            store.bases.eq(control.bases),
        ]

        # Requests and answers of the memory.
        m.d.comb += [
            read_port.fetch_request.eq(fetch.request),
            read_port.fetch_address.eq(fetch.request_address),
            fetch.request_ready.eq(read_port.fetch_ready),
            read_port.load_request.eq(load.request),
            read_port.load_address.eq(load.request_address),
            read_port.load_length.eq(load.request_length),
            load.request_ready.eq(read_port.load_ready),
            fetch.beat_valid.eq(read_port.fetch_beat),
            load.beat_valid.eq(read_port.load_beat),
        ]
        for unit in (fetch, load):
            m.d.comb += [unit.beat_last.eq(read_port.beat_last), unit.beat_data.eq(read_port.beat_data)]

        # Instructions to the units, words between the units and the scratchpad.
        for name, unit in (("load", load), ("compute", compute), ("store", store)):
            wiring.connect(m, getattr(dispatch, name), unit.instruction)
            wiring.connect(m, unit.retirement, getattr(dispatch, f"{name}_done"))
        wiring.connect(m, scratchpad.load, load.scratchpad)
        wiring.connect(m, scratchpad.store, store.scratchpad)
        for name in (*activation_ports(chip), *weight_ports(chip), "residual", "results"):
            wiring.connect(m, getattr(scratchpad, name), getattr(compute, name))

        if chip.vector is not None:
            self._vector(m, VectorUnit(chip.vector), dispatch, scratchpad)

        # The traces.
        m.d.comb += [
            self.retire[Queue.LOAD].eq(load.retirement.retire | dispatch.passed[Queue.LOAD]),
            self.retire[Queue.COMPUTE].eq(compute.retirement.retire | dispatch.passed[Queue.COMPUTE]),
            self.retire[Queue.STORE].eq(store.retirement.retire | dispatch.passed[Queue.STORE]),
            self.retire[len(Queue)].eq(fetch.ended),
            self.result_valid.eq(compute.results.enable),
            self.result_address.eq(compute.results.address),
            self.result_data.eq(compute.results.data),
        ]
        return m

    def _vector(self, m: Module, unit: VectorUnit, dispatch: Dispatch, scratchpad: Scratchpad) -> None:
        """The vector unit between its queue and its two ports of the scratchpad."""
        m.submodules.vector = unit
        port, done, signal = dispatch.vector, dispatch.vector_done, Signal(len(Queue))
        with m.If(port.valid & port.ready):
            m.d.sync += signal.eq(port.fields.signal)
        m.d.comb += [
            unit.start.eq(port.valid),
            port.ready.eq(unit.ready),
            *(unit.fields[name].eq(port.fields[name]) for name, _ in unit.fields.shape()),
            done.retire.eq(unit.retire),
            done.signal.eq(signal),
            self.retire[Queue.VECTOR].eq(unit.retire | dispatch.passed[Queue.VECTOR]),
            scratchpad.vector.enable.eq(unit.read_enable),
            scratchpad.vector.address.eq(unit.read_address),
            unit.read_data.eq(scratchpad.vector.data),
            scratchpad.vector_results.enable.eq(unit.write_enable),
            scratchpad.vector_results.address.eq(unit.write_address),
            scratchpad.vector_results.data.eq(unit.write_data),
            self.vector_result_valid.eq(unit.write_enable),
            self.vector_result_address.eq(unit.write_address),
            self.vector_result_data.eq(unit.write_data),
        ]


def _join(m: Module, outside: Any, inside: Any, out: bool) -> None:
    """Connect a signal of the chip's port with that of a unit, in its direction."""
    m.d.comb += outside.eq(inside) if out else inside.eq(outside)
