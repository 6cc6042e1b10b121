"""The board's SDRAM as a store of words: a controller with an open row in each bank."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.rtl.fifo import Fifo
from lithify.rtl.link.sdram import INITIAL_REFRESHES, POSTPONED, Sdram, cycles_of
from lithify.rtl.link.store import HostPort, StorePort, Waiting

# RAS#, CAS# and WE#, the first of them the lowest bit.
NOTHING, ACTIVATE, READ, WRITE, PRECHARGE, REFRESH, SET_MODE = 0b111, 0b110, 0b101, 0b001, 0b010, 0b100, 0b000

ALL_BANKS = 1 << 10
"""A10 of PRECHARGE."""

BEAT_BYTES = 2
BURSTS = (1, 2, 4, 8)
"""Lengths of the chip's bursts, by the number that its mode register gives them."""

WRITES = 32
"""Words that wait to be written."""

MANY = 24
"""So many go before reads that could go too: each change of direction costs cycles."""


class SdramPins(wiring.Signature):
    """The pins but for the clock, seen from the controller. All that goes out comes from registers, and the chip takes
    it half a cycle later; ``dq_i`` is what the chip gave half a cycle before.
    """

    def __init__(self, chip: Sdram) -> None:
        super().__init__(
            {
                "command": Out(3, init=NOTHING),
                "bank": Out(range(chip.banks)),
                "address": Out(range(chip.rows)),
                "masked": Out(1, init=1),
                "dq_o": Out(16),
                "dq_oe": Out(1),
                "dq_i": In(16),
            }
        )


class SdramStore(wiring.Component):
    """The words of an SDRAM, each a burst of the chip's own.

    It makes itself ready after power-up, opens a row where it has to, and refreshes: when nothing is to be done, and
    at the latest when POSTPONED refreshes are owed. Reads go before writes until MANY wait; the host's words go when
    no write waits. The waits are the same for all banks, which keeps them on the safe side.
    """

    ahead = 32

    def __init__(self, chip: Sdram, bus_bytes: int, clock_hz: int) -> None:
        self.memory, self.cycles = chip, cycles_of(chip, clock_hz)
        self.bus_bytes, self.words = bus_bytes, chip.size // bus_bytes
        self.burst = bus_bytes // BEAT_BYTES
        assert self.burst in BURSTS, bus_bytes
        super().__init__(
            {
                "chip": In(StorePort(bus_bytes, self.words)),
                "host": In(HostPort(bus_bytes, self.words)),
                "pins": Out(SdramPins(chip)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, pins, cycles, burst = self.chip, self.pins, self.cycles, self.burst
        bus_bits = 8 * self.bus_bytes
        place = data.StructLayout(
            {
                "column": (self.memory.columns // burst - 1).bit_length(),
                "bank": (self.memory.banks - 1).bit_length(),
                "row": (self.memory.rows - 1).bit_length(),
            }
        )
        asked = data.StructLayout({"write": 1, "host": 1, "place": place, "data": bus_bits})

        # What is asked next: of the writes that wait, the reads and the host's word.
        m.submodules.writes = writes = Fifo(width=place.size + bus_bits, depth=WRITES)
        m.submodules.waiting = waiting = Waiting(self.bus_bytes, self.words)
        wiring.connect(m, wiring.flipped(self.host), waiting.host)
        level, drains = Signal(range(WRITES + 1)), Signal()
        request, there, leaves = Signal(asked), Signal(), Signal()
        takes, of_host, of_writes, of_reads = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            chip.write_ready.eq(writes.w_rdy),
            chip.pending.eq(writes.r_rdy),
            writes.w_data.eq(Cat(chip.write_address, chip.write_data)),
            writes.w_en.eq(chip.write_valid),
            of_writes.eq(writes.r_rdy & (drains | (level >= MANY) | ~chip.read_valid)),
            of_host.eq(waiting.there & ~writes.r_rdy),
            of_reads.eq(chip.read_valid & ~of_writes & ~of_host),
            chip.read_ready.eq(takes & of_reads),
            writes.r_en.eq(takes & of_writes),
            waiting.done.eq(takes & of_host),
        ]
        m.d.sync += [
            level.eq(level + (writes.w_en & writes.w_rdy) - writes.r_en),
            drains.eq(writes.r_rdy & (drains | (level >= MANY))),
        ]
        with m.If(takes):
            m.d.sync += [
                there.eq(of_writes | of_reads | of_host),
                request.write.eq(of_writes | (of_host & waiting.word.write)),
                request.host.eq(of_host),
                request.place.eq(
                    Mux(of_host, waiting.word.address,
                        Mux(of_writes, writes.r_data[: place.size], chip.read_address))
                ),
                request.data.eq(Mux(of_host, waiting.word.data, writes.r_data[place.size :])),
            ]  # fmt: skip
        with m.Elif(leaves):
            m.d.sync += there.eq(0)

        # Refreshes that are owed.
        due, owed, refreshed = Signal(range(cycles.interval)), Signal(range(2 * POSTPONED)), Signal()
        ticks, ready = Signal(), Signal()
        m.d.comb += ticks.eq(ready & (due == cycles.interval - 1))
        m.d.sync += [
            due.eq(Mux(ticks | ~ready, 0, due + 1)),
            owed.eq(owed + ticks - (refreshed & ready)),
        ]
        urgent, rests, resting = Signal(), Signal(), Signal()
        m.d.comb += [
            urgent.eq(owed >= POSTPONED),
            rests.eq((owed != 0) & ~(of_writes | of_reads | of_host)),
            resting.eq((urgent | rests) & (leaves | ~there)),
        ]

        # Cycles until a command may go out again, one counter for all banks.
        most = max(cycles.ras, cycles.rfc, burst + cycles.wr, cycles.cas + burst + 1, cycles.mrd)
        may = {}
        counters = {}
        for name in ("read", "write", "precharge", "activate"):
            counters[name] = Signal(range(most), name=f"until_{name}")
            may[name] = Signal(name=f"may_{name}")
            m.d.comb += may[name].eq(counters[name] == 0)
            with m.If(~may[name]):
                m.d.sync += counters[name].eq(counters[name] - 1)

        def forbid(name: str, count: int) -> None:
            """No command of that kind for so many cycles from this one on."""
            with m.If(counters[name] < count):
                m.d.sync += counters[name].eq(count - 1)

        # The rows that are open.
        opened = Signal(self.memory.banks)
        rows = Array(Signal(place["row"].shape, name=f"row_{bank}") for bank in range(self.memory.banks))
        at = request.place
        hit, closed, goes, reads, sends = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            closed.eq(~opened.bit_select(at.bank, 1)),
            hit.eq(there & ~closed & (rows[at.bank] == at.row)),
            goes.eq(hit & Mux(request.write, may["write"], may["read"])),
        ]
        m.d.sync += pins.command.eq(NOTHING)

        power, left = Signal(range(cycles.power_up + 1)), Signal(range(INITIAL_REFRESHES + 1), init=INITIAL_REFRESHES)
        with m.FSM():
            with m.State("POWER-UP"):
                m.d.sync += power.eq(power + 1)
                with m.If(power == cycles.power_up):
                    m.d.sync += [pins.command.eq(PRECHARGE), pins.address.eq(ALL_BANKS)]
                    forbid("activate", cycles.rp)
                    m.next = "FIRST REFRESHES"
            with m.State("FIRST REFRESHES"):
                with m.If(may["activate"] & (left != 0)):
                    m.d.sync += [pins.command.eq(REFRESH), left.eq(left - 1)]
                    forbid("activate", cycles.rfc)
                with m.Elif(may["activate"]):
                    mode = BURSTS.index(burst) | cycles.cas << 4
                    m.d.sync += [pins.command.eq(SET_MODE), pins.address.eq(mode), pins.bank.eq(0), pins.masked.eq(0)]
                    forbid("activate", cycles.mrd)
                    m.next = "WORK"
            with m.State("WORK"):
                m.d.comb += [ready.eq(1), leaves.eq(goes), takes.eq((goes | ~there) & ~resting)]
                m.d.sync += [pins.bank.eq(at.bank), pins.address.eq(at.row)]
                with m.If(goes):
                    m.d.sync += pins.address.eq(at.column << (burst - 1).bit_length())
                    with m.If(request.write):
                        m.d.comb += sends.eq(1)
                        m.d.sync += pins.command.eq(WRITE)
                        forbid("read", burst)
                        forbid("write", burst)
                        forbid("precharge", burst - 1 + cycles.wr)
                    with m.Else():
                        m.d.comb += reads.eq(1)
                        m.d.sync += pins.command.eq(READ)
                        forbid("read", burst)
                        forbid("write", cycles.cas + burst + 1)  # the last of them for the bus to change its direction
                        forbid("precharge", burst)
                with m.Elif(there & closed):
                    with m.If(may["activate"]):
                        m.d.sync += [pins.command.eq(ACTIVATE), rows[at.bank].eq(at.row)]
                        m.d.sync += opened.bit_select(at.bank, 1).eq(1)
                        forbid("read", cycles.rcd)
                        forbid("write", cycles.rcd)
                        forbid("precharge", cycles.ras)
                        forbid("activate", cycles.rrd)
                with m.Elif(there & ~hit):
                    with m.If(may["precharge"]):
                        m.d.sync += [pins.command.eq(PRECHARGE), pins.address.eq(0)]
                        m.d.sync += opened.bit_select(at.bank, 1).eq(0)
                        forbid("activate", cycles.rp)
                with m.If(resting):
                    m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.comb += ready.eq(1)
                with m.If(opened == 0):
                    m.next = "REFRESH"
                with m.Elif(may["precharge"]):
                    m.d.sync += [pins.command.eq(PRECHARGE), pins.address.eq(ALL_BANKS), opened.eq(0)]
                    forbid("activate", cycles.rp)
                    m.next = "REFRESH"
            with m.State("REFRESH"):
                m.d.comb += ready.eq(1)
                with m.If(may["activate"]):
                    m.d.comb += refreshed.eq(1)
                    m.d.sync += pins.command.eq(REFRESH)
                    forbid("activate", cycles.rfc)
                    m.next = "WORK"

        # Data to the chip: the first beat beside its command, the others after it.
        beats, sending = Signal(bus_bits), Signal(burst)
        m.d.sync += [
            sending.eq(Mux(sends, (1 << burst) - 1, sending) >> 1),
            beats.eq(Mux(sends, request.data, beats) >> 16),
            pins.dq_o.eq(Mux(sends, request.data[:16], beats[:16])),
            pins.dq_oe.eq(sends | sending[0]),
        ]

        # Data from the chip: from the decision to read, a register, the CAS latency, and the burst.
        stages = cycles.cas + burst + 1
        to_chip, to_host = Signal(stages), Signal(stages)
        word = Signal(bus_bits, reset_less=True)
        m.d.sync += [
            word.eq(Cat(word[16:], pins.dq_i)),
            to_chip.eq(to_chip << 1 | (reads & ~request.host)),
            to_host.eq(to_host << 1 | (reads & request.host)),
        ]
        m.d.comb += [
            chip.data.eq(word),
            chip.data_valid.eq(to_chip[-1]),
            self.host.read_data.eq(word),
            self.host.read_valid.eq(to_host[-1]),
        ]
        return m
