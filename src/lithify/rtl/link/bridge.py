"""From bytes of the line to accesses of registers and memory, and back: the packets of ``isa/link.py``."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import crc, memory, wiring
from amaranth.lib.wiring import In, Out

from lithify.isa.link import (
    ADDRESS_BYTES,
    ANSWER,
    COMMANDS,
    CRC_INITIAL,
    CRC_POLYNOMIAL,
    IDENTIFICATION,
    LENGTH_BYTES,
    PAYLOAD_BYTES,
    REQUEST,
    Status,
)
from lithify.isa.registers import REGISTERS
from lithify.rtl.axi import AXI4Lite
from lithify.rtl.link.store import HostPort

REGISTER_BYTES = max(register.offset for register in REGISTERS) + 4
"""Bytes that the control registers span."""

CHECKSUM = crc.Algorithm(
    crc_width=16,
    polynomial=CRC_POLYNOMIAL,
    initial_crc=CRC_INITIAL,
    reflect_input=False,
    reflect_output=False,
    xor_output=0,
)


class Bridge(wiring.Component):
    """Carries out one request after the other, and answers each.

    A request that cannot be taken is answered when the line has been silent for ``silence`` cycles, so that what
    remains of it is never read as another; so is one that breaks off. ``receive_valid`` pulses with a byte that has
    come; a byte that comes while a request is carried out is lost. ``active``: a request is under way. ``late``: the
    word LATE of the identification, of which the other words are given here.
    """

    def __init__(self, bus_bytes: int, memory_bytes: int, identification: Mapping[str, int], silence: int) -> None:
        self.bus_bytes, self.memory_bytes, self.silence = bus_bytes, memory_bytes, silence
        self.identification = [identification.get(name) for name, _ in IDENTIFICATION]
        super().__init__(
            {
                "receive": In(8),
                "receive_valid": In(1),
                "send": Out(8),
                "send_valid": Out(1),
                "send_ready": In(1),
                "memory": Out(HostPort(bus_bytes, memory_bytes // bus_bytes)),
                "registers": Out(AXI4Lite()),
                "active": Out(1),
                "late": In(32),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        got, byte = self.receive_valid, self.receive
        m.submodules.checksum = checksum = CHECKSUM(data_width=8).create()
        # A byte is reckoned in the cycle after it; the line gives and takes none that soon.
        summed, sum_valid, sum_start = Signal(8), Signal(), Signal()
        m.d.sync += [checksum.data.eq(summed), checksum.valid.eq(sum_valid), checksum.start.eq(sum_start)]
        m.submodules.payload = payload = memory.Memory(shape=8, depth=PAYLOAD_BYTES, init=[])
        put, take = payload.write_port(), payload.read_port()

        # The header: command, address, length, as they came.
        header = Signal(8 * (1 + ADDRESS_BYTES + LENGTH_BYTES), reset_less=True)
        command, address, length = header[:8], header[8:40], header[40:]
        status = Signal(8)
        count = Signal(range(PAYLOAD_BYTES + 1))
        silent = Signal(range(self.silence + 2))
        expected = Signal(16)

        # What the header means.
        of = {space: Signal(name=f"of_{space}") for space in ("memory", "registers", "identification")}
        known, writes = Signal(), Signal()
        end, last_byte = Signal(33), Signal(16)
        m.d.sync += last_byte.eq(length - 1)
        m.d.sync += [known.eq(0), writes.eq(0), *(space.eq(0) for space in of.values()), end.eq(address + length)]
        for entry in COMMANDS:
            with m.If(command == entry.code):
                m.d.sync += [known.eq(1), of[entry.space].eq(1), writes.eq(entry.writes)]
        sizes = {"memory": (self.memory_bytes, self.bus_bytes), "registers": (REGISTER_BYTES, 4),
                 "identification": (4 * len(self.identification), 4)}  # fmt: skip
        fits = {space: Signal(name=f"{space}_fits") for space in sizes}
        for space, (size, unit) in sizes.items():
            low = (unit - 1).bit_length()
            fit = (address < size) & (end <= size) & ~address[:low].any() & ~length[:low].any()
            m.d.sync += fits[space].eq(fit & of[space])
        right, short = Signal(), Signal()
        m.d.sync += [right.eq(Cat(*fits.values()).any()), short.eq(length <= PAYLOAD_BYTES)]

        # A word on its way, the place in the space, and the bytes that are left.
        word_bytes = max(self.bus_bytes, 4)
        word = Signal(8 * word_bytes, reset_less=True)
        here = Signal(32)
        left = Signal(range(PAYLOAD_BYTES + 1))
        # A cycle after `left` and `count`; who looks at them lets that cycle pass.
        none_left, at_last = Signal(), Signal()
        m.d.sync += [none_left.eq(left == 0), at_last.eq(count == last_byte)]
        part = Signal(range(word_bytes + 1))
        unit = Signal(range(word_bytes + 1))
        part_last = Signal(range(word_bytes + 1))
        m.d.sync += [unit.eq(Mux(of["memory"], self.bus_bytes, 4)), part_last.eq(unit - 1)]
        m.d.comb += [
            put.addr.eq(count),
            put.data.eq(byte),
            take.addr.eq(count),
            self.memory.address.eq(here[(self.bus_bytes - 1).bit_length() :]),
            self.memory.write.eq(writes),
            self.memory.write_data.eq(word[-8 * self.bus_bytes :]),
            self.registers.awaddr.eq(here),
            self.registers.araddr.eq(here),
            self.registers.wdata.eq(word[-32:]),
            self.registers.wstrb.eq(-1),
            self.registers.bready.eq(1),
            self.registers.rready.eq(1),
        ]

        def refuse(why: Status) -> list[Any]:
            return [status.eq(why), silent.eq(0)]

        broken_off, wrong = Signal(), Signal()
        m.d.sync += wrong.eq(expected != checksum.crc)
        m.d.sync += broken_off.eq(silent == self.silence)
        with m.FSM() as fsm:
            m.d.comb += self.active.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += sum_start.eq(1)
                m.d.sync += [count.eq(0), silent.eq(0), status.eq(Status.DONE)]
                with m.If(got & (byte == REQUEST)):
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.sync += silent.eq(silent + 1)
                m.d.comb += [summed.eq(byte), sum_valid.eq(got)]
                with m.If(got):
                    m.d.sync += [header.eq(Cat(header[8:], byte)), count.eq(count + 1), silent.eq(0)]
                    with m.If(count == len(header) // 8 - 1):
                        m.d.sync += count.eq(0)
                        m.next = "DECODE"
                with m.Elif(broken_off):
                    m.d.sync += refuse(Status.BROKEN_OFF)
                    m.next = "DRAIN"
            with m.State("DECODE"):  # cycles enough for `of`, then `fits`, then `right`
                m.d.sync += [count.eq(count + 1), here.eq(address), left.eq(length)]
                with m.If(count == 4):
                    m.d.sync += count.eq(0)
                    with m.If(~known):
                        m.d.sync += refuse(Status.COMMAND)
                        m.next = "DRAIN"
                    with m.Elif(~right | ~short):
                        m.d.sync += refuse(Status.RANGE)
                        m.next = "DRAIN"
                    with m.Elif(writes & (length != 0)):
                        m.next = "PAYLOAD"
                    with m.Else():
                        m.next = "CHECKSUM"
            with m.State("PAYLOAD"):
                m.d.sync += silent.eq(silent + 1)
                m.d.comb += [summed.eq(byte), sum_valid.eq(got), put.en.eq(got)]
                with m.If(got):
                    m.d.sync += [count.eq(count + 1), silent.eq(0)]
                    with m.If(at_last):  # bytes are many cycles apart
                        m.d.sync += count.eq(0)
                        m.next = "CHECKSUM"
                with m.Elif(broken_off):
                    m.d.sync += refuse(Status.BROKEN_OFF)
                    m.next = "DRAIN"
            with m.State("CHECKSUM"):
                m.d.sync += silent.eq(silent + 1)
                with m.If(got):
                    m.d.sync += [expected.eq(Cat(expected[8:], byte)), count.eq(count + 1), silent.eq(0)]
                    with m.If(count == 1):
                        m.next = "COMPARE"
                with m.Elif(broken_off):
                    m.d.sync += refuse(Status.BROKEN_OFF)
                    m.next = "DRAIN"
            with m.State("COMPARE"):  # a cycle for the checksum, one for the comparison
                m.d.sync += count.eq(count + 1)
                with m.If(count == 4):
                    m.d.sync += count.eq(0)
                    with m.If(wrong):
                        m.d.sync += refuse(Status.CHECKSUM)
                        m.next = "DRAIN"
                    with m.Elif(writes):
                        m.next = "GATHER"
                    with m.Else():
                        m.next = "ANSWER"
            with m.State("DRAIN"):
                m.d.sync += silent.eq(Mux(got, 0, silent + 1))
                with m.If(broken_off):
                    m.d.sync += [left.eq(0), count.eq(0)]
                    m.next = "ANSWER"

            # Writes: gather a word from the payload, then put it where it belongs.
            with m.State("COUNTED"):
                m.next = "GATHER"
            with m.State("GATHER"):
                m.d.sync += part.eq(0)
                with m.If(none_left):
                    m.d.sync += count.eq(0)
                    m.next = "ANSWER"
                with m.Else():
                    m.next = "FETCH"
            with m.State("FETCH"):  # the payload's byte is there in the next cycle
                m.d.sync += count.eq(count + 1)
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [word.eq(Cat(word[8:], take.data)), part.eq(part + 1)]
                m.next = "FETCH"
                with m.If(part == part_last):
                    m.next = "STORE"
            with m.State("STORE"):
                m.d.comb += [
                    self.memory.valid.eq(of["memory"]),
                    self.registers.awvalid.eq(of["registers"]),
                    self.registers.wvalid.eq(of["registers"]),
                ]
                with m.If(Mux(of["memory"], self.memory.ready, self.registers.awready)):
                    m.d.sync += [here.eq(here + unit), left.eq(left - unit)]
                    m.next = "COUNTED"
                    with m.If(of["registers"]):
                        m.next = "WRITTEN"
            with m.State("WRITTEN"):
                with m.If(self.registers.bvalid):
                    m.next = "GATHER"

            # The answer: its head, the words that were asked for, the checksum.
            words = Array(self.late if value is None else Const(value, 32) for value in self.identification)
            head = Array([Const(ANSWER, 8), status, *(left_byte(left, n) for n in range(LENGTH_BYTES))])
            with m.State("ANSWER"):
                m.d.comb += [self.send.eq(head[count[:2]]), self.send_valid.eq(1)]
                m.d.comb += [sum_start.eq(count == 0), summed.eq(self.send)]
                with m.If(self.send_ready):
                    m.d.comb += sum_valid.eq(count != 0)
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == 1 + LENGTH_BYTES):
                        m.d.sync += count.eq(0)
                        m.next = "ASK"
            with m.State("SENT"):
                m.next = "ASK"
            with m.State("ASK"):
                m.d.sync += part.eq(0)
                with m.If(none_left):
                    m.next = "END"
                with m.Elif(of["memory"]):
                    m.d.comb += self.memory.valid.eq(1)
                    with m.If(self.memory.ready):
                        m.next = "WAIT"
                with m.Elif(of["registers"]):
                    m.d.comb += self.registers.arvalid.eq(1)
                    with m.If(self.registers.arready):
                        m.next = "WAIT"
                with m.Else():
                    m.d.sync += word.eq(words[here[2 : 2 + (len(words) - 1).bit_length()]])
                    m.next = "SEND"
            with m.State("WAIT"):
                with m.If(self.memory.read_valid):
                    m.d.sync += word.eq(self.memory.read_data)
                    m.next = "SEND"
                with m.Elif(self.registers.rvalid):
                    m.d.sync += word.eq(self.registers.rdata)
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [self.send.eq(word[:8]), self.send_valid.eq(1), summed.eq(word[:8])]
                with m.If(self.send_ready):
                    m.d.comb += sum_valid.eq(1)
                    m.d.sync += [word.eq(word >> 8), part.eq(part + 1)]
                    with m.If(part == part_last):
                        m.d.sync += [here.eq(here + unit), left.eq(left - unit)]
                        m.next = "SENT"
            with m.State("END"):
                m.d.comb += [self.send.eq(checksum.crc.word_select(count[0], 8)), self.send_valid.eq(1)]
                with m.If(self.send_ready):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == 1):
                        m.next = "IDLE"
        return m


def left_byte(left: Signal, number: int) -> Any:
    """Byte ``number`` of a length."""
    return (left >> 8 * number)[:8]
