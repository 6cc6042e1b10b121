"""The rows of a LOAD or STORE: where each begins in DRAM and in the scratchpad."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import LIST_BYTES
from lithify.isa import BY_NAME
from lithify.isa.registers import BASES
from lithify.rtl.axi import ADDRESS_BITS
from lithify.rtl.instruction import layout
from lithify.rtl.ports import SCRATCHPAD_ADDRESS_BITS, InstructionPort

LOW_BITS = 18
"""DRAM addresses are added in two cycles, the low bits first: 40 bits of carry take 8 ns in SG13G2."""


class Rows(wiring.Component):
    """Walks the planes and rows of one instruction, a row a cycle.

    An instruction taken in cycle c shows its first row (``valid``) in c+4; ``next`` moves on. The next row is there in
    the cycle after, but the first row of a plane no sooner than three cycles after the first of the plane before. The
    next instruction can be taken in the cycle after ``next`` of the ``last`` row. ``more_bytes``: bytes of a row - 1.

    The low bits of addresses run one row ahead of the high bits, so that both add only what they show.

    With ``listed`` the first row is the list (``of_list``), then nothing is shown until ``list_there``; the first row
    of plane n begins at the base register + ``offset`` + entry n, which is ``entry`` until ``take_entry``. From the
    cycle with ``list_there`` its first row is shown four cycles later.
    """

    def __init__(self, chip: Chip, operation: str) -> None:
        self.operation, self.gather = operation, operation == "LOAD" and chip.has("gather")
        of_lists = {"of_list": Out(1), "list_there": In(1), "entry": In(32), "take_entry": Out(1)}
        super().__init__(
            {
                "instruction": In(InstructionPort(operation, chip)),
                "bases": In(data.ArrayLayout(unsigned(ADDRESS_BITS), BASES)),
                "valid": Out(1),
                "next": In(1),
                "last": Out(1),
                "address": Out(ADDRESS_BITS),
                "word": Out(SCRATCHPAD_ADDRESS_BITS),
                "more_bytes": Out(20),
                "fields": Out(layout(BY_NAME[operation], chip)),
                **(of_lists if self.gather else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        head = self.instruction.fields
        fields = self.fields
        busy = Signal()
        begin = Signal()
        m.d.comb += [self.instruction.ready.eq(~busy), begin.eq(self.instruction.valid & ~busy)]

        # The next plane's address, prepared in two cycles: the base register + offset, then plane by plane.
        left = Signal(ADDRESS_BITS, reset_less=True)
        right = Signal(32, reset_less=True)
        low_sum = Signal(LOW_BITS + 1, reset_less=True)
        plane = Signal(ADDRESS_BITS, reset_less=True)
        plane_word = Signal(SCRATCHPAD_ADDRESS_BITS, reset_less=True)
        planes_left = Signal(16)
        add_low = Signal()
        add_high = Signal()
        prepared = Signal()
        m.d.sync += [
            add_high.eq(add_low),
            low_sum.eq(left[:LOW_BITS] + right[:LOW_BITS]),
        ]
        total = Signal(ADDRESS_BITS)
        m.d.comb += total.eq(Cat(low_sum[:LOW_BITS], left[LOW_BITS:] + right[LOW_BITS:] + low_sum[LOW_BITS]))
        with m.If(add_high):
            m.d.sync += [prepared.eq(1), plane.eq(total)]

        # The row that is shown, and the low bits of the one after it.
        low = Signal(LOW_BITS, reset_less=True)
        high = Signal(ADDRESS_BITS - LOW_BITS, reset_less=True)
        next_low = Signal(LOW_BITS + 1, reset_less=True)
        rows_left = Signal(16)
        last_row = Signal()  # rows_left is 1
        last_plane = Signal()
        final_plane = Signal()  # planes_left is 1: the plane that is prepared is the last
        take_plane = Signal()
        m.d.comb += [
            self.address.eq(Cat(low, high)),
            self.last.eq(last_row & last_plane),
            take_plane.eq(prepared & (~self.valid | (self.next & last_row))),
        ]
        from_low = Signal(LOW_BITS)
        m.d.comb += from_low.eq(Mux(~self.valid | last_row, plane[:LOW_BITS], next_low[:LOW_BITS]))
        with m.If(take_plane | self.next):
            m.d.sync += [low.eq(from_low), next_low.eq(from_low + fields.row_stride[:LOW_BITS])]
        going_on = ~final_plane
        if self.gather:
            listing = Signal()  # the plane that is prepared is the list
            adding_base = Signal()  # the sum under way is where the table begins
            awaiting = Signal()  # all that lacks is the list
            entries = Signal()  # the first plane of the table can be prepared
            m.d.comb += entries.eq(awaiting & self.list_there)
            going_on = going_on | listing
        m.d.sync += add_low.eq(begin | (take_plane & going_on) | (entries if self.gather else 0))
        with m.If(take_plane):
            m.d.sync += [
                self.valid.eq(1),
                high.eq(plane[LOW_BITS:]),
                self.word.eq(plane_word),
                rows_left.eq(fields.rows),
                last_row.eq(fields.rows == 1),
                last_plane.eq(final_plane),
                prepared.eq(0),
                planes_left.eq(planes_left - 1),
                final_plane.eq(planes_left == 2),
                left.eq(plane),
                right.eq(fields.plane_stride),
                plane_word.eq(plane_word + fields.plane_words),
            ]
        with m.Elif(self.next):
            m.d.sync += [
                self.valid.eq(~last_row),
                high.eq(high + fields.row_stride[LOW_BITS:] + next_low[LOW_BITS]),
                self.word.eq(self.word + fields.row_words),
                rows_left.eq(rows_left - 1),
                last_row.eq(rows_left == 2),
            ]
            with m.If(self.last):
                m.d.sync += busy.eq(0)
        base, offset, more_bytes = head.base, head.offset, head.row_bytes - 1
        if self.gather:
            base = Mux(busy, fields.base, Mux(head.listed, head.list_base, head.base))
            offset = Mux(head.listed, head.plane_stride, head.offset)
            more_bytes = Mux(head.listed, LIST_BYTES - 1, head.row_bytes - 1)
        of_base = Array(self.bases[index] for index in range(BASES))[base]
        if self.gather:
            with m.If(take_plane):
                m.d.sync += self.of_list.eq(listing)
                with m.If(listing):
                    m.d.sync += [
                        listing.eq(0),
                        adding_base.eq(1),
                        rows_left.eq(1),
                        last_row.eq(1),
                        last_plane.eq(0),
                        planes_left.eq(planes_left),
                        final_plane.eq(final_plane),
                        plane_word.eq(plane_word),
                        left.eq(of_base),
                        right.eq(fields.offset),
                    ]
                with m.Elif(fields.listed):
                    m.d.comb += self.take_entry.eq(1)
                    m.d.sync += [left.eq(left), right.eq(self.entry)]
            with m.If(self.next & self.of_list):
                m.d.sync += self.more_bytes.eq(fields.row_bytes - 1)
            with m.If(add_high & adding_base):
                m.d.sync += [adding_base.eq(0), awaiting.eq(1), prepared.eq(0), left.eq(total)]
            with m.If(entries):
                m.d.comb += self.take_entry.eq(1)
                m.d.sync += [awaiting.eq(0), right.eq(self.entry)]
            with m.If(begin):
                m.d.sync += listing.eq(head.listed)
        with m.If(begin):
            m.d.sync += [
                busy.eq(1),
                fields.eq(head),
                left.eq(of_base),
                right.eq(offset),
                plane_word.eq(head.address),
                planes_left.eq(head.planes),
                final_plane.eq(head.planes == 1),
                self.more_bytes.eq(more_bytes),
            ]
        return m
