"""Which shapes lie near a place on the die."""

import math
from collections.abc import Iterator

from lithify.silicon.route.lef import Box

SIDE = 5000
"""Side of the squares that shapes are filed in, nanometres."""

Entry = tuple[Box, str, bool]
"""A box, its net, and whether it stays where it is (the stub of a pin)."""


class Space:
    """The shapes of a layout, by layer and place."""

    def __init__(self) -> None:
        self._squares: dict[tuple[str, int, int], list[Entry]] = {}
        self._of: dict[str, list[tuple[str, Entry]]] = {}

    def add(self, layer: str, box: Box, net: str, fixed: bool) -> None:
        """File a shape."""
        entry = (box, net, fixed)
        self._of.setdefault(net, []).append((layer, entry))
        for square in _squares(layer, box):
            self._squares.setdefault(square, []).append(entry)

    def remove(self, net: str) -> None:
        """Take out the shapes of a net that do not stay."""
        kept = []
        for layer, entry in self._of.get(net, ()):
            if entry[2]:
                kept.append((layer, entry))
                continue
            for square in _squares(layer, entry[0]):
                self._squares[square].remove(entry)
        self._of[net] = kept

    def near(self, layer: str, box: Box, distance: int, net: str) -> Iterator[Entry]:
        """Shapes of other nets nearer to a box than a distance, corner to corner too; one may come more than once."""
        left, bottom, right, top = box
        reach = (left - distance, bottom - distance, right + distance, top + distance)
        for square in _squares(layer, reach):
            for entry in self._squares.get(square, ()):
                if entry[1] == net:
                    continue
                other = entry[0]
                across = max(other[0] - right, left - other[2], 0)
                along = max(other[1] - top, bottom - other[3], 0)
                if across < distance and along < distance and math.hypot(across, along) < distance:
                    yield entry


def _squares(layer: str, box: Box) -> Iterator[tuple[str, int, int]]:
    for column in range(box[0] // SIDE, box[2] // SIDE + 1):
        for row in range(box[1] // SIDE, box[3] // SIDE + 1):
            yield layer, column, row
