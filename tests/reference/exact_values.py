"""What a layer would give in real numbers, before its rounding to int8: float64, by other ways than the reference."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lithify.reference.graph import Graph, Tensor
from lithify.reference.pooling import counted_taps, pool_window
from lithify.reference.window import as_image

from .judge import Array

Real = NDArray[np.float64]
# Value, what float32 may have lost of ours, and what of ONNX Runtime's.
Exact = tuple[Real, Real, Real]


def _scale(tensor: Tensor) -> float:
    return float(np.asarray(tensor.scale))


def pair(graph: Graph, inputs: dict[str, Array]) -> Exact:
    """Add, Sub and Mul."""
    a, b = (graph.tensors[name] for name in graph.nodes[0].inputs)
    y_scale = _scale(graph.tensors["y"])
    x, z = (inputs[tensor.name].astype(np.float64) - tensor.zero_point for tensor in (a, b))
    if graph.nodes[0].operator == "Mul":
        value = x * z * (_scale(a) * _scale(b) / y_scale)
        return value, 2.0**-22 * np.abs(value), 2.0**-20 * np.abs(value) + 2.0**-15
    first, second = x * (_scale(a) / y_scale), z * (_scale(b) / y_scale)
    value = first + second if graph.nodes[0].operator == "Add" else first - second
    # ONNX Runtime multiplies before it subtracts the zero points, so its error is that of terms of any size.
    theirs = 2.0**-21 * (256 * (_scale(a) + _scale(b)) / y_scale + 256)
    return value, 2.0**-22 * (np.abs(first) + np.abs(second)), np.full(value.shape, theirs)


def average_pool(graph: Graph, inputs: dict[str, Array]) -> Exact:
    """The mean of the taps counted; ONNX Runtime adds dequantised floats one by one."""
    x, y = graph.tensors["x"], graph.tensors["y"]
    ratio = _scale(x) / _scale(y)
    window = pool_window(graph.nodes[0])
    image = inputs["x"].astype(np.int64).reshape(as_image(x.shape)) - x.zero_point
    total = window.view(image, 0).sum(axis=(4, 5))
    value = (total * ratio / counted_taps(graph.nodes[0], x)).reshape(y.shape)
    taps = window.kernel[0] * window.kernel[1]
    return value, 2.0**-22 * np.abs(value), np.full(value.shape, 2.0**-22 * (taps * 255 * ratio + 256))


def reduction(graph: Graph, inputs: dict[str, Array]) -> Exact:
    """ReduceMean and ReduceSum."""
    x, (node,) = graph.tensors["x"], graph.nodes
    axes = node.attributes["axes"]
    taken = math.prod(x.shape[axis] for axis in axes)
    total = (inputs["x"].astype(np.float64) - x.zero_point).sum(axis=axes, keepdims=bool(node.attributes["keepdims"]))
    ratio = _scale(x) / _scale(graph.tensors["y"])
    value = np.asarray(total * ratio / (taken if node.operator == "ReduceMean" else 1))
    theirs = 2.0**-22 * (taken * 255 * ratio + 256)
    return value, 2.0**-22 * np.abs(value), np.full(value.shape, theirs)


def conv_transpose(graph: Graph, inputs: dict[str, Array]) -> Exact:
    """A convolution with the kernel turned round, over the image with zeros between its pixels."""
    (node,) = graph.nodes
    x, w, y = (graph.tensors[name] for name in ("x", "w", "y"))
    attributes, (batch, channels, height, width) = node.attributes, as_image(x.shape)
    (down, right), (deep, wide) = attributes["strides"], attributes["dilations"]
    weights = graph.constants["w"].astype(np.float64).reshape(as_image(w.shape))
    rows, columns = deep * (weights.shape[2] - 1), wide * (weights.shape[3] - 1)
    extra, pads = attributes["output_padding"], attributes["pads"]
    sides = down * (height - 1) + 1 + 2 * rows + extra[0], right * (width - 1) + 1 + 2 * columns + extra[1]
    sheet = np.zeros((batch, channels, *sides))
    centred = (inputs["x"].astype(np.float64) - x.zero_point).reshape(as_image(x.shape))
    sheet[:, :, rows : rows + down * height : down, columns : columns + right * width : right] = centred
    sheet = sheet[:, :, pads[0] : sheet.shape[2] - pads[2], pads[1] : sheet.shape[3] - pads[3]]
    view = sliding_window_view(sheet, (rows + 1, columns + 1), axis=(2, 3))[..., ::deep, ::wide]
    groups = view.reshape(batch, attributes["group"], -1, *view.shape[2:])
    turned = weights[:, :, ::-1, ::-1].reshape(attributes["group"], -1, *weights.shape[1:])
    total, size = (
        np.einsum("ngcijpq,gocpq->ngoij", part, kernel).reshape(batch, w.shape[0], *view.shape[2:4])
        for part, kernel in ((groups, turned), (np.abs(groups), np.abs(turned)))
    )
    bias = graph.constants["b"] if "b" in graph.constants else np.zeros(w.shape[0])
    total, size = total + bias.reshape(-1, 1, 1), size + np.abs(bias).reshape(-1, 1, 1)
    ratio = _scale(x) * np.broadcast_to(w.scale, w.shape[:1]).astype(np.float64).reshape(-1, 1, 1) / _scale(y)
    value = (total * ratio).reshape(y.shape)
    return value, 2.0**-21 * np.abs(value), 2.0**-19 * (size * ratio).reshape(y.shape)


def resize_linear(graph: Graph, inputs: dict[str, Array]) -> Exact:
    """Interpolation along the columns, then along the rows."""
    (node,) = graph.nodes
    x, y = graph.tensors["x"], graph.tensors["y"]
    image = (inputs["x"].astype(np.float64) - x.zero_point).reshape(as_image(x.shape))
    for axis, name in ((3, "column"), (2, "row")):
        weights = np.array(node.attributes[f"{name}_weights"]) / node.attributes[f"{name}_steps"]
        places, pixels = np.array(node.attributes[f"{name}s"]) + weights, np.arange(image.shape[axis])
        image = np.apply_along_axis(lambda line, at=places, along=pixels: np.interp(at, along, line), axis, image)
    value = image.reshape(y.shape) * (_scale(x) / _scale(y))
    # The coordinates of ONNX Runtime are float32, so its weights are only so exact.
    theirs = np.full(value.shape, 2.0**-17 * 255 * _scale(x) / _scale(y))
    return value, 2.0**-21 * np.abs(value) + 2.0**-40, theirs
