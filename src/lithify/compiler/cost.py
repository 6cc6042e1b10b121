"""What work costs, estimated from shapes: cycles of the compute unit, the best tile, cycles of DRAM transfers.

The estimates steer choices and are never published; the timing simulator gives the cycles that count. They follow
architecture section 5: weights change once a pass, sums are drained while the next tile is fed.
"""

from functools import lru_cache

from lithify.chip import Chip
from lithify.chip.pipeline import accumulate
from lithify.chip.vector import STRIP, TABLE
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.weights import PARAMETER_WORDS, Part, group_result_words, groups, set_words, whole_part
from lithify.isa.vector import VectorInstruction

ROW_CYCLES = 4
"""What DRAM takes for a row of a transfer, however short, about: so many bursts are under way at once."""

MOST_ELEMENTS = 1 << 14
"""Elements of a row that is made of several pixels."""


def best_tile(operation: Operation, chip: Chip, region: Rectangle, part: Part | None = None) -> int:
    """Positions of a tile for one instruction over `region`: the one that is estimated fastest, among equals the
    largest.
    """
    if operation.program is not None:
        return 1
    return _tile_and_cycles(*_key(operation, chip, region, part))[0]


def group_cycles(operation: Operation, chip: Chip, region: Rectangle, part: Part | None = None) -> int:
    """Cycles of one group over `region` in steady state with the best tile."""
    if operation.program is not None:
        return _rows_cycles(operation, chip, region) + (TABLE if operation.program.table is not None else 0)
    return _tile_and_cycles(*_key(operation, chip, region, part))[1]


def compute_cycles(operation: Operation, chip: Chip, region: Rectangle) -> int:
    """Cycles of all groups over `region`, the pipeline's filling included."""
    return groups(operation, chip) * group_cycles(operation, chip, region) + 30


def step_cycles(operation: Operation, chip: Chip, region: Rectangle, count: int, part: Part | None) -> int:
    """Cycles of one instruction for `count` groups."""
    return count * group_cycles(operation, chip, region, part) + 20


def _rows_cycles(operation: Operation, chip: Chip, region: Rectangle) -> int:
    """Cycles of a vector program for the rows of a region."""
    program = operation.program
    assert program is not None and chip.vector is not None
    rows, columns = region.positions, operation.x.channels
    if program.together > 1:
        rows, columns = max(1, rows // program.together), columns * program.together
    elif program.alone:
        words = operation.x.pixel_words(chip.word_bytes)
        pixels = pixels_together(rows, words, chip.word_bytes)
        if pixels > 1:
            rows, columns = rows // pixels, pixels * words * chip.word_bytes
    return rows * VectorInstruction(0, 1, columns, program.operations).row_cycles(chip.vector)


@lru_cache(maxsize=4096)
def pixels_together(positions: int, words: int, word_bytes: int) -> int:
    """How many pixels of so many words make a row of a program that treats every element alike: as many as go into the
    positions, and fill strips best.
    """
    pixel = words * word_bytes
    counts = [count for count in range(1, min(positions, MOST_ELEMENTS // pixel) + 1) if positions % count == 0]
    return min(counts or [1], key=lambda count: (positions // count * -(-count * pixel // STRIP), count))


def dram_cycles(chip: Chip, size: int) -> int:
    """Cycles that `size` bytes occupy DRAM, in whole bus beats."""
    return -(-size // chip.bus_bytes) * chip.bus_bytes // chip.dram_bytes_per_cycle


def row_traffic(chip: Chip, image: Image) -> int:
    """Bytes of a row of an image, as DRAM is occupied by it: where pixels overlap each takes so long as a row."""
    whole = image.width * image.pixel_words(chip.word_bytes) * chip.word_bytes
    return max(whole, image.width * ROW_CYCLES * chip.dram_bytes_per_cycle) if image.overlapping else whole


def side_by_side(compute: int, transfers: int) -> int:
    """Cycles of computation and transfers that run beside each other: the longer of both, and a tenth more where they
    are equally long, since each waits for the other at times (measured).
    """
    less, more = sorted((compute, transfers))
    return more + round(more * (less / max(1, more)) ** 6 / 10)


_Key = tuple[str, int, int, int, int, int, int, int, int, int, int, int, int]


def _key(operation: Operation, chip: Chip, region: Rectangle, part: Part | None) -> _Key:
    stream = operation.unit == "stream"
    sets = 1 if stream else (part or whole_part(operation, chip)).sets
    return (
        operation.unit,
        region.positions,
        region.width,
        sets,
        -(-operation.cut[0] // _taps(operation, chip)),
        operation.cut[1],
        operation.slide,
        0 if stream else set_words(operation, chip) // chip.weight_ports,
        group_result_words(operation, chip),
        chip.word_beats,
        chip.accumulators,
        accumulate(chip),
        PARAMETER_WORDS // chip.weight_ports,
    )


def _taps(operation: Operation, chip: Chip) -> int:
    """Taps read at once where rows of the input are whole (`emit.taps_at_once` decides)."""
    row = operation.x.width * operation.x.pixel_words(chip.word_bytes) * operation.sliding.dilations[0]
    wide = operation.unit != "conv" and (row >= chip.bank_words or operation.x.spread > 0)
    return max(1, min(chip.activation_ports, operation.cut[0])) if wide else 1


@lru_cache(maxsize=65536)
def _tile_and_cycles(
    unit: str,
    positions: int,
    width: int,
    sets: int,
    cut_height: int,
    cut_width: int,
    slide: int,
    weight_words: int,
    result_words: int,
    beats: int,
    accumulators: int,
    latency: int,
    parameter_words: int,
) -> tuple[int, int]:
    if unit == "stream":
        return min(accumulators, positions), positions * max(cut_height * cut_width, beats)
    drain = result_words * beats
    least = -(-positions // accumulators)
    best: tuple[int, int] | None = None
    counts = {min(positions, count) for count in (least, least + 1, least + 2, 2 * least, 2 * least + 1, 3 * least)}
    for count in sorted(counts):
        tile = -(-positions // count)
        words = tile
        if unit == "depthwise":
            starts = 1 + (tile - 1) // width
            words = tile * cut_height * slide + starts * cut_height * (cut_width - slide)
        feed = sets * max(words, weight_words)
        rate = words / tile
        free = accumulators - tile
        # The first pass of a tile waits for sums of the one before that are still being drained.
        stall = max(0.0, latency + drain - free * rate, latency + (tile - free) * drain - tile * rate)
        cycles = max(feed + stall, tile * drain, (parameter_words * result_words) / max(1, count))
        total = round(cycles * positions / tile)
        if best is None or total < best[1]:
            best = tile, total
    assert best is not None
    return best
