"""Conv and Gemm: exact int32 sums of products, then one multiplication and one rounding to int8."""

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.arithmetic import accumulator, centred, integer_matmul, product_multiplier, requantize
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor
from lithify.reference.window import Window, as_image, check_sequence, of_rank


def conv_window(node: Node, kernel: tuple[int, int]) -> Window:
    """The window of a Conv whose weights have `kernel` = (height, width)."""
    attributes = node.attributes
    return Window(kernel, attributes["strides"], attributes["pads"], attributes["dilations"])


def conv_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[N, C, H, W] and [O, C / group, kernel_h, kernel_w] -> [N, O, out_h, out_w]; or without the heights."""
    x, w, bias = inputs
    assert x is not None and w is not None
    kernel = check_operands(node, x, w, bias)
    window = conv_window(node, kernel)
    check_sequence(node, len(x.shape), kernel, window.pads)
    batch, _, height, width = as_image(x.shape)
    return (of_rank((batch, w.shape[0], *window.output(node, height, width)), len(x.shape)),)


def check_operands(node: Node, x: Tensor, w: Tensor, bias: Tensor | None) -> tuple[int, int]:
    """The kernel's (height, width) of a Conv or ConvTranspose; raises LithifyError where shapes do not fit."""
    if len(x.shape) not in (3, 4) or len(w.shape) != len(x.shape):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given x of shape {x.shape} and w of shape {w.shape}; "
            "both must have 4 dimensions, NCHW and OIHW, or both 3, NCL and OIL."
        )
    group = node.attributes["group"]
    outputs, per_group = w.shape[:2]
    if x.shape[1] != per_group * group or outputs % group:
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given {x.shape[1]} channels, weights of shape {w.shape} and "
            f"group {group}; channels must be group x the weights' second dimension, and group must divide the first."
        )
    _check_bias(node, bias, outputs)
    height, width = as_image(w.shape)[2:]
    return height, width


def conv(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y = clip(rint(f32(f32(sum((x - zx) * w) + bias) * m)) + zy); the padding is the zero point of x."""
    x, w, bias = operands
    assert x is not None and w is not None
    group = node.attributes["group"]
    features, per_group, *kernel = as_image(w.data.shape)
    window = conv_window(node, (kernel[0], kernel[1]))
    # The zero point subtracted, padding with the zero point is padding with 0.
    image = centred(x.data, x.tensor.zero_point).astype(np.float32).reshape(as_image(x.data.shape))
    view = window.view(image, np.float32(0))
    batch, _, height, width = view.shape[:4]
    # [N, C, h, w, kh, kw] -> [N, group, C / group * kh * kw, h * w], terms in the order of the weights' I, H, W.
    columns = view.transpose(0, 1, 4, 5, 2, 3).reshape(batch, group, per_group * kernel[0] * kernel[1], height * width)
    weights = w.data.astype(np.float32).reshape(group, features // group, -1)
    total = integer_matmul(weights, columns).reshape(batch, features, height, width)
    return (channel_results(node, total, (x, w, bias), outputs[0]),)


def channel_results(
    node: Node, total: NDArray[np.int64], operands: tuple[Operand, Operand, Operand | None], y: Tensor
) -> NDArray[np.int8]:
    """From the sums [N, O, H, W] of a Conv or ConvTranspose to its int8 result, of the shape of y."""
    x, w, bias = operands
    multiplier = product_multiplier(x.tensor, w.tensor, y).reshape(-1, 1, 1)
    if bias is not None:
        total += bias.data.astype(np.int64).reshape(-1, 1, 1)
    limits = node.attributes["minimum"], node.attributes["maximum"]
    return requantize(accumulator(node.name, total), multiplier, y, *limits).reshape(y.shape)


def gemm_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[..., K] and [N, K] -> [..., N]."""
    x, w, bias = inputs
    assert x is not None and w is not None
    if len(x.shape) < 1 or len(w.shape) != 2 or x.shape[-1] != w.shape[1]:
        raise LithifyError(
            f"Node '{node.name}' (Gemm) was given x of shape {x.shape} and w of shape {w.shape}; "
            "w must be [N, K] with K the last dimension of x."
        )
    _check_bias(node, bias, w.shape[0])
    return ((*x.shape[:-1], w.shape[0]),)


def gemm(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """y[m, n] = clip(rint(f32(f32(sum_k((x[m, k] - zx) * w[n, k]) + bias[n]) * m[n])) + zy)."""
    x, w, bias = operands
    assert x is not None and w is not None
    rows = centred(x.data, x.tensor.zero_point).astype(np.float32).reshape(-1, x.data.shape[-1])
    total = integer_matmul(rows, w.data.astype(np.float32).T).reshape(*x.data.shape[:-1], w.data.shape[0])
    multiplier = product_multiplier(x.tensor, w.tensor, outputs[0])
    if bias is not None:
        total += bias.data.astype(np.int64)
    limits = node.attributes["minimum"], node.attributes["maximum"]
    return (requantize(accumulator(node.name, total), multiplier, outputs[0], *limits),)


def _check_bias(node: Node, bias: Tensor | None, outputs: int) -> None:
    if bias is not None and bias.shape != (outputs,):
        raise LithifyError(
            f"Node '{node.name}' ({node.operator}) was given a bias of shape {bias.shape}; it must be ({outputs},), "
            "one entry per output channel."
        )
