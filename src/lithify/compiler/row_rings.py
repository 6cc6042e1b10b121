"""Rings of rows: how many rows of each image of a stretch stay, and where its banks begin."""

from collections.abc import Collection, Mapping, Sequence

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.operation import Operation
from lithify.compiler.spread import Layout, layout, row_words
from lithify.compiler.stretch import ROWS_OF_BANKS, Stretch, Turn, Way, aligned_rows, needed_end, needed_first


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
