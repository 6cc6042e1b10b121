"""Bands: consecutive operations run together, some rows at a time, and what lies between them never leaves the chip.

The last operation is driven band by band; each of its bands pulls just the rows that it needs through the operations
before it. Every image that is not resident is held in a ring of rows, as many as the order of work needs: nothing is
computed twice. A single operation is a stretch of length one. Where rows are too long for that, the columns are cut
in strips too, and the bands of one strip come before those of the next.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.compiler.cost import dram_cycles, group_cycles, row_traffic, side_by_side
from lithify.compiler.image import Image, Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.spread import Layout, layout, row_words
from lithify.compiler.weights import alike, chunk_banks, chunk_words, groups, table_words, weight_words, whole_part

SERIAL_CYCLES = 60
"""An instruction that reads what the one before wrote waits about so long: the pipelines drain and fill."""
WOVEN_CYCLES = 20
"""What is left of that where other instructions come between."""
WOVEN_PART = 100
"""By one part in so many turns that are mixed take longer: their transfers wait for more than one band (found by
trying).
"""
LEAD_CYCLES = 150
"""DRAM's latency and the tokens before the first results of a stretch."""
COMPUTE_BYTES, TRANSFER_BYTES = 96, 32
"""What instructions take of DRAM's bandwidth."""
CHUNKS = (4, 8, 16)
"""Chunks that the ring of weights should hold at least, so that some are loaded while one is used; the more there are
the more can stay where not all do.
"""
AHEAD = (2, 1, 0)
"""Turns before whose rows may stay, so that transfers run beside the computation."""
STREAMING = 3
"""Chunks of which room is left where not all weights can stay."""

OVERTAKEN = 2
"""Turns that another one may overtake."""

ROWS_OF_BANKS, MANY_ROWS = 4, 8
"""Rows that together fill banks are kept together if they are at most so many: as a rule, and where it pays."""


@dataclass(frozen=True)
class Turn:
    """Rows `first` to before `end` of the results of an operation, with the rows (image, first, end) to load before
    and to store after: those that nothing will read any more, or share a bank with what is read.
    """

    operation: int
    first: int
    end: int
    loads: tuple[tuple[str, int, int], ...]
    stores: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Stretch:
    """What runs together. operations: of the segment, numbers `first` to before `end`.

    resident: images that lie in the scratchpad whole; stored: results that must get to DRAM.
    """

    first: int
    end: int
    resident: frozenset[str]
    stored: frozenset[str]


@dataclass(frozen=True)
class Way:
    """How the rows of a stretch are gone through: in about `count` bands. whole_banks: rows are loaded in such numbers
    that fill banks, where so many do. small_first: the first operation begins with what few rows of its input give.
    woven: turns of neighbouring bands are mixed, so that none reads what the one just before made.
    """

    count: int
    whole_banks: int = ROWS_OF_BANKS
    small_first: bool = False
    woven: bool = False


@dataclass(frozen=True)
class Bands:
    """A stretch and how it is cut.

    strips: into which the columns are cut. turns: the order of work, in each. rows: rows that the ring of each image
    that is not resident holds. chunk_groups: groups whose weights are loaded together, for each operation.
    ring_banks: upper banks for weights. weights_stay: whether each weight is loaded once. slots: first banks of the
    rings. cycles: the estimate.
    """

    stretch: Stretch
    strips: int
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


def aligned_rows(image: Image, most: int, chip: Chip) -> int:
    """Rows after which a row begins at a bank again; 1 where those are more than `most`."""
    count = chip.bank_words // math.gcd(row_words(image, chip), chip.bank_words)
    return count if count <= most else 1


def plan_turns(
    operations: Sequence[Operation], stretch: Stretch, images: Mapping[str, Image], way: Way, chip: Chip
) -> tuple[Turn, ...]:
    """The order of work with about `way.count` bands."""
    count = way.count
    made = {operations[index].y.name: index for index in range(stretch.first, stretch.end)}
    inner = {name for index in range(stretch.first, stretch.end) for name in operations[index].reads}
    ends = [index for name, index in made.items() if name not in inner]
    done = dict.fromkeys(made.values(), 0)
    loaded: dict[str, int] = {}
    saved = dict.fromkeys(stretch.stored, 0)
    readers: dict[str, list[int]] = {name: [] for name in stretch.stored}
    for index in range(stretch.first, stretch.end):
        for name in operations[index].reads:
            readers.setdefault(name, []).append(index)
    turns: list[Turn] = []
    steps: dict[str, int] = {}

    def step_of(name: str) -> int:
        if name not in steps:
            steps[name] = aligned_rows(images[name], way.whole_banks, chip)
        return steps[name]

    def pull(index: int, target: int) -> None:
        if done[index] >= target:
            return
        operation = operations[index]
        loads: list[tuple[str, int, int]] = []
        for name in operation.reads:
            if name in made:
                pull(made[name], needed_end(operation, name, target))
        for name in operation.reads:
            end = needed_end(operation, name, target)
            if name not in made and name not in stretch.resident and loaded.get(name, 0) < end:
                step = step_of(name)
                end = min(images[name].height, -(-end // step) * step)
                # Rows that a stride steps over before the first that is needed are never loaded.
                first = min(needed_first(operations[reader], name, done[reader]) for reader in readers[name])
                begin = loaded.get(name, first)
                loads.append((name, begin, end))
                loaded[name] = end
        before, done[index] = done[index], target
        stores: list[tuple[str, int, int]] = []
        for name in (operation.y.name, *operation.reads):
            if name in saved:
                image = images[name]
                needed = [needed_first(operations[reader], name, done[reader]) for reader in readers[name]]
                end = storable(image, min([done[made[name]], *needed]), chip)
                if end > saved[name]:
                    stores.append((name, saved[name], end))
                    saved[name] = end
        turns.append(Turn(index, before, target, tuple(loads), tuple(stores)))

    if way.small_first:
        for rows in _first_rows(operations[stretch.first], way, chip):
            pull(stretch.first, rows)
    for band in range(count):
        for index in ends:
            image = operations[index].y
            height = -(-image.height // count)
            step = aligned_rows(image, ROWS_OF_BANKS, chip)
            if height >= step and count > 1:
                height = -(-height // step) * step
            pull(index, min(image.height, (band + 1) * height))
    # Rows that a stride steps over are results like all others.
    for index in done:
        pull(index, operations[index].y.height)
    return woven(operations, turns) if way.woven else tuple(turns)


def woven(operations: Sequence[Operation], turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns in an order in which, where it can be, none reads what the one before made: the next that needs neither
    that nor one that is still to come goes first. What was written before is there by then.
    """
    waiting, ordered = list(turns), list(turns[:0])
    while waiting:
        chosen = 0
        if ordered and _reads(operations, waiting[0], ordered[-1]):
            for place in range(1, min(len(waiting), OVERTAKEN + 1)):
                turn = waiting[place]
                if _reads(operations, turn, ordered[-1]):
                    continue
                if not any(_depends(operations, turn, other) for other in waiting[:place]):
                    chosen = place
                    break
        ordered.append(waiting.pop(chosen))
    return tuple(ordered)


def _reads(operations: Sequence[Operation], turn: Turn, other: Turn) -> bool:
    """Whether a turn reads the image that another one makes."""
    return operations[other.operation].y.name in operations[turn.operation].reads


def _depends(operations: Sequence[Operation], turn: Turn, other: Turn) -> bool:
    """Whether a turn must come after an earlier one: it reads what that makes or loads, or is of the same operation."""
    reads = operations[turn.operation].reads
    loaded = any(name in reads for name, _, _ in other.loads)
    stored = {name for name, _, _ in (*turn.stores, *other.stores)}
    touched = {*reads, operations[turn.operation].y.name, *(name for name, _, _ in turn.stores)}
    clash = bool(stored & touched) and any(name in touched for name, _, _ in other.stores)
    return turn.operation == other.operation or loaded or clash or _reads(operations, turn, other)


def _first_rows(operation: Operation, way: Way, chip: Chip) -> list[int]:
    """Rows of results that the first rows of the input give which fill banks, and twice as many; at least one."""
    step = max(needed_end(operation, operation.x.name, 1), aligned_rows(operation.x, way.whole_banks, chip))
    needed = [needed_end(operation, operation.x.name, rows) for rows in range(1, operation.y.height + 1)]
    return [max(1, sum(end <= step * times for end in needed)) for times in (1, 2)]


def storable(image: Image, rows: int, chip: Chip) -> int:
    """Of the first `rows` rows those that share no bank with the next, which is written while they are stored."""
    if rows >= image.height:
        return image.height
    each = row_words(image, chip)
    return rows * each // chip.bank_words * chip.bank_words // each


def needed_end(operation: Operation, name: str, rows: int) -> int:
    """Rows of the image `name` that the first `rows` rows of results need."""
    if name != operation.x.name:
        return rows
    sliding = operation.sliding
    last = (rows - 1) * sliding.strides[0] - sliding.pads[0] + (sliding.kernel[0] - 1) * sliding.dilations[0]
    return max(1, min(operation.x.height, last + 1))


def needed_first(operation: Operation, name: str, row: int) -> int:
    """The first row of the image `name` that results from `row` on need; beyond the image where there are none."""
    if row >= operation.y.height:
        return 1 << 16
    if name != operation.x.name:
        return row
    return min(max(row * operation.sliding.strides[0] - operation.sliding.pads[0], 0), operation.x.height - 1)


def ring_rows(
    operations: Sequence[Operation],
    stretch: Stretch,
    images: Mapping[str, Image],
    turns: Sequence[Turn],
    aheads: Sequence[int],
    way: Way,
    chip: Chip,
) -> list[dict[str, int]]:
    """Rows that the ring of each image that is not resident must hold, for each of `aheads`.

    aheads: turns before that may still use their rows while others are loaded and stored.
    """
    indices = range(stretch.first, stretch.end)
    readers: dict[str, list[int]] = {}
    for index in indices:
        for name in operations[index].reads:
            readers.setdefault(name, []).append(index)
    made = {operations[index].y.name for index in indices}
    done = dict.fromkeys(indices, 0)
    least: dict[str, int] = {}
    for name in dict.fromkeys((*readers, *sorted(made))):
        if name in stretch.resident:
            continue
        reaches = [needed_end(operations[i], name, 1) for i in readers.get(name, []) if name == operations[i].x.name]
        spans = [operations[i].sliding for i in readers.get(name, []) if name == operations[i].x.name]
        span = max(((s.kernel[0] - 1) * s.dilations[0] + s.strides[0] for s in spans), default=1)
        least[name] = max(span + 1, 2, *reaches) if reaches else max(2, span + 1)
    held = [dict(least) for _ in aheads]
    # The oldest row of each image that is still to be read.
    oldest = {name: min(needed_first(operations[i], name, 0) for i in found) for name, found in readers.items()}
    # The oldest rows that the turns before the next still read or store, the latest last.
    kept: dict[str, list[int]] = {}

    def hold(name: str, first: int, end: int) -> None:
        before = kept.get(name, ())
        for rows, ahead in zip(held, aheads, strict=True):
            lowest = min((first, *before[-ahead:])) if ahead else first
            if end - lowest > rows[name]:
                rows[name] = end - lowest

    saved = dict.fromkeys(stretch.stored, 0)
    for turn in turns:
        operation = operations[turn.operation]
        read = [name for name in operation.reads if name not in stretch.resident]
        values = [oldest[name] for name in read]
        for name, begin, end in turn.loads:
            hold(name, min(oldest[name], begin), end)
        name = operation.y.name
        if name not in stretch.resident:
            hold(name, min(oldest.get(name, 1 << 16), turn.first, saved.get(name, turn.first)), turn.end)
        done[turn.operation] = turn.end
        for name in read:
            oldest[name] = min(needed_first(operations[i], name, done[i]) for i in readers[name])
        for name, begin, end in turn.stores:
            kept.setdefault(name, []).append(begin)
            saved[name] = end
        for name, value in zip(read, values, strict=True):
            if name not in made:
                kept.setdefault(name, []).append(value)
    return [_rounded(rows, stretch, images, made, ahead, way, chip) for rows, ahead in zip(held, aheads, strict=True)]


def _rounded(
    least: Mapping[str, int],
    stretch: Stretch,
    images: Mapping[str, Image],
    made: Collection[str],
    ahead: int,
    way: Way,
    chip: Chip,
) -> dict[str, int]:
    """Rows of rings that hold so many at least."""
    rows = {}
    for name, count in least.items():
        step = aligned_rows(images[name], ROWS_OF_BANKS if name in made else way.whole_banks, chip)
        # Where rows share banks, what is loaded or stored must not meet the other end of what is in use either.
        if step == 1 and ahead and (name in stretch.stored or name not in made):
            count += -(-chip.bank_words // row_words(images[name], chip))
        rounded = -(-count // step) * step
        rows[name] = min(rounded, images[name].height)
    return rows


def ring_layout(image: Image, rows: int, stretch: Stretch, made: Collection[str], chip: Chip) -> Layout:
    """The ring of an image in a stretch. made: images that the stretch makes."""
    dense = image.name in stretch.stored or image.name not in made
    return layout(image, rows, chip, dense)


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
            apart = way.woven and (before is None or not _reads(operations, turn, before))
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

    Its `slots` are not yet chosen.
    """
    best: Bands | None = None
    for cut in candidates:
        if free - cut.banks >= 1:
            bands = _with_weights(operations, stretch, cut, free - cut.banks, chip)
            if bands is not None and (best is None or bands.cycles < best.cycles):
                best = bands
    return best


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
    banded = len(cut.turns) > 1
    if not stay:
        compute += dram_cycles(chip, waits) * len(cut.turns) // (stretch.end - stretch.first)
    edges = dram_cycles(chip, cut.lead) // 2 + dram_cycles(chip, cut.tail) // 2 + LEAD_CYCLES
    if cut.ahead < 2 and banded:
        # What is moved is moved beside the greater part of the computation, or beside none of it.
        compute += dram_cycles(chip, moved) // (8 if cut.ahead else 1)
    cycles = side_by_side(compute, transferred) + edges
    return Bands(stretch, cut.strips, cut.turns, cut.rows, tuple(chunk_groups), room, stay, {}, cycles)
