"""What lies behind a board's memory: ports of the words that the chip and the host ask for, and block RAM as one."""

from typing import Any, Protocol

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

READ_STAGES = 3
"""From a word's address at the block RAM to its data: address register, memory, data register."""


class HostPort(wiring.Signature):
    """Single words for the link, seen from it: taken when ``valid`` and ``ready``; a read answers with ``read_valid``
    and ``read_data`` some cycles later. What the host wrote lies before whatever the chip reads after it.
    """

    def __init__(self, bus_bytes: int, words: int) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "ready": In(1),
                "write": Out(1),
                "address": Out(range(words)),
                "write_data": Out(8 * bus_bytes),
                "read_valid": In(1),
                "read_data": In(8 * bus_bytes),
            }
        )


class StorePort(wiring.Signature):
    """The chip's words, seen from the memory: a read is taken when ``read_valid`` and ``read_ready``, and answered in
    order with ``data_valid`` and ``data``; a write is taken when ``write_valid`` and ``write_ready``. ``pending``:
    writes that were taken, and that a read taken now would overtake.
    """

    def __init__(self, bus_bytes: int, words: int) -> None:
        super().__init__(
            {
                "read_valid": Out(1),
                "read_ready": In(1),
                "read_address": Out(range(words)),
                "data_valid": In(1),
                "data": In(8 * bus_bytes),
                "write_valid": Out(1),
                "write_ready": In(1),
                "write_address": Out(range(words)),
                "write_data": Out(8 * bus_bytes),
                "pending": In(1),
            }
        )


class Store(Protocol):
    """A component behind the memory. words: of the bus that it holds; ahead: how many of them are worth reading before
    the bus asks.
    """

    words: int
    ahead: int
    chip: Any
    host: Any


class Waiting(wiring.Component):
    """The host's word, which waits in a register until ``done``."""

    def __init__(self, bus_bytes: int, words: int) -> None:
        word = data.StructLayout({"write": 1, "address": (words - 1).bit_length(), "data": 8 * bus_bytes})
        super().__init__(
            {"host": In(HostPort(bus_bytes, words)), "there": Out(1), "word": Out(word), "done": In(1)}
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        host = self.host
        m.d.comb += host.ready.eq(~self.there)
        with m.If(host.valid & host.ready):
            m.d.sync += [
                self.there.eq(1),
                self.word.write.eq(host.write),
                self.word.address.eq(host.address),
                self.word.data.eq(host.write_data),
            ]
        with m.Elif(self.done):
            m.d.sync += self.there.eq(0)
        return m


class BlockStore(wiring.Component):
    """``size`` bytes of block RAM: a word each way in every cycle. The host's goes where the chip leaves a cycle."""

    ahead = 8

    def __init__(self, bus_bytes: int, size: int) -> None:
        assert size % bus_bytes == 0, size
        self.bus_bytes, self.words = bus_bytes, size // bus_bytes
        super().__init__(
            {"chip": In(StorePort(bus_bytes, self.words)), "host": In(HostPort(bus_bytes, self.words))}
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, host = self.chip, self.host
        m.submodules.cells = cells = memory.Memory(shape=8 * self.bus_bytes, depth=self.words, init=[])
        write, read = cells.write_port(), cells.read_port()
        m.submodules.waiting = waiting = Waiting(self.bus_bytes, self.words)
        wiring.connect(m, wiring.flipped(host), waiting.host)
        host_writes, host_reads = Signal(), Signal()
        m.d.comb += [
            chip.read_ready.eq(1),
            chip.write_ready.eq(1),
            host_writes.eq(waiting.there & waiting.word.write & ~chip.write_valid),
            host_reads.eq(waiting.there & ~waiting.word.write & ~chip.read_valid),
            waiting.done.eq(host_writes | host_reads),
        ]
        m.d.sync += [
            write.en.eq(chip.write_valid | host_writes),
            write.addr.eq(Mux(chip.write_valid, chip.write_address, waiting.word.address)),
            write.data.eq(Mux(chip.write_valid, chip.write_data, waiting.word.data)),
        ]
        word = Signal(8 * self.bus_bytes, reset_less=True)
        at_host, at_chip = Signal(READ_STAGES), Signal(READ_STAGES)
        m.d.comb += read.en.eq(1)
        m.d.sync += [
            read.addr.eq(Mux(chip.read_valid, chip.read_address, waiting.word.address)),
            word.eq(read.data),
            at_chip.eq(at_chip << 1 | chip.read_valid),
            at_host.eq(at_host << 1 | host_reads),
        ]
        m.d.comb += [
            chip.data.eq(word),
            chip.data_valid.eq(at_chip[-1]),
            host.read_data.eq(word),
            host.read_valid.eq(at_host[-1]),
        ]
        return m
