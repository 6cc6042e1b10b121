"""Ways to cut a stretch into bands and strips: what each computes and moves, whatever room there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from lithify.chip import Chip
from lithify.compiler.cost import group_cycles, row_traffic
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.planning.row_rings import AHEAD, ring_layout, ring_rows
from lithify.compiler.planning.spread import row_words
from lithify.compiler.planning.stretch import (
    MANY_ROWS,
    ROWS_OF_BANKS,
    Shape,
    Stretch,
    Way,
    aligned_rows,
    reads_from,
    reduced,
    shape_of,
    turns_of,
)
from lithify.compiler.weights import alike, chunk_words, groups, weight_words, whole_part

SERIAL_CYCLES = 60
"""An instruction that reads what the one before wrote waits about so long: the pipelines drain and fill."""
WOVEN_CYCLES = 20
"""What is left of that where other instructions come between."""
WOVEN_PART = 100
"""By one part in so many turns that are mixed take longer: their transfers wait for more than one band (found by
trying).
"""


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

    strips: into which the columns are cut; way: in which each is gone through, with so many turns. ahead: turns before
    whose rows stay, so that transfers run beside the computation; rows: of each ring; banks: of all rings. compute:
    cycles; moved: bytes of images, the first loads (lead) and last stores (tail) among them; transfers: how many.
    works: of each operation.
    """

    strips: int
    way: Way
    turns: int
    ahead: int
    rows: Mapping[str, int]
    banks: int
    compute: int
    moved: int
    lead: int
    tail: int
    transfers: int
    works: tuple[Work, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """The turns of a shape in sum. Images and operations are numbers, as in `Shape`.

    turns: how many; apart: those that do not read what the one before made; often: of each operation; pieces:
    (operation, rows, how often) of its turns. moved: (image, rows) loaded and stored, in so many transfers; tail:
    stored by the last turn; lead: loaded by the first, (image, behind the last row, rows, rows of it that come next).
    rings: rows of the shape's rings for each of AHEAD.
    """

    turns: int
    apart: int
    often: tuple[int, ...]
    pieces: tuple[tuple[int, int, int], ...]
    moved: tuple[tuple[int, int], ...]
    transfers: int
    tail: tuple[tuple[int, int], ...]
    lead: tuple[tuple[int, int, int, int], ...]
    rings: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=1 << 16)
def outline(shape: Shape, way: Way) -> Outline:
    """The turns of a shape in sum: what a search asks again and again, of chips that differ in something else. It asks
    for reduced shapes (`stretch.reduced`), which more of them have in common.
    """
    turns = turns_of(shape, way)
    often = [0] * len(shape.makes)
    pieces: dict[tuple[int, int], int] = {}
    moved: dict[int, int] = {}
    transfers = apart = 0
    before = None
    for turn in turns:
        index, first, end, loads, stores = turn
        often[index] += 1
        pieces[index, end - first] = pieces.get((index, end - first), 0) + 1
        for image, begin, behind in (*loads, *stores):
            moved[image] = moved.get(image, 0) + behind - begin
            transfers += 2
        apart += way.woven and (before is None or not reads_from(shape, turn, before))
        before = turn
    lead = []
    for image, begin, end in turns[0].loads:
        more = (load for turn in turns[1:] for load in turn.loads if load[0] == image)
        following = next(more, (image, 0, 0))
        lead.append((image, end, end - begin, following[2] - following[1]))
    return Outline(
        len(turns),
        apart,
        tuple(often),
        tuple((*piece, many) for piece, many in pieces.items()),
        tuple(moved.items()),
        transfers,
        tuple((image, end - begin) for image, begin, end in turns[-1].stores),
        tuple(lead),
        ring_rows(shape, turns, way),
    )


def cuts(operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], chip: Chip) -> tuple[Cut, ...]:
    """All ways to cut a stretch that are tried, whatever room there is."""
    found: list[Cut] = []
    made = {operation.y.name for operation in operations[stretch.first : stretch.end]}
    height = operations[stretch.end - 1].y.height
    counts = sorted({-(-height // -(-height // n)) for n in (*range(1, 9), 10, 12, 14, 16, 19, 28, 38, 56, 112)})
    works = [_work(operation, chip) for operation in operations[stretch.first : stretch.end]]
    for strips in strip_counts(operations, stretch):
        if strips > 1 and any(cut.ahead == 2 and 2 * cut.banks <= chip.scratchpad_banks for cut in found):
            break
        narrow = narrowed(operations, stretch, images, strips)
        shape, names = shape_of(operations, stretch, narrow, chip)
        small = reduced(shape)
        tally = _Tally(operations, stretch, narrow, shape, names, strips, works, chip)
        rings = [narrow[names[image]] for image in shape.rings]
        banks: dict[tuple[int, int], int] = {}
        for count in counts:
            if count > height:
                break
            for way in _ways(operations, stretch, narrow, strips, count, chip):
                sums = outline(small, way)
                cut: Cut | None = None
                for ahead, rows in zip(AHEAD, sums.rings, strict=True):
                    needed = 0
                    for place in enumerate(rows):
                        if place not in banks:
                            banks[place] = ring_layout(rings[place[0]], place[1], stretch, made, chip).banks
                        needed += banks[place]
                    if needed < chip.scratchpad_banks:
                        cut = cut or tally.cut(way, sums)
                        held = {image.name: many for image, many in zip(rings, rows, strict=True)}
                        found.append(replace(cut, ahead=ahead, rows=held, banks=needed))
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


def _work(operation: Operation, chip: Chip) -> Work:
    """The weights of an operation, used once."""
    if operation.parameters is None:
        return Work(1, 0, 0, 0, False)
    part, count = whole_part(operation, chip), groups(operation, chip)
    words = chunk_words(operation, chip, part, 1, True)
    same = alike(operation, chip)
    each = weight_words(operation, chip, part, True)
    return Work(1, count, words, each if same else each * count, same)


class _Tally:
    """What the turns of a stretch compute and move on a chip."""

    def __init__(
        self,
        operations: Sequence[Operation],
        stretch: Stretch,
        images: Mapping[str, Image],
        shape: Shape,
        names: Sequence[str],
        strips: int,
        works: Sequence[Work],
        chip: Chip,
    ) -> None:
        self.part, self.shape, self.strips, self.works = operations[stretch.first : stretch.end], shape, strips, works
        self.images, self.chip = images, chip
        self.traffic = [row_traffic(chip, images[name]) for name in names]
        self.slow = _slow_rows(operations, stretch, chip)
        # Of rows of an operation the cycles of all groups: most turns of an operation are alike.
        self.cycles: dict[tuple[int, int], int] = {}

    def cut(self, way: Way, sums: Outline) -> Cut:
        """A cut without rings."""
        compute = sum(many * self.rows_cycles(index, rows) for index, rows, many in sums.pieces)
        if sums.turns > 1:
            compute += sums.apart * WOVEN_CYCLES + (sums.turns - sums.apart) * SERIAL_CYCLES
        if way.woven:
            compute += compute // WOVEN_PART
        moved = sum(self.traffic[image] * rows for image, rows in sums.moved)
        tail = sum(self.traffic[image] * rows for image, rows in sums.tail)
        # Where the stretch is slow there is nothing before, beside which the first rows could come.
        lead = 2 * self.lead(sums) if self.slow else sum(self.traffic[load[0]] * load[2] for load in sums.lead)
        works = tuple(
            Work(many * self.strips, work.groups, work.words, work.whole_words, work.alike)
            for work, many in zip(self.works, sums.often, strict=True)
        )
        numbers = compute * self.strips, moved * self.strips, lead, tail, sums.transfers * self.strips
        return Cut(self.strips, way, sums.turns, 0, {}, 0, *numbers, works)

    def rows_cycles(self, index: int, rows: int) -> int:
        """Cycles of so many rows of an operation."""
        found = self.cycles.get((index, rows))
        if found is None:
            operation = self.part[index]
            area = Rectangle(0, 0, rows, self.images[operation.y.name].width)
            found = groups(operation, self.chip) * group_cycles(operation, self.chip, area)
            self.cycles[index, rows] = found
        return found

    def lead(self, sums: Outline) -> int:
        """Bytes that are loaded before the first turn begins: its rows, and where the last of them shares a bank with
        the next, what brings those: it is loaded meanwhile, and the turn waits for both.
        """
        lead = 0
        for image, end, rows, following in sums.lead:
            lead += self.traffic[image] * rows
            if end * self.shape.words[image] % self.chip.bank_words:
                lead += self.traffic[image] * following
        return lead


def _slow_rows(operations: Sequence[Operation], stretch: Stretch, chip: Chip) -> bool:
    """Whether a stretch is the first, and waits for rows whose pixels take DRAM longer each than their bytes."""
    image = operations[stretch.first].x
    return stretch.first == 0 and row_traffic(chip, image) > row_words(image, chip) * chip.word_bytes
