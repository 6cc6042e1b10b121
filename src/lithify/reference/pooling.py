"""MaxPool, AveragePool and GlobalAveragePool over int8 images."""

import math

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.arithmetic import INT8_MAXIMUM, INT8_MINIMUM, accumulator, centred, finite, requantize, scale_of
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor
from lithify.reference.window import Window, as_image, check_sequence, of_rank


def pool_window(node: Node) -> Window:
    """The window of a MaxPool or AveragePool."""
    attributes = node.attributes
    return Window(
        attributes["kernel_shape"],
        attributes["strides"],
        attributes["pads"],
        attributes["dilations"],
        bool(attributes["ceil_mode"]),
    )


def pool_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[N, C, H, W] -> [N, C, out_h, out_w]; or [N, C, L] -> [N, C, out_l] under a window of height 1."""
    (x,) = inputs
    assert x is not None
    _check_image(node, x)
    window = pool_window(node)
    check_sequence(node, len(x.shape), window.kernel, window.pads)
    # A pad as wide as the kernel would let a window see nothing but padding, whose maximum or mean is not defined.
    if any(pad >= window.kernel[side % 2] for side, pad in enumerate(window.pads)):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given pads {window.pads} with a kernel of "
            f"{window.kernel[0]}x{window.kernel[1]}; every pad must be smaller than the kernel."
        )
    batch, channels, height, width = as_image(x.shape)
    places = window.output(node, height, width)
    if _on_image(window, x).min() == 0:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) has a window that sees only padding on an image of "
            f"{height}x{width}; use smaller dilations or pads."
        )
    return (of_rank((batch, channels, *places), len(x.shape)),)


def max_pool(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """The largest int8 under the window; the padding never wins."""
    (x,) = operands
    assert x is not None
    view = pool_window(node).view(x.data.reshape(as_image(x.data.shape)), np.int8(INT8_MINIMUM))
    return (view.max(axis=(4, 5)).reshape(outputs[0].shape),)


def average_pool(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(f32(sum(x - zx)) * f32(sx / f32(f32(n) * sy)))) + zy), n the taps counted at that place."""
    (x,) = operands
    assert x is not None
    window = pool_window(node)
    image = centred(x.data, x.tensor.zero_point).reshape(as_image(x.data.shape))
    total = window.view(image, np.int32(0)).sum(axis=(4, 5), dtype=np.int64)
    counted = counted_taps(node, x.tensor)
    return (mean(node, total, counted, x.tensor, outputs[0]).reshape(outputs[0].shape),)


def counted_taps(node: Node, x: Tensor) -> NDArray[np.int64]:
    """How many taps an AveragePool divides by at each place: [out_h, out_w].

    Without count_include_pad the taps on the image; with it also those on the padding that `pads` gives, but never
    those that hang over beyond it under ceil_mode.
    """
    window = pool_window(node)
    if not node.attributes["count_include_pad"]:
        return _on_image(window, x)
    top, left, bottom, right = window.pads
    height, width = as_image(x.shape)[2:]
    padded = np.ones((1, 1, height + top + bottom, width + left + right), dtype=np.int64)
    # The padding is on the image now. Without it ceil_mode may count a place too many: one that starts in the padding.
    unpadded = Window(window.kernel, window.strides, (0, 0, 0, 0), window.dilations, window.ceil_mode)
    rows, columns = window.output(node, height, width)
    counted: NDArray[np.int64] = unpadded.view(padded, 0).sum(axis=(4, 5))[0, 0, :rows, :columns]
    return counted


def _on_image(window: Window, x: Tensor) -> NDArray[np.int64]:
    ones = np.ones((1, 1, *as_image(x.shape)[2:]), dtype=np.int64)
    counted: NDArray[np.int64] = window.view(ones, 0).sum(axis=(4, 5))[0, 0]
    return counted


def global_average_pool_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[N, C, H, W] -> [N, C, 1, 1], or [N, C, L] -> [N, C, 1]."""
    (x,) = inputs
    assert x is not None
    _check_image(node, x)
    return ((*x.shape[:2], *(1 for _ in x.shape[2:])),)


def global_average_pool(
    node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]
) -> tuple[Array, ...]:
    """AveragePool over the whole image: n = H * W."""
    (x,) = operands
    assert x is not None
    total = centred(x.data, x.tensor.zero_point).sum(axis=tuple(range(2, x.data.ndim)), keepdims=True, dtype=np.int64)
    counted = np.array(math.prod(x.data.shape[2:]), dtype=np.int64)
    return (mean(node, total, counted, x.tensor, outputs[0]),)


def mean_multiplier(counted: NDArray[np.int64], x: Tensor, y: Tensor) -> NDArray[np.float32]:
    """m = f32(x_scale / f32(f32(n) * y_scale)), for every n of `counted`."""
    with np.errstate(over="ignore", divide="ignore"):
        divisor = np.multiply(counted.astype(np.float32), scale_of(y))
        return finite(np.divide(scale_of(x), divisor), y)


def mean(node: Node, total: NDArray[np.int64], counted: NDArray[np.int64], x: Tensor, y: Tensor) -> NDArray[np.int8]:
    """clip(rint(f32(f32(total) * m)) + zy) with the multiplier of `counted`, which broadcasts against `total`."""
    multiplier = mean_multiplier(counted, x, y)
    return requantize(accumulator(node.name, total), multiplier, y, INT8_MINIMUM, INT8_MAXIMUM)


def _check_image(node: Node, x: Tensor) -> None:
    if len(x.shape) not in (3, 4):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given x of shape {x.shape}; it must have 4 dimensions, NCHW, "
            "or 3, NCL."
        )
