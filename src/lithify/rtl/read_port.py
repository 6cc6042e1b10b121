"""The read side of the memory bus: two units ask, one bus answers in order."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import BURSTS_IN_FLIGHT, FETCH_BURST_BYTES, FETCH_GRANULES
from lithify.isa import GRANULE_BYTES
from lithify.rtl.axi import ADDRESS_BITS, BURST_INCREMENT, AXI4Read
from lithify.rtl.fifo import Fifo


class ReadPort(wiring.Component):
    """Bursts of the fetch unit and the load unit on one AXI4 read port.

    A request taken in cycle c is at the bus in c+1; the fetch unit goes first. A beat on the bus in cycle t is given to
    the unit that asked for it in t+1: ``fetch_beat`` or ``load_beat`` with ``beat_data`` and ``beat_last``. Beats are
    always taken. ``failed`` pulses for an error response.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "fetch_request": In(1),
                "fetch_ready": Out(1),
                "fetch_address": In(ADDRESS_BITS),
                "load_request": In(1),
                "load_ready": Out(1),
                "load_address": In(ADDRESS_BITS),
                "load_length": In(8),
                "bus": Out(AXI4Read(chip.bus_bytes)),
                "fetch_beat": Out(1),
                "load_beat": Out(1),
                "beat_last": Out(1),
                "beat_data": Out(8 * chip.bus_bytes),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus = self.bus
        most = BURSTS_IN_FLIGHT + FETCH_GRANULES * GRANULE_BYTES // FETCH_BURST_BYTES
        m.submodules.owners = owners = Fifo(width=1, depth=most, head=True)
        free = Signal()
        m.d.comb += [
            free.eq(~bus.arvalid | bus.arready),
            self.fetch_ready.eq(free),
            self.load_ready.eq(free & ~self.fetch_request),
            owners.w_data.eq(self.fetch_request),
            owners.w_en.eq(free & (self.fetch_request | self.load_request)),
            owners.r_en.eq(bus.rvalid & bus.rlast),
            bus.arsize.eq((self.chip.bus_bytes - 1).bit_length()),
            bus.arburst.eq(BURST_INCREMENT),
            bus.rready.eq(1),
        ]
        with m.If(free):
            m.d.sync += bus.arvalid.eq(self.fetch_request | self.load_request)
            with m.If(self.fetch_request):
                m.d.sync += [
                    bus.araddr.eq(self.fetch_address),
                    bus.arlen.eq(FETCH_BURST_BYTES // self.chip.bus_bytes - 1),
                ]
            with m.Else():
                m.d.sync += [bus.araddr.eq(self.load_address), bus.arlen.eq(self.load_length)]
        m.d.sync += [
            self.fetch_beat.eq(bus.rvalid & owners.r_data),
            self.load_beat.eq(bus.rvalid & ~owners.r_data),
            self.beat_last.eq(bus.rlast),
            self.beat_data.eq(bus.rdata),
            self.failed.eq(bus.rvalid & bus.rresp[1]),
        ]
        return m
