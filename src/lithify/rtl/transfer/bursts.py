"""From a LOAD or STORE to the bursts of its rows: the address side of both engines."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.isa.registers import BASES
from lithify.rtl.axi import ADDRESS_BITS, BURST_BEATS, PAGE_BYTES
from lithify.rtl.ports import SCRATCHPAD_ADDRESS_BITS, InstructionPort
from lithify.rtl.transfer.rows import Rows


def block_beats(chip: Chip) -> int:
    """Bursts are cut at multiples of this many beats: the longest burst, or a page where that is shorter."""
    return min(BURST_BEATS, PAGE_BYTES // chip.bus_bytes)


def burst_layout(chip: Chip) -> data.StructLayout:
    """One burst and what the data side must know of it.

    address: of its first beat, in bytes; length: beats - 1; first, row_last: the burst begins, ends its row; last: it
    ends the instruction; word: scratchpad address of the row's first word; offset, end: the row's first and last byte
    within its first and last beat; fill, signal: from the instruction; of_list: it is a list, with the unit "gather".
    """
    byte_bits = (chip.bus_bytes - 1).bit_length()
    return data.StructLayout(
        {
            "address": unsigned(ADDRESS_BITS),
            "length": unsigned(8),
            "first": unsigned(1),
            "row_last": unsigned(1),
            "last": unsigned(1),
            "word": unsigned(SCRATCHPAD_ADDRESS_BITS),
            "offset": unsigned(byte_bits),
            "end": unsigned(byte_bits),
            "fill": unsigned(8),
            "signal": unsigned(4),
            **({"of_list": unsigned(1)} if chip.has("gather") else {}),
        }
    )


class Bursts(wiring.Component):
    """Cuts the rows of one instruction into bursts.

    An instruction taken in cycle c has its first row ready in c+4 (see ``Rows``) and its first burst in c+5
    (``TRANSFER_START`` in ``chip/pipeline.py``); from then on a burst a cycle while ``ready``. A row goes to the cutter
    when that is empty or its last burst is taken. ``valid`` does not depend on ``ready``. ``list_there``, ``entry`` and
    ``take_entry`` are those of ``Rows``.
    """

    def __init__(self, chip: Chip, operation: str) -> None:
        self.chip, self.operation = chip, operation
        self.gather = operation == "LOAD" and chip.has("gather")
        of_lists = {"list_there": In(1), "entry": In(32), "take_entry": Out(1)}
        super().__init__(
            {
                "instruction": In(InstructionPort(operation, chip)),
                "bases": In(data.ArrayLayout(unsigned(ADDRESS_BITS), BASES)),
                "valid": Out(1),
                "ready": In(1),
                "burst": Out(burst_layout(chip)),
                **(of_lists if self.gather else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        byte_bits = (chip.bus_bytes - 1).bit_length()
        block_bits = (block_beats(chip) - 1).bit_length()
        m.submodules.rows = rows = Rows(chip, self.operation)
        fields = rows.fields
        wiring.connect(m, rows.instruction, wiring.flipped(self.instruction))
        m.d.comb += rows.bases.eq(self.bases)

        # A row ends with beat `last_beat` of the block that comes `blocks` after the one at hand.
        valid = Signal()
        first = Signal()
        last = Signal()
        block = Signal(ADDRESS_BITS - byte_bits - block_bits)
        beat = Signal(block_bits)
        blocks = Signal(21 - byte_bits - block_bits)
        last_beat = Signal(block_bits)
        word = Signal(SCRATCHPAD_ADDRESS_BITS)
        offset = Signal(byte_bits)
        end = Signal(byte_bits)
        fill = Signal(8)
        signal = Signal(4)
        of_list = Signal()
        fits = Signal()  # blocks is 0: the row ends in the block at hand
        issue = Signal()
        hand_over = Signal()
        end_byte = Signal(21)
        m.d.comb += [
            issue.eq(valid & self.ready),
            hand_over.eq(rows.valid & (~valid | (issue & fits))),
            rows.next.eq(hand_over),
            end_byte.eq(rows.more_bytes + rows.address[: byte_bits + block_bits]),
        ]
        with m.If(hand_over):
            m.d.sync += [
                valid.eq(1),
                first.eq(1),
                last.eq(rows.last),
                Cat(offset, beat, block).eq(rows.address),
                Cat(end, last_beat, blocks).eq(end_byte),
                fits.eq(end_byte[byte_bits + block_bits :] == 0),
                word.eq(rows.word),
                signal.eq(fields.signal),
            ]
            if self.operation == "LOAD":
                m.d.sync += fill.eq(fields.fill)
            if self.gather:
                m.d.sync += of_list.eq(rows.of_list)
        with m.Elif(issue):
            with m.If(fits):
                m.d.sync += valid.eq(0)
            with m.Else():
                m.d.sync += [first.eq(0), block.eq(block + 1), beat.eq(0), blocks.eq(blocks - 1), fits.eq(blocks == 1)]
        burst = self.burst
        with m.If(fits):
            m.d.comb += burst.length.eq((last_beat - beat)[:block_bits])
        with m.Else():
            m.d.comb += burst.length.eq(~beat)
        m.d.comb += [
            self.valid.eq(valid),
            burst.address.eq(Cat(Const(0, byte_bits), beat, block)),
            burst.first.eq(first),
            burst.row_last.eq(fits),
            burst.last.eq(fits & last),
            burst.word.eq(word),
            burst.offset.eq(offset),
            burst.end.eq(end),
            burst.fill.eq(fill),
            burst.signal.eq(signal),
        ]
        if self.chip.has("gather"):
            m.d.comb += burst.of_list.eq(of_list)
        if self.gather:
            m.d.comb += [
                rows.list_there.eq(self.list_there),
                rows.entry.eq(self.entry),
                self.take_entry.eq(rows.take_entry),
            ]
        return m
