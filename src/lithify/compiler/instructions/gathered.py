"""Gathered rows: loads whose planes are entries of a table, led by lists (architecture, section 3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.image import DramImage
from lithify.compiler.memories import ALIGNMENT, Memories
from lithify.compiler.operation import Gather
from lithify.compiler.steps.step import Buffer
from lithify.errors import LithifyError
from lithify.isa import Instruction, instruction
from lithify.isa.lists import TABLE_BYTES, block_bytes, list_bytes, list_entries, pitch
from lithify.isa.program import Base, IndexList
from lithify.reference.gather import entries


def steps_in_dram(pixel: int, table: bool, chip: Chip) -> tuple[int, int]:
    """Bytes from pixel to pixel of an image in DRAM, and of what its place is a multiple. table: rows are gathered."""
    if not table:
        return pixel, ALIGNMENT
    step = pitch(chip, pixel)
    return step, max(ALIGNMENT, min(step, block_bytes(chip)))


def check_no_table(name: str, table: bool) -> None:
    """Raises LithifyError for a state that rows are gathered from: it would lie otherwise at its other end."""
    if table:
        raise LithifyError(
            f"Rows are gathered from '{name}', which is a state; take it as an ordinary input and output."
        )


@dataclass
class Lists:
    """The lists of a segment. gathers: of images that are gathered. constants: indices that are known. made: what the
    host writes.
    """

    gathers: Mapping[str, Gather]
    constants: Mapping[str, NDArray[Any]]
    memories: Memories
    chip: Chip
    made: list[IndexList] = field(default_factory=list)
    known: dict[tuple[str, int, int], tuple[Base, int]] = field(default_factory=dict)

    def place(self, image: str, first: int, count: int, step: int) -> tuple[Base, int]:
        """Where the list of `count` entries from `first` on lies. step: bytes from entry to entry of the table."""
        key = image, first, count
        if key not in self.known:
            gather, size = self.gathers[image], list_bytes(self.chip)
            places = range(first, first + count)
            if gather.indices in self.constants:
                chosen = entries(self.constants[gather.indices], gather.entries, gather.indices).reshape(-1)
                data = np.zeros(size // 4, "<u4")
                data[:count] = chosen[first : first + count] * step
                offset = self.memories.add_constant(data.view(np.uint8), f"'{gather.indices}'")
                self.known[key] = Base.CONSTANTS, offset
            else:
                offset = self.memories.reserve(Base.INPUTS, size, f"'{gather.indices}'")
                self.made.append(IndexList(gather.indices, offset, tuple(places), step, gather.entries))
                self.known[key] = Base.INPUTS, offset
        return self.known[key]


def gathered_pieces(buffer: Buffer, gather: Gather, chip: Chip) -> Iterator[tuple[Buffer, int, int]]:
    """The buffer in pieces of one load each: of as many whole entries as a list holds, or of a part of one.

    Gives with each its first entry and the rows of that that are left out.
    """
    area = buffer.rectangle
    assert area.height == 1 and buffer.ring is None
    x, end = area.x, area.x + area.width
    while x < end:
        first, skipped = divmod(x, gather.rows)
        whole = min((end - x) // gather.rows, list_entries(chip))
        width = whole * gather.rows if not skipped and whole else min(gather.rows - skipped, end - x)
        address = buffer.address_of(area.y, x)
        yield replace(buffer, rectangle=replace(area, x=x, width=width), address=address), first, skipped
        x += width


def emit_gather(
    piece: Buffer, dram: DramImage, gather: Gather, skipped: int, base: Base, place: int, chip: Chip
) -> Instruction:
    """The LOAD of a piece. dram: where the table lies; base, place: of the list."""
    word, width = chip.word_bytes, piece.rectangle.width
    planes = max(1, width // gather.rows)
    first = dram.offset + skipped * dram.pixel_stride + piece.first_word * word
    end = dram.offset + gather.entries * gather.rows * dram.pixel_stride
    rows = width // planes
    return instruction(
        "LOAD",
        base=int(dram.base),
        offset=first,
        row_bytes=min(piece.pixel_words * word, dram.pixel_bytes - piece.first_word * word),
        rows=rows,
        planes=planes,
        row_stride=dram.pixel_stride if rows > 1 else 0,
        row_words=piece.pixel_words if rows > 1 else 0,
        plane_words=rows * piece.pixel_words if planes > 1 else 0,
        address=piece.address,
        fill=dram.fill,
        listed=1,
        list_base=int(base),
        plane_stride=place,
        table=-(-(end - first) // TABLE_BYTES),
    )
