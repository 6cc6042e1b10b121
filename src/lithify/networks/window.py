"""Windows that sweep a map: how far they reach over its border, and how often they fit."""

from collections.abc import Sequence

Size = int | tuple[int, ...]
"""An extent of a window: the same along each axis, or one for each."""

Padding = int | tuple[int, ...] | None
"""Zeros around a map: None keeps the map as large as its stride allows, the odd zero at the end ("same" of TensorFlow);
an integer puts as many on each side; a tuple gives all begins, then all ends, as ONNX does."""


def each(size: Size, axes: int) -> tuple[int, ...]:
    """The extents along `axes` axes."""
    return (size,) * axes if isinstance(size, int) else size


def zeros(extents: Sequence[int], spans: Sequence[int], strides: Sequence[int], padding: Padding) -> tuple[int, ...]:
    """Zeros before each axis, then behind each."""
    if isinstance(padding, tuple):
        return padding
    if isinstance(padding, int):
        return (padding,) * (2 * len(extents))
    counts = [
        max(0, (-(-extent // stride) - 1) * stride + span - extent)
        for extent, span, stride in zip(extents, spans, strides, strict=True)
    ]
    return (*(count // 2 for count in counts), *(count - count // 2 for count in counts))


def places(
    extents: Sequence[int], spans: Sequence[int], strides: Sequence[int], pads: Sequence[int], ceil: bool = False
) -> tuple[int, ...]:
    """How often a window fits along each axis."""
    axes = len(extents)
    rooms = [extents[i] + pads[i] + pads[i + axes] - spans[i] for i in range(axes)]
    return tuple(
        (-(-room // stride) if ceil else room // stride) + 1 for room, stride in zip(rooms, strides, strict=True)
    )
