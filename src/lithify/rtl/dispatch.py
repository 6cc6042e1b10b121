"""Instruction queues and the tokens that order them."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa import BY_NAME, Queue
from lithify.rtl.fetch import INSTRUCTION_BITS
from lithify.rtl.fifo import Fifo
from lithify.rtl.instruction import layout
from lithify.rtl.ports import InstructionPort, Retirement

QUEUES = {Queue.LOAD: "LOAD", Queue.COMPUTE: "CONV", Queue.STORE: "STORE"}
"""The queues that every chip has, each with an operation that has the fields of all its operations."""


def queues(chip: Chip) -> dict[Queue, str]:
    """The queues that are built; see `QUEUES`."""
    return QUEUES | ({Queue.VECTOR: "VECTOR"} if chip.vector else {})


WHEN_BITS = next(field.bits for field in BY_NAME["END"].fields if field.name == "when")
TOKEN_BITS = 8
FLIGHT_BITS = 8


class Dispatch(wiring.Component):
    """Holds the instructions of each queue and lets the head start when its tokens are there.

    An instruction pushed in cycle c is at the head from c+1 on. A token given by a retirement in cycle c can be taken
    in c+1. ``idle`` is high when every queue is empty and everything started has retired. ``clear`` drops all tokens.
    Members ``load``, ``compute``, ``store`` (and ``vector``, if built) are the ports of the units, ``load_done`` and so
    on their retirements. ``skip``: the register of that name; an instruction whose ``when`` is one of its bits is
    passed over: at the head, with its tokens there and all that its queue started retired, it starts by itself and
    ``passed`` pulses in the next cycle, in which it has retired.
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
                "skip": In(1 << WHEN_BITS),
                "passed": Out(len(Queue)),
                "push": In(len(Queue)),
                "room": Out(len(Queue)),
                "instruction": In(INSTRUCTION_BITS),
                "clear": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        built = queues(self.chip)
        # An instruction that is passed over is known when it is pushed; in its queue `when` is 1 then, else 0.
        header = layout(BY_NAME["END"])
        over = Signal()
        m.d.comb += over.eq(self.skip.bit_select(data.View(header, self.instruction[: header.size]).when, 1))
        starts, gifts, quiet = {}, {}, []
        clear = Signal()  # a cycle later: no instruction comes that soon
        m.d.sync += clear.eq(self.clear)
        waits = {queue: Signal(len(Queue), name=f"{queue.name.lower()}_waits") for queue in built}
        # Whether there are tokens in the next cycle.
        held = {queue: Signal(len(Queue), name=f"{queue.name.lower()}_held_next") for queue in built}
        for queue, operation in built.items():
            name = queue.name.lower()
            port, done = getattr(self, name), getattr(self, f"{name}_done")
            shape = layout(BY_NAME[operation], self.chip)
            # What decides whether an instruction starts comes from a register; the rest of it has time.
            fifo = Fifo(width=shape.size, depth=self.chip.queue_depth)
            first = Fifo(width=len(Queue) + 1, depth=self.chip.queue_depth, head=True, registers=True)
            m.submodules[f"{name}_queue"], m.submodules[f"{name}_first"] = fifo, first
            head, pushed = data.View(shape, fifo.r_data), Signal(shape, name=f"{name}_pushed")
            when = first.r_data[-1]
            start, flight = Signal(name=f"{name}_start"), Signal(FLIGHT_BITS, name=f"{name}_flight")
            able, leave = Signal(name=f"{name}_able"), Signal(name=f"{name}_leave")
            flying = Signal(name=f"{name}_flying")  # flight is not 0
            passed, signal = self.passed[queue], Signal(len(Queue), name=f"{name}_passed_signal")
            gifts[queue] = Signal(len(Queue), name=f"{name}_gifts")
            starts[queue] = start | leave
            m.d.comb += [
                pushed.eq(self.instruction),
                pushed.when.eq(over),
                fifo.w_data.eq(pushed),
                fifo.w_en.eq(self.push[queue]),
                first.w_data.eq(Cat(pushed.wait, over)),
                first.w_en.eq(self.push[queue]),
                first.r_en.eq(start | leave),
                self.room[queue].eq(fifo.w_rdy),
                port.fields.eq(head),
                port.fields.wait.eq(waits[queue]),
                waits[queue].eq(first.r_data[:-1]),
                port.valid.eq(able & ~when),
                start.eq(port.valid & port.ready),
                leave.eq(able & when & ~flying),
                fifo.r_en.eq(start | leave),
                gifts[queue].eq(Mux(passed, signal, Mux(done.retire, done.signal, 0))),
            ]
            # Known a cycle ahead.
            m.d.sync += [able.eq(first.r_rdy_next & ~(first.r_data_next[:-1] & ~held[queue]).any()), passed.eq(leave)]
            with m.If(start & ~done.retire):
                m.d.sync += [flight.eq(flight + 1), flying.eq(1)]
            with m.If(done.retire & ~start):
                m.d.sync += [flight.eq(flight - 1), flying.eq(flight != 1)]
            with m.If(leave):
                m.d.sync += signal.eq(head.signal)
            quiet += [~first.r_rdy, ~flying, ~passed]
        for queue in built:
            for source in built:
                count = Signal(TOKEN_BITS, name=f"{source.name.lower()}_to_{queue.name.lower()}")
                some = Signal(name=f"{source.name.lower()}_to_{queue.name.lower()}_some")  # count is not 0
                gift, taken = gifts[source][queue], starts[queue] & waits[queue][source]
                m.d.comb += held[queue][source].eq(~clear & (gift | Mux(taken, count != 1, some)))
                m.d.sync += some.eq(held[queue][source])
                with m.If(gift & ~taken):
                    m.d.sync += count.eq(count + 1)
                with m.If(taken & ~gift):
                    m.d.sync += count.eq(count - 1)
                with m.If(clear):
                    m.d.sync += count.eq(0)
        m.d.comb += self.idle.eq(Cat(*quiet).all())
        return m
