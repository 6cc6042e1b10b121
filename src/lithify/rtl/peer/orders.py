"""A node's own registers, and the unit that carries out its orders: runs of the chip, sends, and waits."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from lithify.isa import peer
from lithify.isa.peer import (
    BY_NAME,
    FIELDS,
    ORDER_BYTES,
    ORDERS,
    ORDERS_OFFSET,
    PAGE_ORDERS,
    PEER_ID,
    REGISTERS,
    WINDOW,
    Opcode,
)
from lithify.isa.registers import BY_NAME as CHIP
from lithify.rtl.axi import AXI4Lite
from lithify.rtl.peer.ports import TRANSFER

SLAVE_ERROR = 2
"""xRESP of an access of the chip while orders are carried out."""

COUNTED = ("FRAMES_SENT", "FRAMES_AGAIN", "FRAMES_TAKEN", "CHECK_ERRORS", "TIMEOUTS", "MESSAGES")
"""Counters, each of a pulse of the link; they count from reset on."""

START, ACKNOWLEDGE = 1, 2
INDEX_BITS = (ORDERS - 1).bit_length()


class Orders(wiring.Component):
    """Between the host and the chip: ``host`` reaches the chip's registers as long as no orders are carried out, and
    the node's own always.

    An order is read in one cycle and looked at in the next. ``events``: a pulse each of `COUNTED`. ``interrupt`` is up
    from the end of the orders until it is acknowledged.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "host": In(AXI4Lite()),
                "chip": Out(AXI4Lite()),
                "chip_interrupt": In(1),
                "interrupt": Out(1),
                "transfer": Out(TRANSFER),
                "transfer_valid": Out(1),
                "transfer_ready": In(1),
                "timeout": Out(32, init=peer.TIMEOUT),
                "tries": Out(8, init=peer.TRIES),
                "idle": In(1),
                "dead": In(1),
                "failed": In(1),
                "events": In(len(COUNTED)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        host, chip = self.host, self.chip
        busy, done, causes = Signal(), Signal(), Signal(len(peer.CAUSES))
        m.submodules.kept = kept = memory.Memory(shape=8 * ORDER_BYTES, depth=ORDERS, init=[])
        put, take = kept.write_port(granularity=32), kept.read_port()

        # The host's writes.
        write, own, page = Signal(), Signal(), Signal(range(ORDERS // PAGE_ORDERS))
        own_answer, own_refused = Signal(), Signal()
        m.d.comb += [
            own.eq(busy | (host.awaddr >= WINDOW)),
            write.eq(host.awvalid & host.wvalid & own & ~own_answer),
            put.addr.eq(Cat(host.awaddr[4:11], page)),
            put.data.eq(Cat(*[host.wdata] * 4)),
            put.en.eq(Mux(write & (host.awaddr >= ORDERS_OFFSET) & ~busy, 1 << host.awaddr[2:4], 0)),
        ]
        with m.If(host.bready):
            m.d.sync += own_answer.eq(0)
        with m.If(write):
            m.d.sync += [own_answer.eq(1), own_refused.eq(busy & ((host.awaddr < WINDOW) | host.awaddr[11]))]
        command = Signal(2)
        with m.If(write):
            with m.Switch(host.awaddr[2:]):
                with m.Case(BY_NAME["LINK_TIMEOUT"].offset // 4):
                    m.d.sync += self.timeout.eq(host.wdata)
                with m.Case(BY_NAME["LINK_TRIES"].offset // 4):
                    m.d.sync += self.tries.eq(host.wdata)
                with m.Case(BY_NAME["LINK_PAGE"].offset // 4):
                    m.d.sync += page.eq(host.wdata)
                with m.Case(BY_NAME["LINK_CONTROL"].offset // 4):
                    m.d.comb += command.eq(host.wdata)

        # The host's reads.
        counters = {name: Signal(32, name=name.lower()) for name in COUNTED}
        for number, counter in enumerate(counters.values()):
            m.d.sync += counter.eq(counter + self.events[number])
        elapsed = Signal(32)
        values = {
            "LINK_ID": Const(PEER_ID, 32),
            "LINK_STATUS": Cat(busy, done, causes),
            "LINK_TIMEOUT": self.timeout,
            "LINK_TRIES": self.tries,
            "LINK_PAGE": page,
            "ELAPSED": elapsed,
            **counters,
        }
        own_read, read_refused, read_data = Signal(), Signal(), Signal(32)
        reads_own = Signal()
        m.d.comb += reads_own.eq(busy | (host.araddr >= WINDOW))
        with m.If(host.rready):
            m.d.sync += own_read.eq(0)
        with m.If(host.arvalid & reads_own & ~own_read):
            m.d.sync += [own_read.eq(1), read_refused.eq(host.araddr < WINDOW), read_data.eq(0)]
            with m.Switch(host.araddr[2:]):
                for entry in REGISTERS:
                    if entry.access != "w":
                        with m.Case(entry.offset // 4):
                            m.d.sync += read_data.eq(values[entry.name])

        # The chip's bus is the host's, or that of the orders.
        ours = {
            name: Signal(member.shape, name=f"order_{name}")
            for name, member in AXI4Lite().members.items()
            if member.flow == wiring.Out
        }
        m.d.comb += [ours["wstrb"].eq(-1), ours["bready"].eq(1), ours["rready"].eq(1)]
        for name, signal in ours.items():
            given = getattr(host, name)
            if name in ("awvalid", "wvalid"):
                given = host.awvalid & host.wvalid & ~own
            elif name == "arvalid":
                given = host.arvalid & ~reads_own
            m.d.comb += getattr(chip, name).eq(Mux(busy, signal, given))
        m.d.comb += [
            host.awready.eq(Mux(own, write, chip.awready)),
            host.wready.eq(Mux(own, write, chip.wready)),
            host.bvalid.eq(own_answer | (chip.bvalid & ~busy)),
            host.bresp.eq(Mux(own_answer, Mux(own_refused, SLAVE_ERROR, 0), chip.bresp)),
            host.arready.eq(Mux(reads_own, ~own_read, chip.arready)),
            host.rvalid.eq(own_read | (chip.rvalid & ~busy)),
            host.rdata.eq(Mux(own_read, read_data, chip.rdata)),
            host.rresp.eq(Mux(own_read, Mux(read_refused, SLAVE_ERROR, 0), chip.rresp)),
        ]

        # Orders.
        place, waited = Signal(INDEX_BITS), Signal(32)
        m.d.comb += [take.addr.eq(place), take.en.eq(1)]
        m.d.sync += waited.eq(waited + 1)
        order = take.data
        at = {
            (opcode, field.name): order[field.start : field.start + field.bits]
            for opcode, fields in FIELDS.items()
            for field in fields
        }
        m.d.comb += [
            self.transfer.words.eq(at[Opcode.SEND, "words"]),
            self.transfer.source.eq(at[Opcode.SEND, "source"]),
            self.transfer.target.eq(at[Opcode.SEND, "target"]),
        ]
        arrived, used = Signal(24), Signal(24)
        m.d.sync += arrived.eq(arrived + self.events[COUNTED.index("MESSAGES")] - used)
        messages, patience = at[Opcode.AWAIT, "messages"], at[Opcode.AWAIT, "patience"]
        # What ends the orders early is seen when the next is looked at.
        chip_failed, late, ends = Signal(), Signal(), Signal()

        def write_chip(register: Any, value: Any) -> None:
            m.d.comb += [
                ours["awvalid"].eq(1),
                ours["wvalid"].eq(1),
                ours["awaddr"].eq(register),
                ours["wdata"].eq(value),
            ]

        with m.If(busy):
            m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(command[1]):
            m.d.sync += self.interrupt.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(command[0]):
                    m.d.sync += [busy.eq(1), done.eq(0), causes.eq(0), chip_failed.eq(0)]
                    m.d.sync += [elapsed.eq(0), place.eq(0)]
                    m.next = "READ"
            with m.State("READ"):
                m.d.sync += waited.eq(0)
                m.next = "LOOK"
            with m.State("LOOK"):
                with m.If(self.dead | self.failed | chip_failed):
                    m.d.comb += ends.eq(1)
                with m.Else():
                    with m.Switch(order[:8]):
                        with m.Case(Opcode.SET):
                            write_chip(at[Opcode.SET, "offset"], at[Opcode.SET, "value"])
                            m.next = "WRITTEN"
                        with m.Case(Opcode.RUN):
                            write_chip(CHIP["CONTROL"].offset, START)
                            m.next = "RUNNING"
                        with m.Case(Opcode.SEND):
                            m.d.comb += self.transfer_valid.eq(1)
                            with m.If(self.transfer_ready):
                                m.d.sync += place.eq(place + 1)
                                m.next = "READ"
                        with m.Case(Opcode.AWAIT):
                            with m.If(arrived >= messages):
                                m.d.comb += used.eq(messages)
                                m.d.sync += place.eq(place + 1)
                                m.next = "READ"
                            with m.Elif((patience != 0) & (waited == patience)):
                                m.d.comb += [late.eq(1), ends.eq(1)]
                        with m.Default():
                            m.d.comb += ends.eq(self.idle)
                with m.If(ends):
                    m.next = "IDLE"
            with m.State("WRITTEN"):
                m.d.sync += place.eq(place + 1)
                m.next = "READ"
            with m.State("RUNNING"):
                with m.If(self.chip_interrupt):
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += [ours["arvalid"].eq(1), ours["araddr"].eq(CHIP["STATUS"].offset)]
                m.next = "TOLD"
            with m.State("TOLD"):
                with m.If(chip.rvalid):
                    write_chip(CHIP["CONTROL"].offset, ACKNOWLEDGE)
                    m.d.sync += chip_failed.eq(chip.rdata[2])
                    m.next = "WRITTEN"
        with m.If(ends):
            m.d.sync += [
                busy.eq(0),
                done.eq(1),
                causes.eq(Cat(self.dead, late, chip_failed, self.failed)),
                self.interrupt.eq(1),
            ]
        return m
