"""Ways to cut a stretch into bands and strips: what each computes and moves, whatever room there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.compiler.cost import group_cycles, row_traffic
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.row_rings import ring_layout, ring_rows
from lithify.compiler.spread import row_words
from lithify.compiler.stretch import MANY_ROWS, ROWS_OF_BANKS, Stretch, Turn, Way, aligned_rows, plan_turns, reads_from
from lithify.compiler.weights import alike, chunk_words, groups, weight_words, whole_part

SERIAL_CYCLES = 60
"""An instruction that reads what the one before wrote waits about so long: the pipelines drain and fill."""
WOVEN_CYCLES = 20
"""What is left of that where other instructions come between."""
WOVEN_PART = 100
"""By one part in so many turns that are mixed take longer: their transfers wait for more than one band (found by
trying).
"""
AHEAD = (2, 1, 0)
"""Turns before whose rows may stay, so that transfers run beside the computation."""


@dataclass(frozen=True)
class Work:
    """The weights of an operation of a stretch.

    turns: how often they are used; groups: 0 if there are none; words: of one group, with the table;
    whole_words: of all groups, without. alike: whether one group's serve for all.
    """

    turns: int
    groups: int
    words: int
    whole_words: int
    alike: bool


@dataclass(frozen=True)
class Cut:
    """A stretch in a number of bands, before the room for weights is known.

    strips: into which the columns are cut; turns: of each of them. ahead: turns before whose rows stay, so that
    transfers run beside the computation; rows: of each ring; banks: of all rings. compute: cycles; moved: bytes of
    images, the first loads (lead) and last stores (tail) among them; transfers: how many. works: of each operation.
    """

    strips: int
    turns: tuple[Turn, ...]
    ahead: int
    rows: Mapping[str, int]
    banks: int
    compute: int
    moved: int
    lead: int
    tail: int
    transfers: int
    works: tuple[Work, ...]


def cuts(operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], chip: Chip) -> tuple[Cut, ...]:
    """All ways to cut a stretch that are tried, whatever room there is."""
    found: list[Cut] = []
    made = {operation.y.name for operation in operations[stretch.first : stretch.end]}
    height = operations[stretch.end - 1].y.height
    counts = sorted({-(-height // -(-height // n)) for n in (*range(1, 9), 10, 12, 14, 16, 19, 28, 38, 56, 112)})
    for strips in strip_counts(operations, stretch):
        if strips > 1 and any(cut.ahead == 2 and 2 * cut.banks <= chip.scratchpad_banks for cut in found):
            break
        narrow = narrowed(operations, stretch, images, strips)
        for count in counts:
            if count > height:
                break
            for way in _ways(operations, stretch, narrow, strips, count, chip):
                turns = plan_turns(operations, stretch, narrow, way, chip)
                tally = _tally(operations, stretch, narrow, strips, turns, way, chip)
                rings = ring_rows(operations, stretch, narrow, turns, AHEAD, way, chip)
                for ahead, rows in zip(AHEAD, rings, strict=True):
                    layouts = [ring_layout(narrow[name], many, stretch, made, chip) for name, many in rows.items()]
                    banks = sum(each.banks for each in layouts)
                    if banks < chip.scratchpad_banks:
                        found.append(replace(tally, ahead=ahead, rows=rows, banks=banks))
    return tuple(found)


def _ways(
    operations: Sequence[Operation],
    stretch: Stretch,
    images: Mapping[str, Image],
    strips: int,
    count: int,
    chip: Chip,
) -> list[Way]:
    """The ways to go through a stretch in about `count` bands."""
    found = [Way(count)]
    alone = all(operation.unit == "conv" for operation in operations[stretch.first : stretch.end])
    if count > 1 and strips == 1 and alone and stretch.end > stretch.first + 1:
        found.append(Way(count, woven=True))
    if count > 1 and _slow_rows(operations, stretch, chip):
        # What comes first is waited for.
        apart = aligned_rows(images[operations[0].x.name], MANY_ROWS, chip) > ROWS_OF_BANKS
        most = MANY_ROWS if apart else ROWS_OF_BANKS
        found += [Way(count, most), Way(count, most, True)]
    return list(dict.fromkeys(found))


STRIPS = (2, 4)
"""Into how many strips the columns are cut, besides one."""


def strip_counts(operations: Sequence[Operation], stretch: Stretch) -> tuple[int, ...]:
    """How many strips the columns of a stretch can be cut into.

    Inside the stretch each column must be made from the same one alone; what is loaded may overlap.
    """
    part = operations[stretch.first : stretch.end]
    made = {operation.y.name for operation in part}
    width = part[-1].y.width
    if len(part) == 1:
        # Blocks do that better.
        return (1,)
    for operation in part:
        sliding = operation.sliding
        pointwise = (sliding.kernel[1], sliding.strides[1], sliding.pads[1]) == (1, 1, 0)
        if operation.unit == "depthwise" or (operation.unit == "stream" and sliding.kernel != (1, 1)):
            return (1,)
        if operation.y.width != width or operation.y.spread or (operation.x.name in made and not pointwise):
            return (1,)
        if stretch.resident.intersection((*operation.reads, operation.y.name)):
            return (1,)
    return 1, *(count for count in STRIPS if width % count == 0)


def narrowed(
    operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], strips: int
) -> Mapping[str, Image]:
    """The images that a stretch touches as wide as the widest strip of theirs."""
    if strips == 1:
        return images
    return {
        name: replace(images[name], width=max(end - first for first, end in spans))
        for name, spans in strip_columns(operations, stretch, images, strips).items()
    }


def strip_columns(
    operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], strips: int
) -> dict[str, list[tuple[int, int]]]:
    """Of each image that a stretch touches the columns (first, end) that each strip does."""
    part = operations[stretch.first : stretch.end]
    if strips == 1:
        return {name: [(0, images[name].width)] for operation in part for name in (*operation.reads, operation.y.name)}
    each = part[-1].y.width // strips
    found: dict[str, list[tuple[int, int]]] = {}
    for strip in range(strips):
        spans: dict[str, tuple[int, int]] = {}
        for operation in part:
            out = Rectangle(0, strip * each, 1, each)
            read = operation.input_of(out)
            touched = [(operation.x.name, read.x, read.x + read.width), (operation.y.name, out.x, out.x + each)]
            if operation.residual is not None:
                touched.append((operation.residual.image, out.x, out.x + each))
            for name, first, end in touched:
                before = spans.get(name, (first, end))
                spans[name] = min(first, before[0]), max(end, before[1])
        for name, span in spans.items():
            found.setdefault(name, []).append(span)
    return found


def _tally(
    operations: Sequence[Operation],
    stretch: Stretch,
    images: Mapping[str, Image],
    strips: int,
    turns: tuple[Turn, ...],
    way: Way,
    chip: Chip,
) -> Cut:
    moved = compute = transfers = tail = 0
    often = dict.fromkeys(range(stretch.first, stretch.end), 0)
    # Most turns of an operation are alike.
    each_cycles: dict[tuple[int, int], int] = {}
    before: Turn | None = None
    for turn in turns:
        operation = operations[turn.operation]
        alike_turns = turn.operation, turn.end - turn.first
        if alike_turns not in each_cycles:
            area = Rectangle(0, 0, turn.end - turn.first, images[operation.y.name].width)
            each_cycles[alike_turns] = groups(operation, chip) * group_cycles(operation, chip, area)
        compute += each_cycles[alike_turns]
        if len(turns) > 1:
            apart = way.woven and (before is None or not reads_from(operations, turn, before))
            compute += WOVEN_CYCLES if apart else SERIAL_CYCLES
        before = turn
        often[turn.operation] += 1
        loaded = sum(row_traffic(chip, images[name]) * (end - first) for name, first, end in turn.loads)
        tail = sum(row_traffic(chip, images[name]) * (end - first) for name, first, end in turn.stores)
        moved += loaded + tail
        transfers += 2 * len(turn.loads) + 2 * len(turn.stores)
    lead = sum(row_traffic(chip, images[name]) * (end - first) for name, first, end in turns[0].loads)
    if _slow_rows(operations, stretch, chip):
        # There is nothing before, beside which they could come.
        lead = 2 * _lead(images, turns, chip)
    if way.woven:
        compute += compute // WOVEN_PART
    works = []
    for index, many in often.items():
        operation = operations[index]
        if operation.parameters is None:
            works.append(Work(many, 0, 0, 0, False))
            continue
        part, count = whole_part(operation, chip), groups(operation, chip)
        words = chunk_words(operation, chip, part, 1, True)
        same = alike(operation, chip)
        each = weight_words(operation, chip, part, True)
        works.append(Work(many, count, words, each if same else each * count, same))
    works = [replace(work, turns=work.turns * strips) for work in works]
    numbers = compute * strips, moved * strips, lead, tail, transfers * strips
    return Cut(strips, turns, 0, {}, 0, *numbers, tuple(works))


def _slow_rows(operations: Sequence[Operation], stretch: Stretch, chip: Chip) -> bool:
    """Whether a stretch is the first, and waits for rows whose pixels take DRAM longer each than their bytes."""
    image = operations[stretch.first].x
    return stretch.first == 0 and row_traffic(chip, image) > row_words(image, chip) * chip.word_bytes


def _lead(images: Mapping[str, Image], turns: Sequence[Turn], chip: Chip) -> int:
    """Bytes that are loaded before the first turn begins: its rows, and where the last of them shares a bank with the
    next, what brings those: it is loaded meanwhile, and the turn waits for both.
    """
    lead = 0
    for name, first, end in turns[0].loads:
        lead += row_traffic(chip, images[name]) * (end - first)
        if end * row_words(images[name], chip) % chip.bank_words:
            more = [load for turn in turns[1:] for load in turn.loads if load[0] == name]
            lead += sum(row_traffic(chip, images[name]) * (last - begin) for _, begin, last in more[:1])
    return lead
