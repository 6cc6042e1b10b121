"""Instruction queues and the tokens that order them."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa import BY_NAME, Queue
from lithify.rtl.fetch import INSTRUCTION_BITS
from lithify.rtl.instruction import layout
from lithify.rtl.ports import InstructionPort, Retirement

QUEUES = {Queue.LOAD: "LOAD", Queue.COMPUTE: "CONV", Queue.STORE: "STORE"}
"""The queues that every chip has, each with an operation that has the fields of all its operations."""


def queues(chip: Chip) -> dict[Queue, str]:
    """The queues that are built; see `QUEUES`."""
    return QUEUES | ({Queue.VECTOR: "VECTOR"} if chip.vector else {})


TOKEN_BITS = 8
FLIGHT_BITS = 8


class Dispatch(wiring.Component):
    """Holds the instructions of each queue and lets the head start when its tokens are there.

    An instruction pushed in cycle c is at the head from c+1 on. A token given by a retirement in cycle c can be taken
    in c+1. ``idle`` is high when every queue is empty and everything started has retired. ``clear`` drops all tokens.
    Members ``load``, ``compute``, ``store`` (and ``vector``, if built) are the ports of the units, ``load_done`` and so
    on their retirements.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        ports = {}
        for queue, operation in queues(chip).items():
            ports[queue.name.lower()] = Out(InstructionPort(operation, chip))
            ports[f"{queue.name.lower()}_done"] = In(Retirement())
        super().__init__(
            {
                **ports,
                "push": In(len(Queue)),
                "room": Out(len(Queue)),
                "instruction": In(INSTRUCTION_BITS),
                "clear": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        starts, waits, quiet = {}, {}, []
        built = queues(self.chip)
        for queue, operation in built.items():
            name = queue.name.lower()
            port, done = getattr(self, name), getattr(self, f"{name}_done")
            shape = layout(BY_NAME[operation], self.chip)
            fifo = SyncFIFO(width=shape.size, depth=self.chip.queue_depth)
            m.submodules[f"{name}_queue"] = fifo
            head = data.View(shape, fifo.r_data)
            start, flight = Signal(name=f"{name}_start"), Signal(FLIGHT_BITS, name=f"{name}_flight")
            m.d.comb += [
                fifo.w_data.eq(self.instruction),
                fifo.w_en.eq(self.push[queue]),
                self.room[queue].eq(fifo.w_rdy),
                port.fields.eq(head),
                start.eq(port.valid & port.ready),
                fifo.r_en.eq(start),
            ]
            m.d.sync += flight.eq(flight + start - done.retire)
            quiet += [~fifo.r_rdy, flight == 0]
            starts[queue], waits[queue] = start, Signal(len(Queue), name=f"{name}_waits")
            m.d.comb += waits[queue].eq(head.wait)
            held = Signal(len(Queue), name=f"{name}_held")
            for source in built:
                giver = getattr(self, f"{source.name.lower()}_done")
                count = Signal(TOKEN_BITS, name=f"{source.name.lower()}_to_{name}")
                m.d.comb += held[source].eq(count != 0)
                m.d.sync += count.eq(count + (giver.retire & giver.signal[queue]) - (start & waits[queue][source]))
                with m.If(self.clear):
                    m.d.sync += count.eq(0)
            m.d.comb += port.valid.eq(fifo.r_rdy & ~(waits[queue] & ~held).any())
        m.d.comb += self.idle.eq(Cat(*quiet).all())
        return m
