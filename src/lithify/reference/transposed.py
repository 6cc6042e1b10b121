"""ConvTranspose: the exact int32 sums of a convolution run backwards, then one multiplication and one rounding."""

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.reference.arithmetic import centred, integer_matmul
from lithify.reference.definition import Array, Operand, Shape
from lithify.reference.graph import Node, Tensor
from lithify.reference.products import channel_results, check_operands, conv_window
from lithify.reference.window import as_image, check_sequence, of_rank


def weights_of_onnx(weights: Array, group: int) -> Array:
    """Weights of an ONNX ConvTranspose, [C, O / group, ...], in the order of ours and of Conv: [O, C / group, ...]."""
    channels, per_group, *kernel = weights.shape
    parts = weights.reshape(group, channels // group, per_group, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(parts.reshape(group * per_group, channels // group, *kernel))


def conv_transpose_shapes(node: Node, inputs: tuple[Tensor | None, ...]) -> tuple[Shape, ...]:
    """[N, C, H, W] and [O, C / group, kernel_h, kernel_w] -> [N, O, out_h, out_w]; or without the heights."""
    x, w, bias = inputs
    assert x is not None and w is not None
    kernel = check_operands(node, x, w, bias)
    window, extra = conv_window(node, kernel), node.attributes["output_padding"]
    check_sequence(node, len(x.shape), kernel, window.pads)
    if any(more >= max(pair) for more, *pair in zip(extra, window.strides, window.dilations, strict=True)):
        raise LithifyError(
            f"Node '{node.name}' (ConvTranspose) was given output_padding {extra} with strides {window.strides} and "
            f"dilations {window.dilations}; it must be smaller than the stride or the dilation of its dimension."
        )
    image = as_image(x.shape)
    places = tuple(
        stride * (size - 1) + span + more - before - after
        for stride, size, span, more, before, after in zip(
            window.strides, image[2:], window.span, extra, window.pads[:2], window.pads[2:], strict=True
        )
    )
    if min(places) < 1 or (len(x.shape) == 3 and places[0] != 1):
        raise LithifyError(
            f"Node '{node.name}' (ConvTranspose) makes an image of {places[0]}x{places[1]} of one of "
            f"{image[2]}x{image[3]} with pads {window.pads}; use smaller pads"
            + (", and no output_padding for the height of a sequence." if len(x.shape) == 3 else ".")
        )
    return (of_rank((image[0], w.shape[0], places[0], places[1]), len(x.shape)),)


def conv_transpose(node: Node, operands: tuple[Operand | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Array, ...]:
    """sum[o, i*stride - top + p*dilation] += (x[c, i] - zx) * w[o, c, p] for every i, c and p; then as Conv."""
    x, w, bias = operands
    assert x is not None and w is not None
    batch, _, height, width = as_image(x.data.shape)
    features, per_group, kernel_height, kernel_width = as_image(w.data.shape)
    group = node.attributes["group"]
    window = conv_window(node, (kernel_height, kernel_width))
    (down, right), (top, left, _, _) = window.strides, window.pads
    _, _, rows, columns = as_image(outputs[0].shape)
    image = centred(x.data, x.tensor.zero_point).astype(np.float32).reshape(batch, group, per_group, height * width)
    weights = w.data.astype(np.float32).reshape(group, features // group, per_group, kernel_height, kernel_width)
    # The whole sheet that the kernel is spread over; pads cut its edges, output_padding may reach beyond it.
    sheet: NDArray[np.int64] = np.zeros(
        (
            batch,
            features,
            max(down * (height - 1) + window.span[0], top + rows),
            max(right * (width - 1) + window.span[1], left + columns),
        ),
        np.int64,
    )
    for p in range(kernel_height):
        for q in range(kernel_width):
            products = integer_matmul(weights[..., p, q], image).reshape(batch, features, height, width)
            first_row, first_column = p * window.dilations[0], q * window.dilations[1]
            sheet[
                :,
                :,
                first_row : first_row + down * (height - 1) + 1 : down,
                first_column : first_column + right * (width - 1) + 1 : right,
            ] += products
    total = sheet[:, :, top : top + rows, left : left + columns].copy()
    return (channel_results(node, total, (x, w, bias), outputs[0]),)
