"""Host models of the operators that move, join, reduce and resize, and of transposed convolution.

Each rule gets the `builder.py` of the node and returns the name of what it made, or several for Split.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from lithify.compiler.host.builder import Builder, Rule
from lithify.compiler.host.layers import convolved
from lithify.reference.arithmetic import product_multiplier, scale_of
from lithify.reference.pieces import ranges
from lithify.reference.pooling import mean_multiplier
from lithify.reference.products import conv_window
from lithify.reference.window import Window, as_image


def _transpose(b: Builder) -> str:
    return b.op("Transpose", b.node.inputs[0], perm=list(b.node.attributes["perm"]))


def _expand(b: Builder) -> str:
    return b.op("Expand", b.node.inputs[0], b.constant(np.array(b.node.attributes["shape"], np.int64)))


def _tile(b: Builder) -> str:
    return b.op("Tile", b.node.inputs[0], b.constant(np.array(b.node.attributes["repeats"], np.int64)))


def _slice(b: Builder) -> str:
    name = b.node.inputs[0]
    for axis, taken in enumerate(ranges(b.node, b.tensor(0).shape)):
        if taken != range(b.tensor(0).shape[axis]):
            name = b.op("Gather", name, b.constant(np.array(taken, np.int64)), axis=axis)
    return name


def _gather(b: Builder) -> str:
    return b.op("Gather", *b.node.inputs, axis=b.node.attributes["axis"])


def _append(b: Builder) -> str:
    new = b.tensor(1)
    rows = np.broadcast_to(np.arange(new.shape[1])[None, :, None], new.shape).astype(np.int64)
    position = b.reshape(b.cast(b.node.inputs[2], "int64"), 1, 1, 1)
    return b.op("ScatterElements", b.node.inputs[0], b.op("Add", position, b.constant(rows)), b.node.inputs[1], axis=1)


def _split(b: Builder) -> tuple[str, ...]:
    axis, starts = b.node.attributes["axis"], np.cumsum((0, *b.node.attributes["split"]))
    limits = [[b.constant(np.array([end], np.int64)) for end in pair] for pair in pairwise(starts)]
    along = b.constant(np.array([axis], np.int64))
    return tuple(b.op("Slice", b.node.inputs[0], first, last, along) for first, last in limits)


def _concat(b: Builder) -> str:
    return b.op("Concat", *b.node.inputs, axis=b.node.attributes["axis"])


def _pad(b: Builder) -> str:
    x, attributes = b.tensor(0), b.node.attributes
    # By indices: every mode is the same gathering from the tensor and one more element, the padding.
    name = b.node.inputs[0]
    value = b.constant(np.array([x.zero_point + attributes["value"]], np.int8))
    rank = len(x.shape)
    for axis, size in enumerate(x.shape):
        before, after = attributes["pads"][axis], attributes["pads"][axis + rank]
        if not before and not after:
            continue
        kept = np.arange(max(-before, 0), size - max(-after, 0))
        margins = (max(before, 0), max(after, 0))
        if attributes["mode"] == "constant":
            wanted = np.pad(kept, margins, constant_values=size)
            sizes = [*b.y.shape[:axis], 1, *x.shape[axis + 1 :]]
            border = b.op("Expand", value, b.constant(np.array(sizes, np.int64)))
            name = b.op("Concat", name, border, axis=axis)
        else:
            wanted = np.pad(kept, margins, mode=attributes["mode"])
        name = b.op("Gather", name, b.constant(wanted.astype(np.int64)), axis=axis)
    return name


def _depth_to_space(b: Builder) -> str:
    block, (batch, channels, height, width) = b.node.attributes["blocksize"], b.tensor(0).shape
    deep = channels // block**2
    if b.node.attributes["mode"] == "DCR":
        parts = b.reshape(b.node.inputs[0], batch, block, block, deep, height, width)
        return b.reshape(b.op("Transpose", parts, perm=[0, 3, 4, 1, 5, 2]), *b.y.shape)
    parts = b.reshape(b.node.inputs[0], batch, deep, block, block, height, width)
    return b.reshape(b.op("Transpose", parts, perm=[0, 1, 4, 2, 5, 3]), *b.y.shape)


def _space_to_depth(b: Builder) -> str:
    block, (batch, channels, height, width) = b.node.attributes["blocksize"], b.tensor(0).shape
    parts = b.reshape(b.node.inputs[0], batch, channels, height // block, block, width // block, block)
    return b.reshape(b.op("Transpose", parts, perm=[0, 3, 5, 1, 2, 4]), *b.y.shape)


def _resize_nearest(b: Builder) -> str:
    name = b.reshape(b.node.inputs[0], *as_image(b.tensor(0).shape))
    for axis, side in ((2, "rows"), (3, "columns")):
        name = b.op("Gather", name, b.constant(np.array(b.node.attributes[side], np.int64)), axis=axis)
    return b.reshape(name, *b.y.shape)


def _resize_linear(b: Builder) -> str:
    shape, attributes = as_image(b.tensor(0).shape), b.node.attributes
    name = b.reshape(b.centred(0), *shape)
    for axis, side in ((2, "row"), (3, "column")):
        first = np.array(attributes[f"{side}s"], np.int64)
        weights = np.array(attributes[f"{side}_weights"], np.int32).reshape((-1, 1) if axis == 2 else (-1,))
        parts = []
        for index, factor in (
            (first, attributes[f"{side}_steps"] - weights),
            (np.minimum(first + 1, shape[axis] - 1), weights),
        ):
            taken = b.op("Gather", name, b.constant(index), axis=axis)
            parts.append(b.op("Mul", taken, b.constant(factor.astype(np.int32))))
        name = b.op("Add", *parts)
    steps = np.array(attributes["row_steps"] * attributes["column_steps"], np.int64)
    return b.requantize(b.reshape(name, *b.y.shape), mean_multiplier(steps, b.tensor(0), b.y), -128, 127)


def _reduce_mean(b: Builder) -> str:
    x, axes = b.tensor(0), b.node.attributes["axes"]
    counted = 1 if b.node.operator == "ReduceSum" else int(np.prod([x.shape[axis] for axis in axes]))
    total = _reduced(b, "ReduceSum", b.centred(0))
    return b.requantize(total, mean_multiplier(np.array(counted, np.int64), x, b.y), -128, 127)


def _reduce_extreme(b: Builder) -> str:
    return b.cast(_reduced(b, b.node.operator, b.cast(b.node.inputs[0], "int32")), "int8")


def _reduced(b: Builder, operator: str, name: str) -> str:
    axes = b.constant(np.array(b.node.attributes["axes"], np.int64))
    return b.op(operator, name, axes, keepdims=b.node.attributes["keepdims"])


def _sub(b: Builder) -> str:
    terms = []
    for index in (0, 1):
        multiplier = np.divide(scale_of(b.tensor(index)), scale_of(b.y))
        terms.append(b.op("Mul", b.cast(b.centred(index), "float32"), b.constant(multiplier)))
    return b.round(b.op("Sub", *terms), b.node.attributes["minimum"], b.node.attributes["maximum"])


def _mul(b: Builder) -> str:
    product = b.op("Mul", b.centred(0), b.centred(1))
    multiplier = product_multiplier(b.tensor(0), b.tensor(1), b.y)
    return b.requantize(product, multiplier, b.node.attributes["minimum"], b.node.attributes["maximum"])


def _conv_transpose(b: Builder) -> str:
    """A convolution of the image with zeros between its pixels by the kernel turned round."""
    x, w = b.tensor(0), b.tensor(1)
    batch, channels, height, width = x.shape
    window, (_, _, rows, columns) = conv_window(b.node, (w.shape[2], w.shape[3])), b.y.shape
    down, right = window.strides
    # [N, C, H, 1, W, 1] -> [N, C, H, down, W, right]: every pixel, then zeros up to the next.
    apart = b.reshape(b.centred(0), batch, channels, height, 1, width, 1)
    zero = b.constant(np.array(0, np.int32))
    sides = np.array([0] * 6 + [0, 0, 0, down - 1, 0, right - 1], np.int64)
    sheet = b.reshape(b.op("Pad", apart, b.constant(sides), zero), batch, channels, height * down, width * right)
    # The first result sees the first pixel under the last tap of the kernel, less the padding.
    top, left = window.span[0] - 1 - window.pads[0], window.span[1] - 1 - window.pads[1]
    bottom = rows + window.span[0] - 1 - top - height * down
    end = columns + window.span[1] - 1 - left - width * right
    amounts = np.array([0, 0, top, left, 0, 0, bottom, end], np.int64)
    sheet = b.op("Pad", sheet, b.constant(amounts), zero)
    shape = (batch, channels, rows + window.span[0] - 1, columns + window.span[1] - 1)
    sliding = Window((w.shape[2], w.shape[3]), (1, 1), (0, 0, 0, 0), window.dilations)
    turned = b.constant(np.ascontiguousarray(b.graph.constants[b.node.inputs[1]][:, :, ::-1, ::-1]))
    return convolved(b, sheet, shape, sliding, turned)


MOVEMENT_RULES: Mapping[str, Rule] = {
    "ConvTranspose": _conv_transpose,
    "Sub": _sub,
    "Mul": _mul,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_mean,
    "ReduceMax": _reduce_extreme,
    "ReduceMin": _reduce_extreme,
    "Transpose": _transpose,
    "Expand": _expand,
    "Tile": _tile,
    "Slice": _slice,
    "Gather": _gather,
    "Append": _append,
    "Split": _split,
    "Concat": _concat,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "ResizeNearest": _resize_nearest,
    "ResizeLinear": _resize_linear,
}
"""Operator of the quantised graph -> the rule that writes it in ONNX."""
