"""Progressions: the places of one dimension as few arithmetic progressions, each of which one operation can walk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FARTHEST = 64
"""Places that two neighbours of a progression may lie apart."""


@dataclass(frozen=True)
class Progression:
    """Places first, first + step ..., `count` of them; the i-th is made from input index source + i * stride on.

    kind: what all of them have in common, numbers for whoever made them.
    """

    first: int
    step: int
    count: int
    source: int
    stride: int
    kind: tuple[int, ...]


Places = Mapping[int, tuple[int, tuple[int, ...]]]
"""For each place the first input index that it is made from, and its kind."""


def progressions(places: Places) -> tuple[Progression, ...]:
    """Every place in one progression of places of its kind whose sources do not fall; the longest are taken first."""
    left = dict(sorted(places.items()))
    found: list[Progression] = []
    while left:
        first = next(iter(left))
        source, kind = left[first]
        best = Progression(first, 1, 1, source, 1, kind)
        for made in _from(first, left):
            if made.count > best.count:
                best = made
        found.append(best)
        for place in range(best.first, best.first + best.step * best.count, best.step):
            del left[place]
    return tuple(found)


def _from(first: int, left: Places) -> Iterator[Progression]:
    """The longest progression of each step that begins at a place."""
    source, kind = left[first]
    for step in range(1, FARTHEST + 1):
        if first + step not in left:
            continue
        stride = left[first + step][0] - source
        if stride < 0:
            continue
        count = 1
        while left.get(first + step * count) == (source + stride * count, kind):
            count += 1
        if count > 1:
            yield Progression(first, step, count, source, stride, kind)
