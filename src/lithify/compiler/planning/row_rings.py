"""Rings of rows: how many rows of each image of a stretch stay, and where its banks begin."""

from collections.abc import Collection, Sequence

from lithify.chip import Chip
from lithify.compiler.image import Image
from lithify.compiler.planning.spread import Layout, layout
from lithify.compiler.planning.stretch import (
    BEYOND,
    ROWS_OF_BANKS,
    Numbered,
    Shape,
    Stretch,
    Way,
    aligned,
    needed_ends,
    readers_of,
)

AHEAD = (2, 1, 0)
"""Turns before whose rows may stay, so that transfers run beside the computation."""

NEVER = 1 << 30
"""In place of the oldest row of a turn that was not."""


def ring_rows(shape: Shape, turns: Sequence[Numbered], way: Way) -> tuple[tuple[int, ...], ...]:
    """Rows that the ring of each of the shape's `rings` must hold, for each of AHEAD: turns before that may still use
    their rows while others are loaded and stored.
    """
    resident, makes, reads = shape.resident, shape.makes, shape.reads
    readers = readers_of(shape)
    held = _least(shape)
    # With the rows that are kept for one turn more, and for two.
    one, two = list(held), list(held)
    # The oldest row of each image that is still to be read.
    oldest = [min((firsts[0] for _, firsts in found), default=BEYOND) for found in readers]
    # The oldest rows that the turn before the next still reads or stores, and the one before that.
    last, before = [NEVER] * len(oldest), [NEVER] * len(oldest)

    def hold(image: int, first: int, end: int) -> None:
        if end - first > held[image]:
            held[image] = end - first
        if last[image] < first:
            first = last[image]
        if end - first > one[image]:
            one[image] = end - first
        if before[image] < first:
            first = before[image]
        if end - first > two[image]:
            two[image] = end - first

    loaded = [True] * len(oldest)
    for image in makes:
        loaded[image] = False
    own = [[image for image in images if not resident[image]] for images in reads]
    done, saved = [0] * len(makes), [0] * len(oldest)
    for index, first, end, loads, stores in turns:
        values = [oldest[image] for image in own[index]]
        for image, begin, behind in loads:
            hold(image, min(oldest[image], begin), behind)
        made = makes[index]
        if not resident[made]:
            kept = saved[made] if shape.stored[made] else first
            hold(made, min(oldest[made], first, kept), end)
        done[index] = end
        for image in own[index]:
            found = readers[image]
            if len(found) == 1:  # as nearly always
                ((reader, firsts),) = found
                oldest[image] = firsts[done[reader]]
            else:
                oldest[image] = min([firsts[done[reader]] for reader, firsts in found])
        for image, begin, behind in stores:
            before[image], last[image] = last[image], begin
            saved[image] = behind
        for image, value in zip(own[index], values, strict=True):
            if loaded[image]:
                before[image], last[image] = last[image], value
    return tuple(_rounded(shape, rows, loaded, ahead, way) for rows, ahead in zip((two, one, held), AHEAD, strict=True))


def _least(shape: Shape) -> list[int]:
    """Rows of each image's ring whatever the turns."""
    least = [2] * len(shape.heights)
    for own, window in zip(shape.reads, shape.windows, strict=True):
        span = (window.kernel - 1) * window.dilation + window.stride
        least[own[0]] = max(least[own[0]], span + 1, needed_ends(window)[1])
    return least


def _rounded(shape: Shape, least: Sequence[int], loaded: Sequence[bool], ahead: int, way: Way) -> tuple[int, ...]:
    """Rows of rings that hold so many at least."""
    rows = []
    for image in shape.rings:
        count, words = least[image], shape.words[image]
        step = aligned(words, way.whole_banks if loaded[image] else ROWS_OF_BANKS, shape.bank_words)
        # Where rows share banks, what is loaded or stored must not meet the other end of what is in use either.
        if step == 1 and ahead and (shape.stored[image] or loaded[image]):
            count += -(-shape.bank_words // words)
        rows.append(min(-(-count // step) * step, shape.heights[image]))
    return tuple(rows)


def ring_layout(image: Image, rows: int, stretch: Stretch, made: Collection[str], chip: Chip) -> Layout:
    """The ring of an image in a stretch. made: images that the stretch makes."""
    dense = image.name in stretch.stored or image.name not in made
    return layout(image, rows, chip, dense)
