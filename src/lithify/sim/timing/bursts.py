"""The bursts of a LOAD or STORE, row by row."""

from collections.abc import Iterator

from lithify.chip import Chip
from lithify.chip.pipeline import LIST_BYTES
from lithify.isa import Instruction

BURST_BEATS = 64
PAGE_BYTES = 4096


def rows(chip: Chip, entry: Instruction, base: int) -> Iterator[tuple[int, ...]]:
    """For each row, in order, the beats of its bursts.

    ``base`` is the value of the instruction's base register. Bursts end at multiples of 64 beats, or of 4 KB where that
    is less. Planes that a list places have the bursts that they would have at the table's begin: a program keeps to
    lists of which that is true.
    """
    bus = chip.bus_bytes
    block = min(BURST_BEATS, PAGE_BYTES // bus)
    start, row_bytes = base + entry.integer("offset"), entry.integer("row_bytes")
    row_stride, count = entry.integer("row_stride"), entry.integer("rows")
    plane_stride = 0 if entry.integer("listed") else entry.integer("plane_stride")
    # Rows that begin at the same place of a block are cut alike.
    known: dict[int, tuple[int, ...]] = {}
    for plane in range(entry.integer("planes")):
        address = start + plane * plane_stride
        for _ in range(count):
            place = address % (block * bus)
            bursts = known.get(place)
            if bursts is None:
                bursts = known[place] = _bursts(place // bus, (place + row_bytes - 1) // bus + 1, block)
            yield bursts
            address += row_stride


def _bursts(beat: int, end: int, block: int) -> tuple[int, ...]:
    bursts = []
    while beat < end:
        stop = min(end, (beat // block + 1) * block)
        bursts.append(stop - beat)
        beat = stop
    return tuple(bursts)


def list_beats(chip: Chip) -> int:
    """The beats of a list, which are one burst."""
    return max(1, LIST_BYTES // chip.bus_bytes)
