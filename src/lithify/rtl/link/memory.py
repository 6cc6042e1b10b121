"""The chip's DRAM as block RAM, which keeps the memory model of docs/architecture.md to the cycle."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip.memories import BURSTS_IN_FLIGHT, READS_IN_FLIGHT
from lithify.chip.pipeline import DRAM_LATENCY
from lithify.rtl.axi import AXI4
from lithify.rtl.fifo import Fifo

READ_STAGES = 3
"""From a word's address at the memory to its data: address register, memory, data register."""

AHEAD = 8
"""Words that are read before the bus asks for them."""

SLAVE_ERROR = 2
"""xRESP of a burst outside the memory."""


class HostPort(wiring.Signature):
    """Single words for the link, seen from it: taken when ``valid`` and ``ready``; a read answers with ``read_valid``
    and ``read_data`` some cycles later. It goes behind the chip.
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


class BlockMemory(wiring.Component):
    """``size`` bytes behind ``bus``.

    Beats move in the very cycles of the memory model: bursts in the order of acceptance, reads first, a first beat
    ``DRAM_LATENCY`` cycles after it, ``bytes_per_cycle`` tokens. So the chip's CYCLES are those of the timing
    simulator. Words to read are fetched ahead while their burst waits for its latency. A burst outside the memory is
    answered with SLVERR.
    """

    def __init__(self, bus_bytes: int, size: int, bytes_per_cycle: int) -> None:
        assert size % bus_bytes == 0, size
        self.bus_bytes, self.bytes_per_cycle, self.words = bus_bytes, bytes_per_cycle, size // bus_bytes
        super().__init__({"bus": In(AXI4(bus_bytes)), "host": In(HostPort(bus_bytes, self.words))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, host, bus_bits = self.bus, self.host, 8 * self.bus_bytes
        shift = (self.bus_bytes - 1).bit_length()
        burst = data.StructLayout(
            {
                "write": unsigned(1),
                "outside": unsigned(1),
                "more": unsigned(8),
                "single": unsigned(1),
                "address": unsigned((self.words - 1).bit_length()),
            }
        )
        m.submodules.cells = cells = memory.Memory(shape=bus_bits, depth=self.words, init=[])
        write, read = cells.write_port(), cells.read_port()

        # Acceptance: a read before a write, into the order of all, and the reads also to the reader.
        most = BURSTS_IN_FLIGHT + READS_IN_FLIGHT
        m.submodules.order = order = Fifo(width=burst.size, depth=1 << (most - 1).bit_length())
        m.submodules.wanted = wanted = Fifo(width=burst.size, depth=1 << (READS_IN_FLIGHT - 1).bit_length(), head=True)
        new = data.View(burst, order.w_data)
        accepted = Signal()
        address = Mux(bus.arvalid, bus.araddr, bus.awaddr)
        length = Mux(bus.arvalid, bus.arlen, bus.awlen)
        m.d.comb += [
            # There is room for all that the chip may have under way: so nobody waits for a queue.
            bus.arready.eq(1),
            bus.awready.eq(~bus.arvalid),
            accepted.eq(bus.arvalid | bus.awvalid),
            new.write.eq(~bus.arvalid),
            # A burst stays within 4 KB, and so does the memory's end.
            new.outside.eq(address[shift:] >= self.words),
            new.more.eq(length),
            new.single.eq(length == 0),
            new.address.eq(address[shift:]),
            order.w_en.eq(accepted),
            wanted.w_data.eq(order.w_data),
            wanted.w_en.eq(bus.arvalid),
        ]

        # What decides whether a beat moves is worked out in the cycle before, for either case of that cycle.
        moves, ended = Signal(), Signal()

        # A burst is ripe DRAM_LATENCY cycles after its acceptance: one counter will do, for they ripen in order.
        ripening = Signal(DRAM_LATENCY - 1)
        count = Signal(range(most + 1))
        may, there_next, enough_next, ripe_next = Signal(), Signal(), Signal(), Signal()
        ripens = ripening[-1]
        m.d.sync += [
            ripening.eq(ripening << 1 | accepted),
            count.eq(count + ripens - ended),
        ]
        m.d.comb += ripe_next.eq(ripens | (count > 1) | ((count == 1) & ~ended))

        # Tokens, those of the cycle added.
        capacity = 2 * self.bus_bytes
        tokens = Signal(range(capacity + 1), init=capacity)
        refilled = Mux(tokens > capacity - self.bytes_per_cycle, capacity, tokens + self.bytes_per_cycle)
        m.d.sync += [
            tokens.eq(Mux(moves, tokens - (self.bus_bytes - self.bytes_per_cycle), refilled)),
        ]
        m.d.comb += enough_next.eq(
            ~moves & (tokens >= self.bus_bytes - self.bytes_per_cycle)
            | (tokens >= 2 * self.bus_bytes - self.bytes_per_cycle)
        )

        # The burst at the head, in registers.
        head, here = Signal(burst), Signal(burst["address"].shape)
        left, last = Signal(8), Signal()
        there = Signal()
        following = data.View(burst, order.r_data)
        m.d.comb += order.r_en.eq(order.r_rdy & (ended | ~there))
        with m.If(moves):
            m.d.sync += [left.eq(left - 1), last.eq(left == 1), here.eq(here + 1)]
        with m.If(order.r_en):
            m.d.sync += [
                head.eq(following),
                left.eq(following.more),
                last.eq(following.single),
                here.eq(following.address),
            ]

        m.submodules.ahead = ahead = Fifo(width=bus_bits, depth=AHEAD)
        m.d.comb += there_next.eq(Mux(ended | ~there, order.r_rdy, there))
        m.d.sync += [there.eq(there_next), may.eq(there_next & ripe_next & enough_next)]
        m.d.comb += [
            bus.rvalid.eq(may & ~head.write & ahead.r_rdy),
            bus.rdata.eq(ahead.r_data),
            bus.rlast.eq(last),
            bus.rresp.eq(Mux(head.outside, SLAVE_ERROR, 0)),
            bus.wready.eq(may & head.write),
            moves.eq(bus.rvalid | (bus.wready & bus.wvalid)),
            ahead.r_en.eq(bus.rvalid),
            ended.eq(moves & last),
        ]
        m.d.sync += bus.bvalid.eq(ended & head.write)
        with m.If(ended):
            m.d.sync += bus.bresp.eq(Mux(head.outside, SLAVE_ERROR, 0))

        # The host's word waits in a register until the chip leaves a cycle.
        waits, of_host = Signal(), Signal(data.StructLayout(
            {"write": 1, "address": host.address.shape(), "data": bus_bits}
        ))  # fmt: skip
        chip_writes, fetches, host_writes, host_reads = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            host.ready.eq(~waits),
            chip_writes.eq(bus.wready & bus.wvalid),
            host_writes.eq(waits & of_host.write & ~chip_writes),
            host_reads.eq(waits & ~of_host.write & ~fetches),
        ]
        with m.If(host.valid & host.ready):
            m.d.sync += [
                waits.eq(1),
                of_host.write.eq(host.write),
                of_host.address.eq(host.address),
                of_host.data.eq(host.write_data),
            ]
        with m.Elif(host_writes | host_reads):
            m.d.sync += waits.eq(0)
        m.d.sync += [
            write.en.eq(Mux(chip_writes, ~head.outside, host_writes)),
            write.addr.eq(Mux(chip_writes, here, of_host.address)),
            write.data.eq(Mux(chip_writes, bus.wdata, of_host.data)),
        ]

        # Reads: the reader's as long as there is room ahead, then the host's.
        want = data.View(burst, wanted.r_data)
        fetched, room, some = Signal(8), Signal(range(AHEAD + 1), init=AHEAD), Signal(init=1)  # some: room is not 0
        m.d.comb += [
            fetches.eq(wanted.r_rdy & some),
            wanted.r_en.eq(fetches & (fetched == want.more)),
        ]
        with m.If(bus.rvalid & ~fetches):
            m.d.sync += [room.eq(room + 1), some.eq(1)]
        with m.If(fetches & ~bus.rvalid):
            m.d.sync += [room.eq(room - 1), some.eq(room != 1)]
        with m.If(fetches):
            m.d.sync += fetched.eq(Mux(fetched == want.more, 0, fetched + 1))
        word, at_host, at_bus = Signal(bus_bits, reset_less=True), Signal(READ_STAGES), Signal(READ_STAGES)
        m.d.comb += read.en.eq(1)
        m.d.sync += [
            read.addr.eq(Mux(fetches, want.address + fetched, of_host.address)),
            word.eq(read.data),
            at_bus.eq(at_bus << 1 | fetches),
            at_host.eq(at_host << 1 | host_reads),
        ]
        m.d.comb += [
            ahead.w_data.eq(word),
            ahead.w_en.eq(at_bus[-1]),
            host.read_data.eq(word),
            host.read_valid.eq(at_host[-1]),
        ]
        return m
