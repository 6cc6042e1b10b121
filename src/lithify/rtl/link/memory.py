"""The chip's DRAM on a board, which keeps the memory model of docs/architecture.md to the cycle."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip.memories import BURSTS_IN_FLIGHT, READS_IN_FLIGHT
from lithify.chip.pipeline import DRAM_LATENCY
from lithify.rtl.axi import AXI4
from lithify.rtl.fifo import Fifo
from lithify.rtl.link.store import HostPort, Store

SLAVE_ERROR = 2
"""xRESP of a burst outside the memory."""


class Memory(wiring.Component):
    """What ``store`` holds, behind ``bus``.

    Beats move in the very cycles of the memory model: bursts in the order of acceptance, reads first, a first beat
    ``DRAM_LATENCY`` cycles after it, ``bytes_per_cycle`` tokens. So the chip's CYCLES are those of the timing
    simulator. Words to read are fetched ahead while their burst waits for its latency. ``late``: in this cycle a beat
    should have moved, and the store was not ready for it; tokens stand still. With block RAM that is never so. A burst
    outside the memory is answered with SLVERR.
    """

    def __init__(self, store: Store, bus_bytes: int, bytes_per_cycle: int) -> None:
        self.store, self.words = store, store.words
        self.bus_bytes, self.bytes_per_cycle = bus_bytes, bytes_per_cycle
        super().__init__({"bus": In(AXI4(bus_bytes)), "host": In(HostPort(bus_bytes, self.words)), "late": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, bus_bits = self.bus, 8 * self.bus_bytes
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
        m.submodules.store = self.store
        store = self.store.chip
        wiring.connect(m, wiring.flipped(self.host), self.store.host)

        # Acceptance: a read before a write, into the order of all, and the reads also to the reader.
        most = BURSTS_IN_FLIGHT + READS_IN_FLIGHT
        m.submodules.order = order = Fifo(width=burst.size, depth=1 << (most - 1).bit_length())
        # With each read, whether it may not overtake the writes that the store has still to do.
        m.submodules.wanted = wanted = Fifo(
            width=1 + burst.size, depth=1 << (READS_IN_FLIGHT - 1).bit_length(), head=True
        )  # fmt: skip
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
            wanted.w_data.eq(Cat(order.w_data, store.pending)),
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

        # Tokens, those of the cycle added. A late cycle adds none: so the beats behind a late one are not late as well.
        capacity = 2 * self.bus_bytes
        tokens = Signal(range(capacity + 1), init=capacity)
        refilled = Mux(tokens > capacity - self.bytes_per_cycle, capacity, tokens + self.bytes_per_cycle)
        m.d.sync += [
            tokens.eq(Mux(moves, tokens - (self.bus_bytes - self.bytes_per_cycle), Mux(self.late, tokens, refilled))),
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

        most_ahead = self.store.ahead
        m.submodules.ahead = ahead = Fifo(width=bus_bits, depth=most_ahead)
        m.d.comb += there_next.eq(Mux(ended | ~there, order.r_rdy, there))
        m.d.sync += [there.eq(there_next), may.eq(there_next & ripe_next & enough_next)]
        m.d.comb += [
            bus.rvalid.eq(may & ~head.write & ahead.r_rdy),
            bus.rdata.eq(ahead.r_data),
            bus.rlast.eq(last),
            bus.rresp.eq(Mux(head.outside, SLAVE_ERROR, 0)),
            bus.wready.eq(may & head.write & store.write_ready),
            moves.eq(bus.rvalid | (bus.wready & bus.wvalid)),
            ahead.r_en.eq(bus.rvalid),
            ended.eq(moves & last),
        ]
        m.d.sync += bus.bvalid.eq(ended & head.write)
        with m.If(ended):
            m.d.sync += bus.bresp.eq(Mux(head.outside, SLAVE_ERROR, 0))

        m.d.comb += [
            self.late.eq(may & Mux(head.write, bus.wvalid & ~store.write_ready, ~ahead.r_rdy)),
            store.write_valid.eq(bus.wready & bus.wvalid & ~head.outside),
            store.write_address.eq(here),
            store.write_data.eq(bus.wdata),
        ]

        # The reader goes on as long as there is room ahead.
        want, behind = data.View(burst, wanted.r_data[: burst.size]), wanted.r_data[burst.size]
        fetched, fetches = Signal(8), Signal()
        passed = Signal()  # nothing that the read at the head had to wait for is left
        room, some = Signal(range(most_ahead + 1), init=most_ahead), Signal(init=1)  # some: room is not 0
        m.d.comb += [
            store.read_valid.eq(wanted.r_rdy & some & (passed | ~(behind & store.pending))),
            store.read_address.eq(want.address + fetched),
            fetches.eq(store.read_valid & store.read_ready),
            wanted.r_en.eq(fetches & (fetched == want.more)),
        ]
        m.d.sync += passed.eq(~wanted.r_en & (passed | (wanted.r_rdy & ~store.pending)))
        with m.If(bus.rvalid & ~fetches):
            m.d.sync += [room.eq(room + 1), some.eq(1)]
        with m.If(fetches & ~bus.rvalid):
            m.d.sync += [room.eq(room - 1), some.eq(room != 1)]
        with m.If(fetches):
            m.d.sync += fetched.eq(Mux(fetched == want.more, 0, fetched + 1))
        m.d.comb += [ahead.w_data.eq(store.data), ahead.w_en.eq(store.data_valid)]
        return m
