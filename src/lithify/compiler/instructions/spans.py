"""Stretches of DRAM, and which instruction touched one last."""

from collections import defaultdict
from collections.abc import Iterator

Span = tuple[int, int, int]
"""A stretch of DRAM: base, first byte, end."""

_PAGE = 1 << 14


class LastTouched:
    """Of stretches that were touched by instructions: which one touched a given stretch last."""

    def __init__(self) -> None:
        self._pages: dict[tuple[int, int], dict[Span, int]] = defaultdict(dict)

    def touch(self, span: Span, index: int) -> None:
        """An instruction touches the stretch; `index` is above all before."""
        for page in _pages(span):
            self._pages[page][span] = index

    def last(self, span: Span) -> int:
        """The last instruction that touched a byte of the stretch; -1 if there is none."""
        found = -1
        for page in _pages(span):
            if page in self._pages:
                for other, index in self._pages[page].items():
                    if index > found and span[1] < other[2] and other[1] < span[2]:
                        found = index
        return found


def _pages(span: Span) -> Iterator[tuple[int, int]]:
    for page in range(span[1] // _PAGE, (span[2] - 1) // _PAGE + 1):
        yield span[0], page
