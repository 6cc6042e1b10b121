"""Where a tensor lies on several chips: whole on every one of them, or in pieces along one of its axes."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

Region = tuple[tuple[int, int], ...]
"""First and end along each axis."""


@dataclass(frozen=True, order=True)
class Layout:
    """axis: along which the tensor is cut, -1: not at all, every chip has the whole. bounds: chip i holds what lies
    from bounds[i] to bounds[i + 1] of that axis, at least one entry.
    """

    axis: int = -1
    bounds: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every chip has all of it."""
        return self.axis < 0

    @property
    def shares(self) -> tuple[int, ...]:
        """Entries of the axis on each chip."""
        return tuple(end - first for first, end in pairwise(self.bounds))

    def region(self, shape: tuple[int, ...], chip: int) -> Region:
        """What a chip holds of a tensor of this shape."""
        full = [(0, size) for size in shape]
        if not self.whole:
            full[self.axis] = self.bounds[chip], self.bounds[chip + 1]
        return tuple(full)

    def shape(self, shape: tuple[int, ...], chip: int) -> tuple[int, ...]:
        """The shape of what a chip holds."""
        return tuple(end - first for first, end in self.region(shape, chip))

    def piece(self, data: NDArray[Any], chip: int) -> NDArray[Any]:
        """What a chip holds of a whole tensor."""
        return data[tuple(slice(*span) for span in self.region(data.shape, chip))]

    def scaled(self, axis: int, times: int, over: int = 1) -> "Layout | None":
        """Along `axis`, with bounds times / over as large; None where these are no integers."""
        if any(bound * times % over for bound in self.bounds):
            return None
        return Layout(axis, tuple(bound * times // over for bound in self.bounds))


WHOLE = Layout()


def even(size: int, axis: int, chips: int, unit: int = 1) -> Layout | None:
    """An axis of `size` entries cut for `chips` as evenly as whole units allow, or single entries where there are too
    few units; None where there are fewer entries than chips.
    """
    if size < chips:
        return None
    units = size // unit
    if units < chips:
        unit, units = 1, size
    bounds = [number * units // chips * unit for number in range(chips)]
    return Layout(axis, (*bounds, size))
