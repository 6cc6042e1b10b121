"""The bursts of a LOAD or STORE, row by row."""

from collections.abc import Iterator

from lithify.chip import Chip
from lithify.chip.pipeline import LIST_BYTES
from lithify.isa import Instruction

BURST_BEATS = 64
PAGE_BYTES = 4096


def rows(chip: Chip, entry: Instruction, base: int) -> Iterator[list[int]]:
    """For each row, in order, the beats of its bursts.

    ``base`` is the value of the instruction's base register. Bursts end at multiples of 64 beats, or of 4 KB where that
    is less. Planes that a list places have the bursts that they would have at the table's begin: a program keeps to
    lists of which that is true.
    """
    block = min(BURST_BEATS, PAGE_BYTES // chip.bus_bytes)
    start, row_bytes = base + entry.integer("offset"), entry.integer("row_bytes")
    row_stride = entry.integer("row_stride")
    plane_stride = 0 if entry.integer("listed") else entry.integer("plane_stride")
    for plane in range(entry.integer("planes")):
        for row in range(entry.integer("rows")):
            address = start + plane * plane_stride + row * row_stride
            beat = address // chip.bus_bytes
            end = (address + row_bytes - 1) // chip.bus_bytes + 1
            bursts = []
            while beat < end:
                stop = min(end, (beat // block + 1) * block)
                bursts.append(stop - beat)
                beat = stop
            yield bursts


def list_beats(chip: Chip) -> int:
    """The beats of a list, which are one burst."""
    return max(1, LIST_BYTES // chip.bus_bytes)
