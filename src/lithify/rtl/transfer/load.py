"""LOAD: rows of any length and alignment from DRAM into whole scratchpad words."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import BURSTS_IN_FLIGHT, LIST_BYTES
from lithify.isa.registers import BASES
from lithify.rtl.axi import ADDRESS_BITS
from lithify.rtl.fifo import Fifo
from lithify.rtl.ports import SCRATCHPAD_ADDRESS_BITS, InstructionPort, Retirement, ScratchpadWrite
from lithify.rtl.transfer.bursts import Bursts, burst_layout

ENTRY_BITS = 32
"""Of an entry of a list."""


class Load(wiring.Component):
    """The load engine.

    ``request`` offers bursts to the read port (address and length; taken when ``request_ready``); ``beat_*`` brings
    their data back in order, one register after the bus, and is never refused: the packer takes a beat every cycle.
    With a beat seen here in cycle t+1 (on the bus in t) its last word is at the scratchpad in t+5 or, where a row's
    last beat completed two words, t+6; the instruction retires in t+6 either way (``LOAD_RETIRE`` in
    ``chip/pipeline.py``). With the unit "gather" the beats of lists go to a register of their own instead.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "instruction": In(InstructionPort("LOAD", chip)),
                "bases": In(data.ArrayLayout(unsigned(ADDRESS_BITS), BASES)),
                "request": Out(1),
                "request_ready": In(1),
                "request_address": Out(ADDRESS_BITS),
                "request_length": Out(8),
                "beat_valid": In(1),
                "beat_last": In(1),
                "beat_data": In(8 * chip.bus_bytes),
                "scratchpad": Out(ScratchpadWrite(chip)),
                "retirement": Out(Retirement()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        bus, word_bytes = chip.bus_bytes, chip.word_bytes
        bus_bits, word_bits = (bus - 1).bit_length(), (word_bytes - 1).bit_length()

        # Address side: bursts go out while fewer than the limit are under way.
        m.submodules.bursts = bursts = Bursts(chip, "LOAD")
        described = burst_layout(chip)
        m.submodules.flying = flying = Fifo(width=described.size, depth=BURSTS_IN_FLIGHT, head=True)
        flight = Signal(range(BURSTS_IN_FLIGHT + 1))
        issue = Signal()
        landed = Signal()
        free = Signal(init=1)  # flight is below the limit
        m.d.comb += [
            bursts.bases.eq(self.bases),
            bursts.instruction.valid.eq(self.instruction.valid),
            bursts.instruction.fields.eq(self.instruction.fields),
            self.instruction.ready.eq(bursts.instruction.ready),
            self.request.eq(bursts.valid & free),
            self.request_address.eq(bursts.burst.address),
            self.request_length.eq(bursts.burst.length),
            issue.eq(self.request & self.request_ready),
            bursts.ready.eq(free & self.request_ready),
            flying.w_data.eq(bursts.burst),
            flying.w_en.eq(issue),
            landed.eq(self.beat_valid & self.beat_last),
            flying.r_en.eq(landed),
        ]
        with m.If(issue & ~landed):
            m.d.sync += [flight.eq(flight + 1), free.eq(flight != BURSTS_IN_FLIGHT - 1)]
        with m.If(landed & ~issue):
            m.d.sync += [flight.eq(flight - 1), free.eq(1)]

        # Stage 0: the beat meets the description of its burst.
        burst = data.View(described, flying.r_data)
        new_burst = Signal(init=1)
        row_starts = Signal()
        low = Signal(bus_bits)
        ends = {"row_ends": 1, "fill": 8, "last": 1, "signal": 4}
        zero = _Stage(m, "zero", {"valid": 1, "data": 8 * bus, "row_starts": 1, "low": bus_bits, "more": bus_bits,
                                  "word": SCRATCHPAD_ADDRESS_BITS, **ends})  # fmt: skip
        m.d.comb += [
            row_starts.eq(new_burst & burst.first),
            low.eq(Mux(row_starts, burst.offset, 0)),
        ]
        with m.If(self.beat_valid):
            m.d.sync += new_burst.eq(self.beat_last)
        row_ends = self.beat_last & burst.row_last
        of_list = burst.of_list if chip.has("gather") else Const(0)
        zero.take(valid=self.beat_valid & ~of_list, data=self.beat_data, row_starts=row_starts, low=low,
                  more=Mux(row_ends, burst.end, bus - 1) - low, word=burst.word, row_ends=row_ends, fill=burst.fill,
                  last=self.beat_last & burst.last, signal=burst.signal)  # fmt: skip

        if chip.has("gather"):
            self._list(m, bursts, of_list)

        # Stage 1: which bytes of the beat go where. `more` counts them after the first, `total` is where they end.
        position = Signal(word_bits)
        address = Signal(SCRATCHPAD_ADDRESS_BITS)
        start = Signal(word_bits)
        total = Signal(word_bits + 1)
        here = Signal(SCRATCHPAD_ADDRESS_BITS)
        full = Signal()
        m.d.comb += [
            start.eq(Mux(zero["row_starts"], 0, position)),
            here.eq(Mux(zero["row_starts"], zero["word"], address)),
            total.eq(start + zero["more"] + 1),
            full.eq(total[word_bits]),
        ]
        with m.If(zero["valid"]):
            m.d.sync += [position.eq(total), address.eq(here + full)]
        ends = {"full": 1, "address": SCRATCHPAD_ADDRESS_BITS, **ends}
        widths = {"valid": 1, "data": 8 * bus, "turn": bus_bits, "start": word_bits, "total": word_bits + 1}
        one = _Stage(m, "one", {**widths, **ends})
        one.take(valid=zero["valid"], data=zero["data"], turn=start - zero["low"], start=start, total=total, full=full,
                 row_ends=zero["row_ends"], address=here, fill=zero["fill"], last=zero["last"],
                 signal=zero["signal"])  # fmt: skip

        # Stage 2: turn the beat, so that each byte stands where its place in the word is, modulo the bus.
        turned = one["data"]
        for bit in range(bus_bits):
            shift = 8 << bit
            rotated = Cat(turned[8 * bus - shift : 8 * bus], turned[: 8 * bus - shift])
            turned = Mux(one["turn"][bit], rotated, turned)
        widths = {"valid": 1, "data": 8 * bus, "take": word_bytes, "below": word_bytes, "over": bus - 1}
        two = _Stage(m, "two", {**widths, **ends})
        below = Cat(one["total"] > byte for byte in range(word_bytes))
        two.take(valid=one["valid"], data=turned, below=below, fill=one["fill"], last=one["last"], signal=one["signal"],
                 take=Cat(*(below[byte] & (one["start"] <= byte) for byte in range(word_bytes - 1)), below[-1]),
                 over=Cat(one["total"] > word_bytes + byte for byte in range(bus - 1)),
                 full=one["full"], row_ends=one["row_ends"], address=one["address"])  # fmt: skip

        # Stage 3: collect the word; a row's last beat may complete one word and begin, and so end, another.
        kept = Signal(8 * word_bytes, reset_less=True)
        merged = Signal(8 * word_bytes)
        tail = Signal(8 * word_bytes)
        for byte in range(word_bytes):
            at = slice(8 * byte, 8 * byte + 8)
            new = two["data"].word_select(byte % bus, 8)
            rest = Mux(two["row_ends"] & ~two["below"][byte], two["fill"], kept[at])
            m.d.comb += merged[at].eq(Mux(two["take"][byte], new, rest))
            m.d.comb += tail[at].eq(Mux(two["over"][byte], new, two["fill"]) if byte < bus - 1 else two["fill"])
        with m.If(two["valid"]):
            m.d.sync += kept.eq(Mux(two["full"], tail, merged))
        whole = Signal()
        extra = Signal()
        m.d.comb += [
            whole.eq(two["valid"] & (two["full"] | two["row_ends"])),
            extra.eq(two["valid"] & two["full"] & two["row_ends"] & two["over"][0]),
        ]

        # Output: one word a cycle. At most one waits: a row whose last beat makes two words made none with its first.
        waiting = Signal()
        waiting_word = Signal(8 * word_bytes, reset_less=True)
        waiting_address = Signal(SCRATCHPAD_ADDRESS_BITS, reset_less=True)
        port = self.scratchpad
        m.d.sync += [port.enable.eq(waiting | whole), waiting.eq((waiting & whole) | extra)]
        with m.If(waiting):
            m.d.sync += [port.address.eq(waiting_address), port.data.eq(waiting_word)]
            m.d.sync += [waiting_address.eq(two["address"]), waiting_word.eq(merged)]
        with m.Else():
            m.d.sync += [port.address.eq(two["address"]), port.data.eq(merged)]
            m.d.sync += [waiting_address.eq(two["address"] + 1), waiting_word.eq(tail)]
        done = Signal()
        done_signal = Signal(4)
        m.d.sync += [
            done.eq(two["valid"] & two["last"]),
            done_signal.eq(two["signal"]),
            self.retirement.retire.eq(done),
            self.retirement.signal.eq(done_signal),
        ]
        return m

    def _list(self, m: Module, bursts: Bursts, of_list: Any) -> None:
        """Keeps the list that was read last: its first entry in the low bits; it is turned as entries are taken."""
        bus = self.chip.bus_bytes
        entries = Signal(8 * LIST_BYTES, reset_less=True)
        come = self.beat_valid & of_list
        with m.If(come):
            beat = self.beat_data[: 8 * LIST_BYTES]
            m.d.sync += entries.eq(beat if bus >= LIST_BYTES else Cat(entries[8 * bus :], beat))
        with m.Elif(bursts.take_entry):
            m.d.sync += entries.eq(Cat(entries[ENTRY_BITS:], entries[:ENTRY_BITS]))
        with m.If(come & self.beat_last):
            m.d.sync += bursts.list_there.eq(1)
        with m.Elif(bursts.take_entry):
            m.d.sync += bursts.list_there.eq(0)
        m.d.comb += bursts.entry.eq(entries[:ENTRY_BITS])


class _Stage:
    """The registers between two stages of a pipeline, by name; only ``valid`` is reset."""

    def __init__(self, m: Module, name: str, widths: dict[str, int]) -> None:
        self.m = m
        self.registers = {
            key: Signal(width, name=f"{name}_{key}", reset_less=key != "valid") for key, width in widths.items()
        }

    def __getitem__(self, key: str) -> Signal:
        return self.registers[key]

    def take(self, **values: Any) -> None:
        """What each register takes at the end of every cycle."""
        assert values.keys() == self.registers.keys()
        self.m.d.sync += [self.registers[key].eq(value) for key, value in values.items()]
