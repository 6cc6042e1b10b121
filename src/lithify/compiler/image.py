"""Images as the chip sees them: height x width x channels, rectangles of them, and how they lie in DRAM."""

import math
from dataclasses import dataclass

from lithify.isa.program import Base


@dataclass(frozen=True)
class Image:
    """An int8 tensor as the chip handles it; `name` is the tensor's, or tells of what it is made (packed rows).

    spread: if its rows lie in different banks while it is on the chip (`planning/spread.py`), over how many rows its
    readers step at once; else 0. overlapping: that its pixels share bytes in DRAM, so that each is loaded by itself.
    """

    name: str
    height: int
    width: int
    channels: int
    spread: int = 0
    overlapping: bool = False

    def pixel_words(self, word_bytes: int) -> int:
        """Scratchpad words of one pixel: all channels, padded to whole words."""
        return -(-self.channels // word_bytes)

    @property
    def whole(self) -> "Rectangle":
        """The rectangle that is all of it."""
        return Rectangle(0, 0, self.height, self.width)


@dataclass(frozen=True)
class Rectangle:
    """Rows y to y + height - 1, columns x to x + width - 1."""

    y: int
    x: int
    height: int
    width: int

    @property
    def positions(self) -> int:
        """How many pixels it holds."""
        return self.height * self.width

    def pieces(self, rows: int, columns: int) -> tuple["Rectangle", ...]:
        """The rectangle cut into pieces of at most rows x columns, in raster order."""
        return tuple(
            Rectangle(self.y + y, self.x + x, min(rows, self.height - y), min(columns, self.width - x))
            for y in range(0, self.height, rows)
            for x in range(0, self.width, columns)
        )


@dataclass(frozen=True)
class DramImage:
    """Where an image lies in DRAM.

    row_stride, pixel_stride: bytes from row to row and from pixel to pixel. pixel_bytes: bytes of a pixel that are
    read, which may overlap with the next pixel's (packed rows). fill: what completes a pixel's last word in the
    scratchpad. apart: whether every pixel is a row of its transfer, for where they lie is known only at a launch, and
    with it where a longer row would be cut into bursts.
    """

    base: Base
    offset: int
    row_stride: int
    pixel_stride: int
    pixel_bytes: int
    fill: int = 0
    apart: bool = False


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(height, width, channels) of a tensor, as `Placement` defines: several images lie one under the other."""
    if len(shape) == 4:
        return shape[0] * shape[2], shape[3], shape[1]
    return 1, math.prod(shape[:-1]), shape[-1] if shape else 1
