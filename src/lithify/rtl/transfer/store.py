"""STORE: rows of whole scratchpad words to DRAM."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import BURSTS_IN_FLIGHT, MEMORY_READ
from lithify.isa.registers import BASES
from lithify.rtl.axi import ADDRESS_BITS, BURST_INCREMENT, AXI4Write
from lithify.rtl.fifo import Fifo
from lithify.rtl.ports import SCRATCHPAD_ADDRESS_BITS, InstructionPort, Retirement, ScratchpadRead
from lithify.rtl.transfer.bursts import Bursts, block_beats

BUFFER_WORDS = MEMORY_READ + 4
"""Words between scratchpad and bus: enough that a word is there whenever the bus may move a beat."""


class Store(wiring.Component):
    """The store engine, with the write channels of the bus.

    A burst's address is at the bus in the cycle after it is issued. Its words are read ahead as far as the buffer goes,
    so that after the memory's latency WVALID is never low when a beat may move. The instruction retires in the cycle
    after its last write response (``STORE_RETIRE`` in ``chip/pipeline.py``). ``failed`` pulses for an error response.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "instruction": In(InstructionPort("STORE", chip)),
                "bases": In(data.ArrayLayout(unsigned(ADDRESS_BITS), BASES)),
                "bus": Out(AXI4Write(chip.bus_bytes)),
                "scratchpad": Out(ScratchpadRead(chip)),
                "retirement": Out(Retirement()),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, bus = self.chip, self.bus
        beats = chip.word_bytes // chip.bus_bytes
        beat_bits = (beats - 1).bit_length()

        # Address side.
        m.submodules.bursts = bursts = Bursts(chip, "STORE")
        flight, free = Signal(range(BURSTS_IN_FLIGHT + 1)), Signal(init=1)  # free: below the limit
        issue = Signal()
        answered = Signal()
        awaited = data.StructLayout({"last": unsigned(1), "signal": unsigned(4)})
        wanted = data.StructLayout(
            {
                "first": unsigned(1),
                "word": unsigned(SCRATCHPAD_ADDRESS_BITS),
                "more": unsigned((block_beats(chip) - 1).bit_length()),
            }
        )
        m.submodules.responses = responses = Fifo(width=awaited.size, depth=BURSTS_IN_FLIGHT)
        m.submodules.reads = reads = Fifo(width=wanted.size, depth=BURSTS_IN_FLIGHT, head=True)
        burst = bursts.burst
        response, read = data.View(awaited, responses.w_data), data.View(wanted, reads.w_data)
        m.d.comb += [
            bursts.bases.eq(self.bases),
            bursts.instruction.valid.eq(self.instruction.valid),
            bursts.instruction.fields.eq(self.instruction.fields),
            self.instruction.ready.eq(bursts.instruction.ready),
            bursts.ready.eq((~bus.awvalid | bus.awready) & free),
            issue.eq(bursts.valid & bursts.ready),
            response.last.eq(burst.last),
            response.signal.eq(burst.signal),
            responses.w_en.eq(issue),
            read.first.eq(burst.first),
            read.word.eq(burst.word),
            read.more.eq(burst.length[beat_bits:]),
            reads.w_en.eq(issue),
            bus.awsize.eq((chip.bus_bytes - 1).bit_length()),
            bus.awburst.eq(BURST_INCREMENT),
            bus.bready.eq(1),
            answered.eq(bus.bvalid),
            responses.r_en.eq(answered),
        ]
        with m.If(issue & ~answered):
            m.d.sync += [flight.eq(flight + 1), free.eq(flight != BURSTS_IN_FLIGHT - 1)]
        with m.If(answered & ~issue):
            m.d.sync += [flight.eq(flight - 1), free.eq(1)]
        with m.If(issue):
            m.d.sync += [bus.awvalid.eq(1), bus.awaddr.eq(burst.address), bus.awlen.eq(burst.length)]
        with m.Elif(bus.awready):
            m.d.sync += bus.awvalid.eq(0)
        answer = data.View(awaited, responses.r_data)
        m.d.sync += [
            self.retirement.retire.eq(answered & answer.last),
            self.retirement.signal.eq(answer.signal),
            self.failed.eq(answered & bus.bresp[1]),
        ]

        # Data side: read a word whenever the buffer has room for it, counting those on their way.
        want = data.View(wanted, reads.r_data)
        room, some = Signal(range(BUFFER_WORDS + 1), init=BUFFER_WORDS), Signal(init=1)  # some: room is not 0
        taken = Signal()
        fetch = Signal()
        done = Signal(want.more.shape())
        address = Signal(SCRATCHPAD_ADDRESS_BITS)
        here = Signal(SCRATCHPAD_ADDRESS_BITS)
        burst_ends = Signal()
        m.d.comb += [
            fetch.eq(reads.r_rdy & some),
            here.eq(Mux(want.first & (done == 0), want.word, address)),
            burst_ends.eq(done == want.more),
            reads.r_en.eq(fetch & burst_ends),
        ]
        with m.If(taken & ~fetch):
            m.d.sync += [room.eq(room + 1), some.eq(1)]
        with m.If(fetch & ~taken):
            m.d.sync += [room.eq(room - 1), some.eq(room != 1)]
        m.d.sync += [
            self.scratchpad.enable.eq(fetch),
            self.scratchpad.address.eq(here),
        ]
        with m.If(fetch):
            m.d.sync += [address.eq(here + 1), done.eq(Mux(burst_ends, 0, done + 1))]

        # Words come out of the scratchpad a fixed time later and leave as beats, low bytes first.
        coming = Signal(MEMORY_READ + 1)
        ending = Signal(MEMORY_READ + 1)
        m.d.sync += [coming.eq(Cat(fetch, coming)), ending.eq(Cat(burst_ends, ending))]
        m.submodules.words = words = Fifo(width=8 * chip.word_bytes + 1, depth=BUFFER_WORDS)
        beat = Signal(max(1, beat_bits))
        last_beat = Signal()
        m.d.comb += [
            words.w_data.eq(Cat(self.scratchpad.data, ending[-1])),
            words.w_en.eq(coming[-1]),
            last_beat.eq(beat == beats - 1),
            bus.wvalid.eq(words.r_rdy),
            bus.wdata.eq(words.r_data[:-1].word_select(beat, 8 * chip.bus_bytes)),
            bus.wstrb.eq(Const(-1, chip.bus_bytes)),
            bus.wlast.eq(words.r_data[-1] & last_beat),
            taken.eq(bus.wvalid & bus.wready & last_beat),
            words.r_en.eq(taken),
        ]
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
        return m
