"""What a cut into blocks takes: cycles, and banks for the staging copies, both estimated from shapes."""

from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.chip.memories import BURST_BEATS
from lithify.chip.pipeline import BURSTS_IN_FLIGHT
from lithify.compiler.cost import ROW_CYCLES, compute_cycles, dram_cycles, group_cycles, row_traffic, side_by_side
from lithify.compiler.image import Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.planning.bands import COMPUTE_BYTES, TRANSFER_BYTES, staying
from lithify.compiler.planning.blocks import Blocks, Staged, is_matrix, shapes_and_counts, tile_shape
from lithify.compiler.planning.chunks import part_banks
from lithify.compiler.weights import (
    Part,
    group_result_words,
    groups,
)

START_CYCLES = 100
"""From the retirement of the operation before to a steady flow, about: filling and draining the pipelines."""
LOAD_CYCLES = 120
"""Cycles that a load takes besides its bytes, about: DRAM's latency and the tokens before and after."""
OVER_CYCLES = 100
"""An instruction whose results take the place of what is added waits about so long for the one before."""
VISIT_CYCLES = 100
"""What a visit loses to loads that wait for one another, about (measured)."""


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
            shapes = shapes_and_counts(self.operation.region, rows, columns)
            found = self._found[rows, columns] = _Pieces(
                tuple(shapes),
                sum(many for _, many in shapes),
                sum(many * compute_cycles(self.operation, self.chip, piece) for piece, many in shapes),
                pixels_under(self.operation, rows, columns, None),
            )
        return found


def pixels_under(
    operation: Operation, rows: int, columns: int, parts: tuple[Part, ...] | None = None
) -> tuple[int, int]:
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


def _under(operation: Operation, blocks: Blocks, measures: Measures) -> tuple[int, int]:
    """As `pixels_under`, of a cut."""
    if not blocks.split_inputs:
        return measures.of(blocks.rows, blocks.columns).inputs
    assert blocks.weights is not None
    return pixels_under(operation, blocks.rows, blocks.columns, blocks.weights.parts)


def fewest_cycles(blocks: Blocks, staged: Staged, measures: Measures) -> int:
    """Cycles below which the estimate never is, whatever the copies and the ring; 0 where that is not known before."""
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


def staging_sizes(operation: Operation, blocks: Blocks, measures: Measures, chip: Chip) -> _Sizes:
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


def estimated_cycles(
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
            for shape, number in shapes_and_counts(block, *tile_shape(block, chip))
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
        sizes = part_banks(operation, weights, chip)
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
    if is_matrix(operation, chip):
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
