"""The look-up table: any function of one int8, an entry a lane and cycle."""

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.memories import TABLE_BYTES


class Table(wiring.Component):
    """``word``, as many bytes as are read in a cycle, is written as the table's number ``number`` with ``load``.

    ``entries``: of each byte of ``values``, one a lane, its entry; combinational. The entry of -128 is the first.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "load": In(1),
                "number": In(range(TABLE_BYTES // chip.port_bytes)),
                "word": In(8 * chip.port_bytes),
                "values": In(8 * chip.lanes),
                "entries": Out(8 * chip.lanes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        m.submodules.cells = cells = memory.Memory(
            shape=8 * chip.port_bytes, depth=TABLE_BYTES // chip.port_bytes, init=[]
        )
        write = cells.write_port()
        m.d.comb += [write.en.eq(self.load), write.addr.eq(self.number), write.data.eq(self.word)]
        entries = []
        for lane in range(chip.lanes):
            value = self.values.word_select(lane, 8) ^ 0x80  # -128 becomes 0
            byte_bits = (chip.port_bytes - 1).bit_length()
            read = cells.read_port(domain="comb")
            m.d.comb += read.addr.eq(value[byte_bits:])
            entries.append(read.data.word_select(value[:byte_bits], 8))
        m.d.comb += self.entries.eq(Cat(entries))
        return m
