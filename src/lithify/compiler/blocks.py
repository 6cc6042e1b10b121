"""Blocks: how one operation is cut so that its staging copies fit in the free banks, and at what cost.

Images that lie in DRAM pass through staging banks. A visit handles one block (a rectangle of results) for one slice (a
range of groups of output channels), with all its weights in chunks. With slices as the outer loop weights can stay, and
inputs come again for each; with blocks outside it is the other way round. Reductions whose weights or inputs do not fit
at once are split further, tile by tile.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.chip.memories import BURST_BEATS
from lithify.chip.pipeline import BURSTS_IN_FLIGHT
from lithify.compiler.bands import COMPUTE_BYTES, TRANSFER_BYTES, staying
from lithify.compiler.cost import ROW_CYCLES, compute_cycles, dram_cycles, group_cycles, row_traffic, side_by_side
from lithify.compiler.image import Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.weights import (
    Part,
    alike,
    chunk_banks,
    chunk_words,
    group_result_words,
    groups,
    table_words,
    weight_words,
    whole_part,
)

COUNTS = (*range(1, 9), 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
"""Numbers of blocks that are tried, besides one row or one column each."""
ENOUGH = 8
"""Feasible shapes after which smaller blocks are no longer tried."""

START_CYCLES = 100
"""From the retirement of the operation before to a steady flow, about: filling and draining the pipelines."""
LOAD_CYCLES = 120
"""Cycles that a load takes besides its bytes, about: DRAM's latency and the tokens before and after."""

COPIES = ((2, 4), (2, 2), (1, 4), (1, 2), (2, 1), (1, 1))
"""Staging copies, of inputs and of the others, that are tried; all others only where the first does not fit."""

OVER_CYCLES = 100
"""An instruction whose results take the place of what is added waits about so long for the one before."""

VISIT_CYCLES = 100
"""What a visit loses to loads that wait for one another, about (measured)."""


@dataclass(frozen=True)
class Weights:
    """How an operation's weights travel: chunks of `chunk_groups` groups, each of the reduction's `parts`.

    More than one part means that not even one group's weights fit in the ring, or its inputs in the scratchpad: then a
    chunk is one part of one group, and an instruction one tile of it. chunk_banks: banks of the largest chunk.
    """

    parts: tuple[Part, ...]
    chunk_groups: int
    chunk_banks: int
    total_bytes: int


@dataclass(frozen=True)
class Blocks:
    """How an operation is cut.

    rows, columns: largest rectangle of results of a block. slice_groups: groups of a slice. blocks_outside: whether
    blocks are the outer loop. split_inputs: whether the inputs are staged part by part of the reduction too. inputs,
    residuals, outputs: first banks of the staging copies; empty where the image is resident. banks: all banks of the
    copies. ring_banks: upper banks that hold its weights. cycles: the estimate.
    """

    rows: int
    columns: int
    slice_groups: int
    blocks_outside: bool
    split_inputs: bool
    weights: Weights | None
    inputs: tuple[int, ...]
    residuals: tuple[int, ...]
    outputs: tuple[int, ...]
    ring_banks: int
    cycles: int
    banks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Staged:
    """Which images of an operation lie in DRAM. least: words of results that a block must have, if not all."""

    input: bool
    residual: bool
    output: bool
    least: int = 0


class TooLarge(Exception):
    """No cut fits; `needed` is the number of banks that the smallest would take."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


class RingTooSmall(Exception):
    """Not even the smallest part of a group's weights fits in the ring; `needed` in words."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


def _is_matrix(operation: Operation, chip: Chip) -> bool:
    """Whether an operation is a product of matrices: one row of at least a tile of positions, each of which reads
    its own pixel."""
    region = operation.region
    alone = operation.unit == "conv" and operation.sliding.kernel == (1, 1)
    return alone and region.height == 1 and region.width >= chip.accumulators


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Blocks of one size, whatever lies where. shapes: the different ones, each with how many there are; count: of all;
    compute: cycles, with all weights at once; inputs: pixels of x under all of them, and under the largest.
    """

    shapes: tuple[tuple[Rectangle, int], ...]
    count: int
    compute: int
    inputs: tuple[int, int]


class Measures:
    """What of an operation's blocks does not depend on the room for them, found once for all rooms that are tried."""

    def __init__(self, operation: Operation, chip: Chip) -> None:
        self.operation, self.chip = operation, chip
        self.groups = groups(operation, chip)
        self.pixel = row_traffic(chip, replace(operation.x, width=1))
        self._found: dict[tuple[int, int], _Pieces] = {}

    def of(self, rows: int, columns: int) -> _Pieces:
        """Blocks of so many rows and columns."""
        found = self._found.get((rows, columns))
        if found is None:
            shapes = _shapes_and_counts(self.operation.region, rows, columns)
            found = self._found[rows, columns] = _Pieces(
                tuple(shapes),
                sum(many for _, many in shapes),
                sum(many * compute_cycles(self.operation, self.chip, piece) for piece, many in shapes),
                _inputs(self.operation, rows, columns, None),
            )
        return found


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
                if not _is_matrix(operation, chip):
                    break
            once = _sizes(operation, blocks, measures, chip)
            fewest = _fewest(blocks, staged, measures)
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
                    cycles = _estimate(operation, blocks, staged, copies, ring, measures, chip)
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
    if _is_matrix(operation, chip):
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


def _inputs(operation: Operation, rows: int, columns: int, parts: tuple[Part, ...] | None = None) -> tuple[int, int]:
    """Pixels of x under all blocks of a size, and under the largest (or its largest part, where inputs are split)."""
    region = operation.region
    down, right = (region.y, region.height, rows), (region.x, region.width, columns)
    if operation.sliding.turned:
        down, right = right, down
    ranges: list[list[tuple[int, int]]] = [[(0, operation.passes[0])], [(0, operation.passes[1])]]
    (height, tallest), (width, widest) = (
        operation.input_lengths(0, *down, ranges[0][0]),
        operation.input_lengths(1, *right, ranges[1][0]),
    )
    if parts is not None:
        tallest = max(operation.input_lengths(0, *down, passes)[1] for passes in {part.y for part in parts})
        widest = max(operation.input_lengths(1, *right, passes)[1] for passes in {part.x for part in parts})
    return height * width, tallest * widest


def _shapes_and_counts(region: Rectangle, rows: int, columns: int) -> list[tuple[Rectangle, int]]:
    """The different shapes of blocks (at most four: whole ones and what remains), and how many there are of each."""
    return [
        (Rectangle(0, 0, height, width), many_y * many_x)
        for height, many_y in ((rows, region.height // rows), (region.height % rows, 1))
        for width, many_x in ((columns, region.width // columns), (region.width % columns, 1))
        if height and width and many_y and many_x
    ]


def _under(operation: Operation, blocks: Blocks, measures: Measures) -> tuple[int, int]:
    """As `_inputs`, of a cut."""
    if not blocks.split_inputs:
        return measures.of(blocks.rows, blocks.columns).inputs
    assert blocks.weights is not None
    return _inputs(operation, blocks.rows, blocks.columns, blocks.weights.parts)


def _fewest(blocks: Blocks, staged: Staged, measures: Measures) -> int:
    """Cycles below which `_estimate` never is, whatever the copies and the ring; 0 where that is not known before."""
    if blocks.weights is not None and len(blocks.weights.parts) > 1:
        return 0
    pieces = measures.of(blocks.rows, blocks.columns)
    visits = pieces.count * -(-measures.groups // blocks.slice_groups)
    return pieces.compute + START_CYCLES + visits * VISIT_CYCLES * (staged.residual or staged.output)


@dataclass(frozen=True)
class _Sizes:
    """Banks of a staging copy of inputs, and of residuals or outputs; whether more than one copy is of use."""

    inputs: int
    results: int
    copied: bool
    others_copied: bool

    def of(self, copies: tuple[int, int], staged: Staged) -> tuple[list[int], list[int], list[int]]:
        """Banks of every staging copy of inputs, residuals and outputs. copies: of inputs, and of the others."""
        many, others = copies[0] if self.copied else 1, copies[1] if self.others_copied else 1
        return (
            [self.inputs] * many * staged.input,
            [self.results] * others * staged.residual,
            [self.results] * others * staged.output,
        )


def _sizes(operation: Operation, blocks: Blocks, measures: Measures, chip: Chip) -> _Sizes:
    """What staging a cut takes."""
    slices = -(-measures.groups // blocks.slice_groups)
    result_words = min(
        operation.results.pixel_words(chip.word_bytes), blocks.slice_groups * group_result_words(operation, chip)
    )
    input_words = operation.x.pixel_words(chip.word_bytes)
    if operation.each_word_alone:
        input_words = 1 if blocks.split_inputs else result_words
    elif blocks.split_inputs:
        assert blocks.weights is not None
        input_words = max(part.chunks[1] - part.chunks[0] for part in blocks.weights.parts)
    inputs = _under(operation, blocks, measures)[1] * input_words
    results = blocks.rows * blocks.columns * result_words
    pieces = measures.of(blocks.rows, blocks.columns).count
    bank = chip.bank_words
    return _Sizes(
        -(-inputs // bank),
        -(-results // bank),
        pieces > 1 or blocks.split_inputs or (operation.each_word_alone and slices > 1),
        pieces * slices > 1 or blocks.split_inputs,
    )


def _estimate(
    operation: Operation,
    blocks: Blocks,
    staged: Staged,
    copies: tuple[int, int],
    ring_banks: int,
    measures: Measures,
    chip: Chip,
) -> int:
    """Cycles of the operation: computation and transfers side by side, but for the first in and the last out."""
    word = chip.word_bytes
    known = measures.of(blocks.rows, blocks.columns)
    shapes, pieces, count = known.shapes, known.count, measures.groups
    slices = -(-count // blocks.slice_groups)
    weights = blocks.weights
    pixel, under = measures.pixel, _under(operation, blocks, measures)
    inputs = under[0] * pixel if staged.input else 0
    if not operation.each_word_alone and pieces > copies[0] and not blocks.blocks_outside:
        inputs *= slices
    visits = pieces * slices
    idle = START_CYCLES
    # How often each chunk is used; the chunks of a slice.
    uses, chunks = pieces, 0
    if weights is not None and len(weights.parts) > 1:
        small = [
            (shape, many * number)
            for block, many in shapes
            for shape, number in _shapes_and_counts(block, *_tile_shape(block, chip))
        ]
        compute = sum(
            many * count * (group_cycles(operation, chip, tile, part) + 20)
            for tile, many in small
            for part in weights.parts
        )
        uses = sum(many for _, many in small)
        idle += 60 * count * uses * len(weights.parts)
        if blocks.split_inputs:
            inputs += inputs * (count - 1)
        chunks = blocks.slice_groups * len(weights.parts)
    else:
        compute = known.compute
        if weights is not None:
            chunks = -(-blocks.slice_groups // weights.chunk_groups)
    moved = loads = waits = 0
    if weights is not None:
        each = -(-weights.total_bytes // (slices * chunks))
        rounds, together = (1, slices * chunks) if blocks.blocks_outside else (slices, chunks)
        sizes = _part_banks(operation, weights, chip)
        stay = staying((sizes * -(-together // len(sizes)))[:together], ring_banks)
        loads = rounds * (stay + (together - stay) * uses)
        moved = loads * each
        bank = chip.bank_words * word
        if stay < together:
            # The next chunk has no room as long as one is used.
            over = 2 * weights.chunk_banks - (ring_banks - stay * weights.chunk_banks)
            if over > 0:
                waits += loads * (dram_cycles(chip, min(each, over * bank)) + LOAD_CYCLES)
        elif rounds > 1 and uses > 1:
            over = 2 * together * sum(sizes) // len(sizes) - ring_banks
            late = dram_cycles(chip, min(together * each, over * bank)) if over > 0 else 0
            if len(sizes) > 1:
                # The last tile gives up one part after the other, and the first one of the next needs them so.
                late = max(0, late - 2 * compute * (len(sizes) - 1) // (rounds * uses * len(sizes)))
                # They follow one another as the passes of one instruction do.
                compute = sum(many * count * group_cycles(operation, chip, tile) for tile, many in small)
                idle = START_CYCLES + 2 * count * uses * len(sizes)
            waits += rounds * late
        elif 2 * weights.chunk_banks > ring_banks:
            over = 2 * weights.chunk_banks - ring_banks
            waits += loads * (dram_cycles(chip, min(each, over * bank)) + LOAD_CYCLES)
    result = operation.region.positions * operation.results.pixel_words(word) * word
    others = dram_cycles(chip, result)
    if slices > 1:
        others = max(others, operation.region.positions * slices * ROW_CYCLES)
    others *= staged.residual + staged.output
    taken = dram_cycles(chip, inputs)
    transfers = visits * ((staged.input and taken > 0) + staged.residual + staged.output) + loads
    steps = slices * max(1, chunks) * uses
    between = taken + others
    fetched = dram_cycles(chip, moved + steps * COMPUTE_BYTES + transfers * TRANSFER_BYTES)
    serial = 0
    if copies[1] == 1 and others and (visits > 1 or blocks.split_inputs):
        # Each visit waits until the results before it are stored, behind what is loaded meanwhile.
        serial = between + fetched + visits * LOAD_CYCLES
    elif copies[0] == 1 and taken and (pieces > 1 or blocks.split_inputs):
        serial = taken + visits * LOAD_CYCLES
    if _is_matrix(operation, chip):
        # The first visit also waits for its weights: a chunk, and what takes longer to come than to be used.
        once = dram_cycles(chip, weights.total_bytes) if weights is not None else 0
        chunk = once * weights.chunk_groups // count if weights is not None else 0
        first = dram_cycles(chip, inputs // pieces) * (pieces if copies[0] == 1 else 1)
        edges = first + max(chunk, once // slices - compute // visits) + dram_cycles(chip, result // visits)
        alone = compute + waits + (serial if copies[1] == 1 else 0)
        return side_by_side(alone, between + fetched) + edges + idle + visits * VISIT_CYCLES
    busy = side_by_side(compute + waits + serial, between + fetched)
    if others and not serial:
        # A store waits behind what of a load is under way; meanwhile the other copies are filled.
        ahead = min(BURSTS_IN_FLIGHT * BURST_BEATS * chip.bus_bytes, max(moved // max(1, loads), inputs // visits))
        late = dram_cycles(chip, ahead) * (between + fetched) // busy - (copies[1] - 1) * compute // visits
        busy += visits * max(0, late)
    if staged.least:
        idle += steps * OVER_CYCLES
    edges = dram_cycles(chip, under[1] * pixel * staged.input) + others // visits
    return busy + edges + idle + visits * VISIT_CYCLES * bool(between)


def _part_banks(operation: Operation, weights: Weights, chip: Chip) -> list[int]:
    """Banks of a chunk of each part."""
    if len(weights.parts) == 1:
        return [weights.chunk_banks]
    lasts = [number == len(weights.parts) - 1 for number in range(len(weights.parts))]
    words = [chunk_words(operation, chip, part, 1, last) for part, last in zip(weights.parts, lasts, strict=True)]
    return [chunk_banks(count, chip.weight_ports, chip) for count in words]


def _banks(sizes: list[int], slots: tuple[int, ...]) -> frozenset[int]:
    return frozenset(bank for size, slot in zip(sizes, slots, strict=True) for bank in range(slot, slot + size))


def _tile_shape(block: Rectangle, chip: Chip) -> tuple[int, int]:
    columns = min(block.width, chip.accumulators)
    return max(1, chip.accumulators // columns), columns


def tiles(block: Rectangle, chip: Chip) -> tuple[Rectangle, ...]:
    """The block cut into rectangles of one tile each."""
    return block.pieces(*_tile_shape(block, chip))


def in_turn(pieces: tuple[Rectangle, ...]) -> tuple[Rectangle, ...]:
    """Tiles with a small last one put second: weights come while the last works, and the first of the next round."""
    if len(pieces) > 2 and pieces[-1].positions < pieces[0].positions:
        return pieces[0], pieces[-1], *pieces[1:-1]
    return pieces


def plan_weights(
    operation: Operation,
    chip: Chip,
    ring_banks: int,
    most: tuple[int, int, int] | None = None,
    in_parts: bool = False,
) -> Weights | None:
    """How the weights of an operation, or its program, travel through a ring; None for stream.

    most: passes (vertical, horizontal) and words of input channels that a part may have. in_parts: even if not even
    that is needed. Raises RingTooSmall.
    """
    if not operation.weighted:
        # A stream has no weights, but its table may come.
        table = table_words(operation, chip)
        if table and chunk_banks(table, chip.weight_ports, chip) > ring_banks:
            raise RingTooSmall(table)
        return None
    room = ring_banks * chip.bank_words
    whole = whole_part(operation, chip)
    if operation.program is not None:
        words = chunk_words(operation, chip, whole, 1, True)
        if words > room:
            raise RingTooSmall(words)
        return Weights((whole,), 1, chunk_banks(words, 1, chip), words * chip.word_bytes)
    if ring_banks < chip.weight_ports:
        raise RingTooSmall(chip.weight_ports * chip.bank_words)
    each, count = weight_words(operation, chip, whole, True), groups(operation, chip)
    table = table_words(operation, chip)
    total = each * count * chip.word_bytes
    # What is one tile in any case may as well take its weights in smaller parts.
    small = operation.region.positions <= chip.accumulators and 3 * (each + table) > room and whole.sets > 1
    if each + table > room or most is not None or small or (in_parts and whole.sets > 1):
        parts = _split(operation, chip, whole, room, most or (whole.y[1], whole.x[1], whole.chunks[1]))
        largest = max(chunk_words(operation, chip, part, 1, True) for part in parts)
        return Weights(parts, 1, chunk_banks(largest, chip.weight_ports, chip), total)
    if alike(operation, chip):
        return Weights((whole,), 1, chunk_banks(each + table, chip.weight_ports, chip), each * chip.word_bytes)
    # Two chunks fit in the ring where it can be, so that one is loaded while the other is used.
    target = max(each, max(1, ring_banks // 4) * chip.bank_words - table)
    chunk = -(-count // -(-count // max(1, target // each)))
    return Weights((whole,), chunk, chunk_banks(chunk * each + table, chip.weight_ports, chip), total)


def _split(operation: Operation, chip: Chip, whole: Part, room: int, most: tuple[int, int, int]) -> tuple[Part, ...]:
    """Parts of the reduction whose weights fit in half of `room` words, or in all of it: by channels, then passes."""

    def words(y: int, x: int, chunks: int) -> int:
        return chunk_words(operation, chip, Part((0, y), (0, x), (0, chunks)), 1, True)

    target = next((room // count for count in (4, 2) if words(1, 1, 1) <= room // count), room)
    y, x, chunks = most
    while chunks > 1 and words(y, x, chunks) > target:
        chunks -= 1
    while y > 1 and words(y, x, chunks) > target:
        y -= 1
    while x > 1 and words(y, x, chunks) > target:
        x -= 1
    if words(y, x, chunks) > room:
        raise RingTooSmall(words(y, x, chunks))
    return tuple(
        Part(rows, columns, channels)
        for rows in _ranges(whole.y[1], y)
        for columns in _ranges(whole.x[1], x)
        for channels in _ranges(whole.chunks[1], chunks)
    )


def _ranges(end: int, length: int) -> list[tuple[int, int]]:
    return [(first, min(first + length, end)) for first in range(0, end, length)]


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
