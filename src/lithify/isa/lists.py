"""Lists: where the planes of a LOAD with `listed` begin (docs/architecture.md, section 3)."""

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.chip.pipeline import LIST_BYTES
from lithify.isa.encoding import Instruction

ENTRY_BYTES = 4
TABLE_BYTES = 128
"""What the field `table` counts."""

BURST_BEATS = 64
PAGE_BYTES = 4096


def list_bytes(chip: Chip) -> int:
    """Bytes from list to list in DRAM: what is read at once."""
    return max(LIST_BYTES, chip.bus_bytes)


def list_entries(chip: Chip) -> int:
    """Entries of a list at most, the same for every chip."""
    return LIST_BYTES // ENTRY_BYTES


def block_bytes(chip: Chip) -> int:
    """A burst ends at every multiple of these."""
    return min(BURST_BEATS * chip.bus_bytes, PAGE_BYTES)


def pitch(chip: Chip, size: int) -> int:
    """Bytes from row to row of a table whose rows have `size`, so that each row takes the same bursts: a power of two,
    or whole blocks.
    """
    block = block_bytes(chip)
    if size > block:
        return -(-size // block) * block
    return max(chip.bus_bytes, 1 << (size - 1).bit_length())


def bursts_of(chip: Chip, instruction: Instruction, entries: NDArray[np.int64]) -> NDArray[np.int64]:
    """How the rows of each plane are cut: [entries, rows, 2], the first beat's place in its block and the beats.

    The timing of a program holds for lists whose entries all have the rows of entry 0; bases are multiples of a page.
    """
    value = instruction.integer
    row = np.arange(value("rows"), dtype=np.int64) * value("row_stride")
    first = value("offset") + entries[:, None] + row
    block = block_bytes(chip) // chip.bus_bytes
    beat = first // chip.bus_bytes
    last = (first + value("row_bytes") - 1) // chip.bus_bytes
    # Within one block only the number of beats counts; beyond it also where the row begins.
    begins = np.where(last // block > beat // block, beat % block, -1)
    return np.stack([begins, last - beat + 1], axis=-1)
