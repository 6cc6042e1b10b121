"""Windows that slide over an image: their shapes, and the values under each, for convolution and pooling."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.graph import Node


def as_image(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A sequence [N, C, L] is the image [N, C, 1, L]; an image is itself."""
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else shape


def of_rank(shape: tuple[int, int, int, int], rank: int) -> tuple[int, ...]:
    """The shape of an image again as that of a sequence where `rank` is 3."""
    return (*shape[:2], shape[3]) if rank == 3 else shape


def check_sequence(node: Node, rank: int, kernel: tuple[int, int], pads: tuple[int, int, int, int]) -> None:
    """Raises LithifyError where the window of a sequence, an image of height 1, reaches over more than its one row."""
    if rank == 3 and (kernel[0], pads[0], pads[2]) != (1, 0, 0):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) slides a window of height {kernel[0]} with pads {pads} over a "
            "sequence; a sequence is an image of height 1, so the window's height must be 1 and the pads above and "
            "below must be 0."
        )


@dataclass(frozen=True)
class Window:
    """A window of `kernel` = (height, width) taps.

    strides, dilations: (vertical, horizontal); pads: (top, left, bottom, right).
    ceil_mode: whether a last window that hangs over the padded edge still counts.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    ceil_mode: bool = False

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last, inclusive."""
        return (
            self.dilations[0] * (self.kernel[0] - 1) + 1,
            self.dilations[1] * (self.kernel[1] - 1) + 1,
        )

    def output(self, node: Node, height: int, width: int) -> tuple[int, int]:
        """Number of places of the window over an image; raises LithifyError if there is none."""
        places = tuple(self._places(size, axis) for axis, size in enumerate((height, width)))
        if min(places) < 1:
            raise LithifyError(
                f"Node '{node.name}' ({node.operator}) slides a window of {self.span[0]}x{self.span[1]} over an image "
                f"of {height}x{width} with pads {self.pads}; the padded image must be at least as large as the window."
            )
        return places[0], places[1]

    def _places(self, size: int, axis: int) -> int:
        before, after = self.pads[axis], self.pads[axis + 2]
        free = size + before + after - self.span[axis]
        if free < 0:
            return 0
        if not self.ceil_mode:
            return free // self.strides[axis] + 1
        places = -(-free // self.strides[axis]) + 1
        # A window that would start in the padding after the image sees no data and does not count (ONNX).
        return places - 1 if (places - 1) * self.strides[axis] >= size + before else places

    def view(self, data: NDArray[Any], fill: Any) -> NDArray[Any]:
        """The values under the window: [N, C, H, W] -> a view [N, C, out_h, out_w, kernel_h, kernel_w].

        fill stands in the padding, and beyond it where ceil_mode lets the last window hang over.
        """
        height, width = data.shape[2:]
        places = self._places(height, 0), self._places(width, 1)
        margins = []
        for axis, size in enumerate((height, width)):
            reach = (places[axis] - 1) * self.strides[axis] + self.span[axis]
            before = self.pads[axis]
            margins.append((before, max(self.pads[axis + 2], reach - size - before)))
        if any(any(margin) for margin in margins):
            data = np.pad(data, ((0, 0), (0, 0), *margins), constant_values=fill)
        every = sliding_window_view(data, self.span, axis=(2, 3))
        chosen = every[:, :, :: self.strides[0], :: self.strides[1], :: self.dilations[0], :: self.dilations[1]]
        return chosen[:, :, : places[0], : places[1]]
