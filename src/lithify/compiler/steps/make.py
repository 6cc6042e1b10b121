"""Steps of a segment in order, from its plan: band by band, or block by block."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lithify.chip import Chip
from lithify.compiler.cost import best_tile
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.planning.bands import Bands
from lithify.compiler.planning.blocks import Blocks, in_turn, tiles
from lithify.compiler.planning.cuts import strip_columns
from lithify.compiler.planning.plan import Plan, Single
from lithify.compiler.planning.row_rings import ring_layout
from lithify.compiler.planning.spread import layout, row_words
from lithify.compiler.steps.step import Buffer, Chunk, RowRing, Step
from lithify.compiler.weights import Part, alike, chunk_words, group_result_words, groups, table_words, whole_part


def make_steps(
    operations: tuple[Operation, ...],
    plan: Plan,
    images: Mapping[str, Image],
    sinks: frozenset[str],
    chip: Chip,
) -> tuple[Step, ...]:
    """All steps of a segment. sinks: images that must lie in DRAM at its end."""
    steps: list[Step] = []
    for phase in plan.phases:
        if isinstance(phase, Single):
            operation = operations[phase.operation]
            last = max(i for i, other in enumerate(operations) if other.y.name == operation.y.name)
            steps += _single_steps(phase, operation, last, plan, images, sinks, chip)
        else:
            steps += _band_steps(phase, operations, plan, images, chip)
    return tuple(steps)


def _single_steps(
    phase: Single,
    operation: Operation,
    last: int,
    plan: Plan,
    images: Mapping[str, Image],
    sinks: frozenset[str],
    chip: Chip,
) -> list[Step]:
    """last: the last operation that makes a part of the same image."""
    homes = {
        name: _home(images[name], plan.homes[name] * chip.bank_words, chip)
        for name in (*operation.reads, operation.y.name)
        if name in plan.homes
    }
    made = list(_operation_steps(phase.operation, operation, phase.blocks, homes, chip))
    if operation.y.name in sinks and operation.y.name in homes and operation.landing is not None:
        if phase.operation == last:
            made[-1] = replace(made[-1], stores=(*made[-1].stores, homes[operation.y.name]))
    elif operation.y.name in sinks and operation.y.name in homes:
        # The region, not the whole image: other operations make the rest of it.
        home, region = homes[operation.y.name], operation.region
        rows = region.pieces(1, region.width) if region.width < home.rectangle.width else (region,)
        parts = tuple(
            Buffer(home.image, piece, 0, home.pixel_words, home.address_of(piece.y, piece.x)) for piece in rows
        )
        made[-1] = replace(made[-1], stores=(*made[-1].stores, *parts))
    return made


def _home(image: Image, address: int, chip: Chip) -> Buffer:
    """An image that is resident."""
    pixel, where = image.pixel_words(chip.word_bytes), layout(image, image.height, chip)
    if where.pitch == row_words(image, chip):
        return Buffer(image.name, image.whole, 0, pixel, address)
    ring = RowRing(address, image.height, image.height, where.words, where.pitch)
    return Buffer(image.name, image.whole, 0, pixel, 0, ring)


def table_chunk(index: int, operation: Operation, chip: Chip) -> Chunk | None:
    """What a stream reads, the same for all its instructions: its table, if it has one."""
    if operation.table is None:
        return None
    return Chunk(index, 0, 0, 0, table_words(operation, chip), chip.weight_ports)


def weight_chunk(index: int, operation: Operation, part: Part, chosen: tuple[int, int], chip: Chip) -> Chunk:
    """The weights of some groups for the whole reduction; where those of all groups are alike the first one's."""
    first, end = chosen if not alike(operation, chip) else (0, chosen[1] - chosen[0])
    words = chunk_words(operation, chip, part, end - first, True)
    # The vector unit reads its program one word after the other.
    ports = chip.weight_ports if operation.program is None else 1
    return Chunk(index, first, end, 0, words, ports)


def _band_steps(
    bands: Bands, operations: tuple[Operation, ...], plan: Plan, images: Mapping[str, Image], chip: Chip
) -> Iterator[Step]:
    """Strip by strip and turn by turn, each an instruction for every chunk of weights."""
    made = {operation.y.name for operation in operations[bands.stretch.first : bands.stretch.end]}
    columns = strip_columns(operations, bands.stretch, images, bands.strips)

    def rows(strip: int, name: str, first: int, end: int) -> Buffer:
        image = images[name]
        left, right = columns[name][strip]
        if name in plan.homes:
            bank, held, where = plan.homes[name], image.height, layout(image, image.height, chip)
        else:
            bank, held = bands.slots[name], bands.rows[name]
            where = ring_layout(replace(image, width=right - left), held, bands.stretch, made, chip)
        ring = RowRing(bank * chip.bank_words, held, image.height, where.words, where.pitch)
        area = Rectangle(first, left, end - first, right - left)
        return Buffer(name, area, 0, image.pixel_words(chip.word_bytes), 0, ring)

    def pieces(strip: int, parts: Sequence[tuple[str, int, int]]) -> tuple[Buffer, ...]:
        return tuple(piece for name, first, end in parts for piece in rows(strip, name, first, end).pieces(end - first))

    for strip, turn in ((strip, turn) for strip in range(bands.strips) for turn in bands.turns):
        operation = operations[turn.operation]
        left, right = columns[operation.y.name][strip]
        out = Rectangle(turn.first, left, turn.end - turn.first, right - left)
        read = operation.input_of(out)
        source = rows(strip, operation.x.name, read.y, read.y + read.height)
        residual = rows(strip, operation.residual.image, turn.first, turn.end) if operation.residual else None
        result = rows(strip, operation.y.name, turn.first, turn.end)
        loads, stores = pieces(strip, turn.loads), pieces(strip, turn.stores)
        tile = best_tile(operation, chip, out)
        count, size = groups(operation, chip), bands.chunk_groups[turn.operation - bands.stretch.first]
        part = None if not operation.weighted else whole_part(operation, chip)
        for first in range(0, count, size):
            end = min(first + size, count)
            chunk = table_chunk(turn.operation, operation, chip)
            if part is not None:
                chunk = weight_chunk(turn.operation, operation, part, (first, end), chip)
            yield Step(
                operation=turn.operation,
                out=out,
                groups=(first, end),
                part=part,
                tile=tile,
                keep=False,
                accumulate=False,
                input=source,
                residual=residual,
                output=result,
                chunk=chunk,
                weights=(),
                loads=loads if first == 0 else (),
                stores=stores if end == count else (),
            )


def _operation_steps(
    index: int, operation: Operation, blocks: Blocks, homes: Mapping[str, Buffer], chip: Chip
) -> Iterator[Step]:
    """Slices or blocks outside, the others inside; each visit's first step loads, its last stores."""
    staging = _Staging(operation, blocks, homes, chip)
    pieces = operation.region.pieces(blocks.rows, blocks.columns)
    count = groups(operation, chip)
    slices = [(first, min(first + blocks.slice_groups, count)) for first in range(0, count, blocks.slice_groups)]
    visits = [(slice_, piece) for slice_ in slices for piece in pieces]
    if blocks.blocks_outside:
        visits = [(slice_, piece) for piece in pieces for slice_ in slices]
    for slice_, piece in visits:
        staging.visit += 1
        result = staging.result(operation.y.name, blocks.outputs, piece, slice_)
        residual, loads = None, []
        if operation.residual is not None:
            moved = replace(piece, x=piece.x + operation.residual.column)
            where = Rectangle(0, 0, 1, 1) if operation.residual.broadcast else moved
            residual = staging.result(operation.residual.image, blocks.residuals, where, slice_)
            loads += [residual] * bool(blocks.residuals)
        steps = list(_visit(index, operation, blocks, piece, slice_, staging, residual, result, chip))
        steps[0] = replace(steps[0], loads=(*loads, *steps[0].loads))
        steps[-1] = replace(steps[-1], stores=(result,) * bool(blocks.outputs))
        yield from steps


class _Staging:
    """Hands out staging copies in turn, and knows which inputs they still hold."""

    def __init__(self, operation: Operation, blocks: Blocks, homes: Mapping[str, Buffer], chip: Chip) -> None:
        self.operation, self.blocks, self.homes, self.chip = operation, blocks, homes, chip
        self.visit = -1
        self.turn = -1
        self.held: dict[int, Buffer] = {}

    def input(self, piece: Rectangle, slice_: tuple[int, int], part: Part | None) -> tuple[Buffer, tuple[Buffer, ...]]:
        """The inputs of a visit, or of one part of its reduction, and what must be loaded for them."""
        operation, slots = self.operation, self.blocks.inputs
        if operation.x.name in self.homes:
            return self.homes[operation.x.name], ()
        first, end = 0, operation.x.pixel_words(self.chip.word_bytes)
        if operation.each_word_alone:
            first, end = slice_
        elif part is not None:
            first, end = part.chunks
        first, end = first + operation.first_word, end + operation.first_word
        rectangle = operation.input_of(piece, part.y, part.x) if part else operation.input_of(piece)
        rectangle = replace(rectangle, y=rectangle.y + operation.first_row)
        wanted = Buffer(operation.x.name, rectangle, first, end - first, 0)
        for slot, buffer in self.held.items():
            if replace(buffer, address=0) == wanted:
                self.turn = slot
                return buffer, ()
        self.turn = (self.turn + 1) % len(slots)
        buffer = replace(wanted, address=slots[self.turn] * self.chip.bank_words)
        self.held[self.turn] = buffer
        return buffer, (buffer,)

    def result(self, image: str, slots: tuple[int, ...], piece: Rectangle, slice_: tuple[int, int]) -> Buffer:
        """Where the results of a visit, or the values added to them, lie: the image itself or a staging copy."""
        if image in self.homes:
            return self.homes[image]
        each = group_result_words(self.operation, self.chip)
        end = min(slice_[1] * each, self.operation.results.pixel_words(self.chip.word_bytes))
        first = slice_[0] * each
        address = slots[self.visit % len(slots)] * self.chip.bank_words
        return Buffer(image, piece, first, end - first, address, landing=self.operation.landing)


def _visit(
    index: int,
    operation: Operation,
    blocks: Blocks,
    piece: Rectangle,
    slice_: tuple[int, int],
    staging: _Staging,
    residual: Buffer | None,
    result: Buffer,
    chip: Chip,
) -> Iterator[Step]:
    """The instructions of one visit: one for each chunk of weights, or each tile, group and part of the reduction."""
    weights = blocks.weights
    if weights is None or len(weights.parts) == 1:
        source, loads = staging.input(piece, slice_, None)
        tile = best_tile(operation, chip, piece)
        size = weights.chunk_groups if weights else slice_[1] - slice_[0]
        for first in range(slice_[0], slice_[1], size):
            chosen = first, min(first + size, slice_[1])
            chunk = table_chunk(index, operation, chip)
            step = Step(index, piece, chosen, None, tile, False, False, source, residual, result, chunk, (), loads, ())
            if weights:
                chunk = weight_chunk(index, operation, weights.parts[0], chosen, chip)
                step = replace(step, part=weights.parts[0], chunk=chunk)
            yield step
            loads = ()
        return
    # What is added may lie where results go, which then must come in their order.
    for small in tiles(piece, chip) if operation.residual else in_turn(tiles(piece, chip)):
        for group in range(*slice_):
            for number, part in enumerate(weights.parts):
                # Inputs that are staged whole are loaded once, by the first instruction of the visit.
                one = (group, group + 1) if blocks.split_inputs else slice_
                source, loads = staging.input(piece, one, part if blocks.split_inputs else None)
                last = number == len(weights.parts) - 1
                words = chunk_words(operation, chip, part, 1, last)
                yield Step(
                    operation=index,
                    out=small,
                    groups=(group, group + 1),
                    part=part,
                    tile=small.positions,
                    keep=not last,
                    accumulate=number > 0,
                    input=source,
                    residual=residual,
                    output=result,
                    chunk=Chunk(index, group, group + 1, number, words, chip.weight_ports),
                    weights=(),
                    loads=loads,
                    stores=(),
                )
