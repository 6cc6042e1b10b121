"""The cut of an operation into blocks that is estimated fastest, of all that fit in the free banks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.operation import Operation
from lithify.compiler.planning.block_cycles import Measures, estimated_cycles, fewest_cycles, staging_sizes
from lithify.compiler.planning.blocks import Blocks, Staged, is_matrix
from lithify.compiler.planning.chunks import RingTooSmall, Weights, plan_weights
from lithify.compiler.weights import (
    groups,
    whole_part,
)

COUNTS = (*range(1, 9), 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
"""Numbers of blocks that are tried, besides one row or one column each."""
ENOUGH = 8
"""Feasible shapes after which smaller blocks are no longer tried."""
COPIES = ((2, 4), (2, 2), (1, 4), (1, 2), (2, 1), (1, 1))
"""Staging copies, of inputs and of the others, that are tried; all others only where the first does not fit."""


class TooLarge(Exception):
    """No cut fits; `needed` is the number of banks that the smallest would take."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


def cut(
    operation: Operation,
    chip: Chip,
    ring_banks: int,
    staged: Staged,
    free: list[tuple[int, int]],
    measures: Measures | None = None,
) -> Blocks:
    """The cut that is estimated fastest. free: runs of free banks (first, count). measures: of the operation, from
    other rooms. Raises TooLarge or RingTooSmall.
    """
    measures = measures or Measures(operation, chip)
    least: int | None = None
    room = sum(count for _, count in free)
    for family in _families(operation, chip, ring_banks, staged):
        best: Blocks | None = None
        shapes: set[tuple[int, int]] = set()
        for blocks in family:
            if len(shapes) >= ENOUGH and (blocks.rows, blocks.columns) not in shapes:
                # The shapes of matrices are few, and differ much: all are tried.
                if not is_matrix(operation, chip):
                    break
            once = staging_sizes(operation, blocks, measures, chip)
            fewest = fewest_cycles(blocks, staged, measures)
            for copies in COPIES:
                sizes = once.of(copies, staged)
                needed = sum(map(sum, sizes))
                least = needed if least is None else min(least, needed)
                slots = pack([size for entry in sizes for size in entry], free) if needed <= room else None
                if slots is None:
                    continue
                shapes.add((blocks.rows, blocks.columns))
                # What is left over is one with the ring, above the copies.
                ring = ring_banks + (free[0][1] - needed if len(free) == 1 else 0)
                cycles = 0
                if best is None or fewest < best.cycles:
                    cycles = estimated_cycles(operation, blocks, staged, copies, ring, measures, chip)
                if best is None or 0 < cycles < best.cycles:
                    first, second = len(sizes[0]), len(sizes[0]) + len(sizes[1])
                    best = replace(
                        blocks,
                        inputs=slots[:first],
                        residuals=slots[first:second],
                        outputs=slots[second:],
                        ring_banks=ring,
                        cycles=cycles,
                        banks=_banks([size for entry in sizes for size in entry], slots),
                    )
                if copies == COPIES[0]:
                    break
        if best is not None:
            return best
    assert least is not None
    raise TooLarge(least)


def cycles_alone(operation: Operation, chip: Chip) -> int | None:
    """The estimate of an operation that has all banks to itself and its images in DRAM; None where it does not fit."""
    staged, measures = Staged(True, operation.residual is not None, True), Measures(operation, chip)
    found, banks = list[int](), chip.scratchpad_banks
    for ring in sorted({max(1, banks * part // 8) for part in range(1, 8)}):
        try:
            found.append(cut(operation, chip, ring, staged, [(0, banks - ring)], measures).cycles)
        except (TooLarge, RingTooSmall):
            continue
    return min(found, default=None)


def _families(operation: Operation, chip: Chip, ring_banks: int, staged: Staged) -> Iterator[Iterator[Blocks]]:
    """Cuts in families of falling preference: whole channels or slices that suit the weights, any slices of channels,
    split inputs. Within a family all are candidates."""
    weights = plan_weights(operation, chip, ring_banks)
    count = groups(operation, chip)

    def shaped(ways: Sequence[tuple[Weights | None, int, bool]], split: bool = False) -> Iterator[Blocks]:
        for rows, columns in _shapes(operation, staged, chip, split):
            for plan, size, outside in ways:
                yield Blocks(rows, columns, size, outside, split, plan, (), (), (), ring_banks, 0)

    # The residual is read with the steps of the results, so it can only be sliced, or narrowed, where they are.
    alike = operation.residual is None or staged.residual == staged.output
    ways: list[tuple[Weights | None, int, bool]] = [(weights, count, False)]
    if weights is not None and staged != Staged(False, False, False) and alike:
        plans = [weights]
        if len(weights.parts) == 1 and 2 * weights.chunk_banks > ring_banks:
            # One part is loaded while another is used.
            parts = plan_weights(operation, chip, ring_banks, in_parts=True)
            plans += [parts] if parts else []
        for plan in plans:
            for outside in (False,) if operation.each_word_alone else (False, True):
                ways += [(plan, size, outside) for size in _slices(plan, count, ring_banks)]
    resident = not (staged.input or staged.residual or staged.output)
    if weights is not None and resident and len(weights.parts) == 1 and 2 * weights.chunk_banks > ring_banks:
        # Taps come one by one, and go one by one when the last tile has used them: the next group's take their place.
        if operation.sliding.kernel != (1, 1) and operation.second is None and not operation.each_word_alone:
            if operation.region.positions > chip.accumulators:
                taps = plan_weights(operation, chip, ring_banks, (1, 1, whole_part(operation, chip).chunks[1]))
                ways.append((taps, 1, False))
    halves: list[int] = []
    size = count
    while alike and size > 1:
        size = -(-size // 2)
        halves.append(size)
    if is_matrix(operation, chip):
        ways += [(weights, size, outside) for size in halves for outside in (False, True)]
    yield shaped(tuple(dict.fromkeys(ways)))
    for size in halves:
        yield shaped(((weights, size, False),))
    if operation.parameters is not None and staged.input:
        whole = whole_part(operation, chip)
        sliced = 1 if alike else count
        most = [whole.chunks[1], whole.y[1], whole.x[1]]
        while max(most) > 1:
            axis = next(axis for axis in range(3) if most[axis] > 1)
            most[axis] = -(-most[axis] // 2)
            smaller = plan_weights(operation, chip, ring_banks, (most[1], most[2], most[0]))
            yield shaped(((smaller, sliced, False),), split=True)


def _slices(weights: Weights, count: int, ring_banks: int) -> tuple[int, ...]:
    """Groups of slices that are tried: a chunk, and as many as fit in the ring, or in half of it."""
    each = weights.chunk_groups
    banks = weights.chunk_banks * len(weights.parts)
    sizes = {each}
    for room in (ring_banks, ring_banks // 2):
        most = room // banks * each
        if most:
            alike = math.ceil(count / math.ceil(count / most))
            sizes.add(min(count, math.ceil(alike / each) * each))
    return tuple(sorted(sizes))


def _shapes(operation: Operation, staged: Staged, chip: Chip, split: bool) -> list[tuple[int, int]]:
    """Block shapes (rows, columns), large ones first."""
    region = operation.region
    if not (staged.input or staged.residual or staged.output):
        return [(region.height, region.width)]
    if operation.program is not None and operation.program.together > 1:
        return [(1, region.width)]
    rows = [-(-region.height // count) for count in COUNTS if count < region.height] + [1]
    shapes = [(height, region.width) for height in rows]
    if staged.least:
        words = operation.results.pixel_words(chip.word_bytes)
        shapes = [(height, width) for height, width in shapes if height * width * words >= staged.least]
        return shapes or [(region.height, region.width)]
    # The residual is read with the steps of the results, so both must be staged with the same width.
    if operation.residual is None or staged.residual == staged.output:
        shapes += [(1, -(-region.width // count)) for count in COUNTS if count < region.width] + [(1, 1)]
    if split:
        # Each block is one tile: its sums stay in the accumulators while the parts of the inputs pass.
        shapes = [(height, width) for height, width in shapes if height * width <= chip.accumulators]
    return list(dict.fromkeys(shapes))


def _banks(sizes: list[int], slots: tuple[int, ...]) -> frozenset[int]:
    return frozenset(bank for size, slot in zip(sizes, slots, strict=True) for bank in range(slot, slot + size))


def pack(sizes: list[int], free: list[tuple[int, int]]) -> tuple[int, ...] | None:
    """First banks for buffers of the given sizes within the free runs; the largest first, each in the tightest run."""
    runs = [list(run) for run in free]
    slots = [0] * len(sizes)
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        fitting = [run for run in runs if run[1] >= sizes[index]]
        if not fitting:
            return None
        run = min(fitting, key=lambda entry: entry[1])
        slots[index] = run[0]
        run[0] += sizes[index]
        run[1] -= sizes[index]
    return tuple(slots)
