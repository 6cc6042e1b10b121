"""Bands: consecutive operations run together, some rows at a time, and what lies between them never leaves the chip.

The last operation is driven band by band; each of its bands pulls just the rows that it needs through the operations
before it. Every image that is not resident is held in a ring of rows, as many as the order of work needs: nothing is
computed twice. A single operation is a stretch of length one. Where rows are too long for that, the columns are cut
in strips too, and the bands of one strip come before those of the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.cost import dram_cycles, side_by_side
from lithify.compiler.operation import Operation
from lithify.compiler.planning.cuts import Cut
from lithify.compiler.planning.stretch import Stretch, Turn, Way
from lithify.compiler.weights import chunk_banks, groups, table_words

LEAD_CYCLES = 150
"""DRAM's latency and the tokens before the first results of a stretch."""
COMPUTE_BYTES, TRANSFER_BYTES = 96, 32
"""What instructions take of DRAM's bandwidth."""
CHUNKS = (4, 8, 16)
"""Chunks that the ring of weights should hold at least, so that some are loaded while one is used; the more there are
the more can stay where not all do.
"""
STREAMING = 3
"""Chunks of which room is left where not all weights can stay."""


@dataclass(frozen=True)
class Bands:
    """A stretch and how it is cut.

    strips: into which the columns are cut. way: in which each is gone through; turns: the order of work. rows: rows
    that the ring of each image that is not resident holds. chunk_groups: groups whose weights are loaded together, for
    each operation. ring_banks: upper banks for weights. weights_stay: whether each weight is loaded once. slots: first
    banks of the rings. cycles: the estimate.
    """

    stretch: Stretch
    strips: int
    way: Way
    turns: tuple[Turn, ...]
    rows: Mapping[str, int]
    chunk_groups: tuple[int, ...]
    ring_banks: int
    weights_stay: bool
    slots: Mapping[str, int]
    cycles: int


def fits_bands(operation: Operation) -> bool:
    """Whether an operation can be run by rows: it makes its whole image, and what it adds has as many rows."""
    residual = operation.residual
    if operation.program is not None:
        return False  # it knows no rings
    parts = operation.landing or operation.excerpt or operation.second
    if parts or operation.sliding.turned or operation.region != operation.y.whole:
        return False
    return residual is None or (residual.image != operation.x.name and not residual.broadcast)


def staying(banks: Sequence[int], room: int) -> int:
    """How many chunks of weights that are used again and again stay in a ring of `room` banks.

    banks: of each chunk, in the order of their first use. Where not all fit, as many stay as leave room to load the
    others again and again.
    """
    if sum(banks) <= room:
        return len(banks)
    room -= STREAMING * max(banks)
    for count, size in enumerate(banks):
        room -= size
        if room < 0:
            return count
    return len(banks)


def plan_bands(
    operations: Sequence[Operation], stretch: Stretch, candidates: Sequence[Cut], free: int, chip: Chip
) -> Bands | None:
    """Of the cuts of a stretch the one that is estimated fastest with `free` banks; None if there is none.

    Its `slots` are not yet chosen, nor its `turns` listed.
    """
    best: Bands | None = None
    for cut in candidates:
        if free - cut.banks >= 1 and (best is None or _fewest(cut, chip) < best.cycles):
            bands = _with_weights(operations, stretch, cut, free - cut.banks, chip)
            if bands is not None and (best is None or bands.cycles < best.cycles):
                best = bands
    return best


def _fewest(cut: Cut, chip: Chip) -> int:
    """Cycles below which `_with_chunks` never is, whatever the room: without what weights that come again take."""
    weights = sum(work.whole_words for work in cut.works) * chip.word_bytes
    return max(cut.compute, dram_cycles(chip, cut.moved + weights)) + _edges(cut, chip)


def _edges(cut: Cut, chip: Chip) -> int:
    """Cycles before the first results and behind the last."""
    return dram_cycles(chip, cut.lead) // 2 + dram_cycles(chip, cut.tail) // 2 + LEAD_CYCLES


def _with_weights(operations: Sequence[Operation], stretch: Stretch, cut: Cut, room: int, chip: Chip) -> Bands | None:
    best: Bands | None = None
    for chunks in CHUNKS:
        bands = _with_chunks(operations, stretch, cut, room, chunks, chip)
        if bands is None or bands.weights_stay:
            return bands
        if best is None or bands.cycles < best.cycles:
            best = bands
    return best


def _with_chunks(
    operations: Sequence[Operation], stretch: Stretch, cut: Cut, room: int, chunks: int, chip: Chip
) -> Bands | None:
    """With at least `chunks` chunks of weights in the ring, where groups are small enough."""
    chunk_groups, waits = [], 0
    banks: list[int] = []
    for index, work in zip(range(stretch.first, stretch.end), cut.works, strict=True):
        if not work.groups:
            table = table_words(operations[index], chip)
            if table and chunk_banks(table, chip.weight_ports, chip) > room:
                return None
            chunk_groups.append(groups(operations[index], chip))
            continue
        each, count = work.words, work.groups
        size = chunk_banks(each, chip.weight_ports, chip)
        if size > room:
            return None
        if 2 * size > room:
            # Part of each group's weights can only come when those before are used up.
            waits += count * (2 * size - room) * chip.bank_words * chip.word_bytes
        chunk = 1 if work.alike else min(count, max(1, room * chip.bank_words // (chunks * each)))
        chunk = -(-count // -(-count // chunk))
        chunk_groups.append(chunk)
        many = 1 if work.alike else -(-count // chunk)
        banks += [chunk_banks(chunk * each, chip.weight_ports, chip)] * many
    kept = staying(banks, room) if banks else 0
    stay = kept == len(banks)
    compute, moved, transfers, instructions = cut.compute, cut.moved, cut.transfers, 0
    for work, chunk in zip(cut.works, chunk_groups, strict=True):
        parts = -(-work.groups // chunk) if work.groups else 1
        compute += 4 * parts * work.turns
        instructions += parts * work.turns
        if work.groups:
            pieces = 1 if work.alike else parts
            held = min(kept, pieces)
            kept -= held
            loads = held + (pieces - held) * work.turns
            moved += work.whole_words * chip.word_bytes * loads // pieces
            transfers += loads
    transferred = dram_cycles(chip, moved + instructions * COMPUTE_BYTES + transfers * TRANSFER_BYTES)
    banded = cut.turns > 1
    if not stay:
        compute += dram_cycles(chip, waits) * cut.turns // (stretch.end - stretch.first)
    if cut.ahead < 2 and banded:
        # What is moved is moved beside the greater part of the computation, or beside none of it.
        compute += dram_cycles(chip, moved) // (8 if cut.ahead else 1)
    cycles = side_by_side(compute, transferred) + _edges(cut, chip)
    return Bands(stretch, cut.strips, cut.way, (), cut.rows, tuple(chunk_groups), room, stay, {}, cycles)
