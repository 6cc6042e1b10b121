"""The vector unit's sequencer: reads the program, walks its loops, and issues a group a cycle."""

from typing import Any

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip.vector import DIVISION, DRAIN, FIRST, PROGRAM_OPERATIONS, SCALAR, STRIP, TABLE, VectorShape
from lithify.isa.vector import INPUTS, MICRO_BYTES, MICRO_FIELDS, VECTOR_FIELDS, C, Second
from lithify.rtl.compute.stages import delayed
from lithify.rtl.instruction import layout_of
from lithify.rtl.leaf import place
from lithify.rtl.scratchpad import SramBank

MICRO = layout_of(MICRO_FIELDS)
VECTOR = layout_of(VECTOR_FIELDS)
TIME_BITS = 8
COLUMN_BITS = 17
STRIP_BITS = 10
STREAMS = (*INPUTS, "y")

WORD_READ = 3
"""From a program word's address to the cycle in which it is in a register."""


class Sequencer(wiring.Component):
    """Takes an instruction with ``start`` in a cycle with ``ready``; ``retire`` pulses when everything is written.

    ``micro`` is the micro-operation that is on, ``entered`` high in its first cycle. With ``issue`` the lanes take
    ``group``; with ``division`` the divider takes ``element``. ``remaining``: elements of the row from this strip on.
    ``x_row`` and so on: addresses of the row. ``program_read``, ``program_address``, ``word``: the way in of
    the program and of the table, whose entries come out at ``table_*``.
    """

    def __init__(self, shape: VectorShape) -> None:
        self.shape = shape
        super().__init__(
            {
                "start": In(1),
                "ready": Out(1),
                "fields": In(VECTOR),
                "retire": Out(1),
                "held": Out(VECTOR),
                "program_read": Out(1),
                "program_address": Out(16),
                "word": In(8 * shape.word_bytes),
                "table_write": Out(1),
                "table_address": Out(range(TABLE)),
                "table_data": Out(32),
                "micro": Out(MICRO),
                "entered": Out(1),
                "time": Out(TIME_BITS),
                "issue": Out(1),
                "group": Out(range(shape.groups)),
                "remaining": Out(COLUMN_BITS),
                "strip": Out(STRIP_BITS),
                **{f"{name}_row": Out(16) for name in STREAMS},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.shape
        count, settle, drain = Signal(range(TABLE)), Signal(4), Signal(range(DRAIN + 1))
        loading, tabling, running, switch = Signal(), Signal(), Signal(), Signal()
        following, pc, loop = (Signal(range(PROGRAM_OPERATIONS), name=name) for name in ("following", "pc", "loop"))
        row, again, ends, final = Signal(16), Signal(), Signal(), Signal()
        program = self._memory(m, platform, loading, tabling, count, following)
        micro, time, held = self.micro, self.time, self.held

        # How long the micro-operation takes, and which groups it issues when.
        behind, duration, is_lane = Signal(range(STRIP)), Signal(TIME_BITS), Signal()
        steps = [0, *((1 << n) // shape.lanes for n in range(7))]
        fold = Mux(micro.c == C.FOLDED, micro.register, 0)
        m.d.comb += [
            is_lane.eq(micro.second < Second.DIVIDE),
            behind.eq(Array(Const(step, 6) for step in steps)[fold]),
            duration.eq(Mux(is_lane, shape.period + behind, Mux(micro.second == Second.DIVIDE, DIVISION, SCALAR))),
            self.issue.eq(running & is_lane & (time >= behind) & (time < behind + shape.groups)),
            self.group.eq((time - behind)[: len(self.group)]),
            self.entered.eq(running & (time == 0)),
            switch.eq(running & (time == duration - 1)),
        ]

        # What comes next is worked out in the second cycle of a micro-operation.
        with m.If(self.entered & micro.first):
            m.d.sync += loop.eq(pc)
        with m.If(running & (time == 1)):
            m.d.sync += [
                again.eq(micro.last & (self.remaining > STRIP)),
                ends.eq(pc == held.operations - 1),
                final.eq(row == held.rows - 1),
            ]
        with m.If(running & (time == 2)):
            m.d.sync += following.eq(Mux(again, loop, Mux(ends, 0, pc + 1)))
        m.d.sync += time.eq(Mux(switch, 0, time + 1))
        with m.If(switch):
            m.d.sync += [micro.eq(program), pc.eq(following)]
            with m.If(again):
                m.d.sync += [self.strip.eq(self.strip + 1), self.remaining.eq(self.remaining - STRIP)]
            with m.Elif(micro.last):
                m.d.sync += [self.strip.eq(0), self.remaining.eq(held.columns)]
            with m.If(ends & ~again):
                m.d.sync += row.eq(row + 1)
                for name in STREAMS:
                    address = getattr(self, f"{name}_row")
                    m.d.sync += address.eq(address + held[f"{'w' if name == 'v' else name}_row_words"])

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.ready.eq(1)
                m.d.sync += [count.eq(0), settle.eq(0), drain.eq(0)]
                with m.If(self.start):
                    m.d.sync += [
                        held.eq(self.fields), self.strip.eq(0), self.remaining.eq(self.fields.columns), row.eq(0),
                        following.eq(0), *(getattr(self, f"{n}_row").eq(self.fields[f"{n}_address"]) for n in STREAMS),
                    ]  # fmt: skip
                    m.next = "PROGRAM"
            with m.State("PROGRAM"):
                m.d.comb += loading.eq(1)
                m.d.sync += count.eq(count + 1)
                with m.If(count == held.operations - 1):
                    m.d.sync += count.eq(0)
                    with m.If(held.table):
                        m.next = "TABLE"
                    with m.Else():
                        m.next = "SETTLE"
            with m.State("TABLE"):
                m.d.comb += tabling.eq(1)
                m.d.sync += count.eq(count + 1)
                with m.If(count == TABLE - 1):
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += settle.eq(settle + 1)
                with m.If(settle == FIRST - 2):
                    m.d.sync += [micro.eq(program), pc.eq(0), time.eq(0)]
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += running.eq(1)
                with m.If(switch & ends & ~again & final):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.sync += drain.eq(drain + 1)
                with m.If(drain == DRAIN):
                    m.d.comb += self.retire.eq(1)
                    m.next = "IDLE"
        return m

    def _memory(
        self, m: Module, platform: Any, loading: Signal, tabling: Signal, count: Signal, following: Signal
    ) -> Any:
        """The program memory: filled a micro-operation a cycle; gives the one at ``following`` a cycle later.

        Behind the program the table's entries pass by, one a cycle.
        """
        shape = self.shape
        in_word, entries = shape.word_bytes // MICRO_BYTES, shape.word_bytes // 4  # of a word
        bank = SramBank(PROGRAM_OPERATIONS, 8 * MICRO_BYTES)
        place(m, "program", bank, platform)
        part_bits, entry_bits = (in_word - 1).bit_length(), (entries - 1).bit_length()
        first = (count[:part_bits] == 0) if part_bits else Const(1, 1)
        fresh = Signal()
        address = Signal(16, reset_less=True)
        with m.If(self.ready):
            m.d.sync += address.eq(self.fields.program)
        with m.Elif(fresh):
            m.d.sync += address.eq(address + 1)
        m.d.comb += [
            fresh.eq((loading & first) | (tabling & (count[:entry_bits] == 0))),
            self.program_read.eq(fresh),
            self.program_address.eq(address),
        ]
        word = Signal(8 * shape.word_bytes, reset_less=True)
        with m.If(delayed(m, fresh, WORD_READ - 1, "fresh", reset=True)[-1]):
            m.d.sync += word.eq(self.word)
        writes = delayed(m, loading, WORD_READ, "writes", reset=True)[-1]
        at = delayed(m, count, WORD_READ, "at")[-1]
        m.d.comb += [
            self.table_write.eq(delayed(m, tabling, WORD_READ, "table_writes", reset=True)[-1]),
            self.table_address.eq(at),
            self.table_data.eq(Array(word.word_select(number, 32) for number in range(entries))[at[:entry_bits]]),
        ]
        parts = Array(word.word_select(number, 8 * MICRO_BYTES) for number in range(in_word))
        m.d.comb += [
            bank.enable.eq(1),
            bank.write_enable.eq(writes),
            bank.address.eq(Mux(writes, at[: len(following)], following)),
            bank.write_data.eq(parts[at[:part_bits]] if part_bits else word),
        ]
        return data.View(MICRO, bank.read_data)
