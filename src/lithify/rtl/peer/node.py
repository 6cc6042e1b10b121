"""A node of a cluster: a chip, as it is alone, and beside it the link to another, with a way of its own to DRAM."""

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa.peer import WORD_BYTES
from lithify.rtl.axi import AXI4, AXI4Lite
from lithify.rtl.chip import Top
from lithify.rtl.compute.unit import ComputeUnit
from lithify.rtl.leaf import place
from lithify.rtl.netlist import modules
from lithify.rtl.peer.orders import Orders
from lithify.rtl.peer.ports import Words
from lithify.rtl.peer.receiver import Receiver
from lithify.rtl.peer.sender import Sender


class Peer(wiring.Component):
    """The link and its orders. ``s_axi``: of the host; ``chip``, ``chip_irq``: to the chip; ``l_axi``: to DRAM;
    ``near``, ``far``: the words that go and that come.
    """

    module_name = "lithify_peer"

    def __init__(self) -> None:
        super().__init__(
            {
                "clk": In(1),
                "rst": In(1),
                "s_axi": In(AXI4Lite()),
                "chip": Out(AXI4Lite()),
                "chip_irq": In(1),
                "irq": Out(1),
                "l_axi": Out(AXI4(WORD_BYTES)),
                "near": Out(Words()),
                "far": In(Words()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.domains.reset = ClockDomain("reset", reset_less=True)
        reset = Signal(init=1)
        m.d.reset += reset.eq(self.rst)
        m.d.comb += [ClockSignal("reset").eq(self.clk), ClockSignal("sync").eq(self.clk), ResetSignal("sync").eq(reset)]
        m.submodules.sender = sender = Sender()
        m.submodules.receiver = receiver = Receiver()
        m.submodules.orders = orders = Orders()
        wiring.connect(m, wiring.flipped(self.s_axi), orders.host)
        wiring.connect(m, orders.chip, wiring.flipped(self.chip))
        wiring.connect(m, sender.words, wiring.flipped(self.near))
        wiring.connect(m, wiring.flipped(self.far), receiver.words)
        wiring.connect(m, receiver.answers, sender.answers)
        for half in (sender, receiver):
            for name, member in half.memory.signature.members.items():
                outside, inside = getattr(self.l_axi, name), getattr(half.memory, name)
                m.d.comb += outside.eq(inside) if member.flow == wiring.Out else inside.eq(outside)
        m.d.comb += [
            receiver.answered.eq(sender.answered),
            sender.transfer.eq(orders.transfer),
            sender.transfer_valid.eq(orders.transfer_valid),
            orders.transfer_ready.eq(sender.transfer_ready),
            sender.timeout.eq(orders.timeout),
            sender.tries.eq(orders.tries),
            orders.idle.eq(sender.idle),
            orders.dead.eq(sender.dead),
            orders.failed.eq(sender.failed | receiver.failed),
            orders.events.eq(
                Cat(sender.framed, sender.repeated, receiver.taken, receiver.wrong, sender.timed_out, receiver.arrived)
            ),
            orders.chip_interrupt.eq(self.chip_irq),
            self.irq.eq(orders.interrupt),
        ]
        return m


class Node(wiring.Component):
    """A chip and its `Peer`: the chip's ports, with the host's bus and the interrupt behind the orders, and the link's.

    ``chip_irq`` is the chip's own interrupt, to look at.
    """

    module_name = "lithify_node"

    def __init__(self, chip: Chip) -> None:
        self.top, self.peer = Top(chip, ComputeUnit(chip)), Peer()
        ours = {name: member for name, member in self.peer.signature.members.items() if not name.startswith("chip")}
        super().__init__({**self.top.signature.members, **ours, "chip_irq": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        top, peer = self.top, self.peer
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal("sync").eq(self.clk), ResetSignal("sync").eq(self.rst)]
        place(m, "chip", top, platform)
        place(m, "peer", peer, platform)
        wiring.connect(m, peer.chip, top.s_axi)
        m.d.comb += [
            top.clk.eq(self.clk),
            top.rst.eq(self.rst),
            peer.clk.eq(self.clk),
            peer.rst.eq(self.rst),
            peer.chip_irq.eq(top.irq),
            self.irq.eq(peer.irq),
            self.chip_irq.eq(top.irq),
        ]
        for inner, but in ((top, ("clk", "rst", "s_axi", "irq")), (peer, ("clk", "rst", "chip", "chip_irq", "irq"))):
            for name, member in inner.signature.members.items():
                if name in but:
                    continue
                if member.is_signature:
                    wiring.connect(m, getattr(inner, name), wiring.flipped(getattr(self, name)))
                elif member.flow == wiring.Out:
                    m.d.comb += getattr(self, name).eq(getattr(inner, name))
        return m


def node_verilog(chip: Chip) -> dict[str, str]:
    """The Verilog of a node: file name -> text, the top module `lithify_node` first."""
    return modules(Node(chip))


def peer_verilog() -> dict[str, str]:
    """The Verilog of the link alone: file name -> text, the top module `lithify_peer` first."""
    return modules(Peer())
