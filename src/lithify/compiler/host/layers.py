"""Host models of what the chip's array and lanes compute: products, pooling, additions, tables.

Integer sums are taken by MatMul and ReduceSum over int32, which wrap and never round; the one float32 multiplication,
rounding and clamp are ONNX operators of the same single IEEE steps as the reference's.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lithify.compiler.host.builder import Builder, Rule
from lithify.reference.arithmetic import product_multiplier, scale_of
from lithify.reference.pooling import counted_taps, mean_multiplier, pool_window
from lithify.reference.products import conv_window
from lithify.reference.window import Window


def _conv(b: Builder) -> str:
    x, w = b.tensor(0), b.tensor(1)
    window = conv_window(b.node, (w.shape[2], w.shape[3]))
    return convolved(b, b.centred(0), x.shape, window, b.node.inputs[1])


def convolved(b: Builder, image: str, shape: tuple[int, ...], window: Window, kernel: str) -> str:
    """The result of a Conv or ConvTranspose from an int32 image of this shape and int8 weights."""
    x, w = b.tensor(0), b.tensor(1)
    group = b.node.attributes["group"]
    outputs, per_group = w.shape[:2]
    batch, taps = shape[0], w.shape[2] * w.shape[3]
    gathered, height, width = b.gathered(image, shape, window, 0, "int32")
    # [N, C, places, taps] -> [N, group, C / group * taps, places]
    columns = b.reshape(b.op("Transpose", gathered, perm=[0, 1, 3, 2]), batch, group, per_group * taps, height * width)
    weights = b.reshape(b.cast(kernel, "int32"), 1, group, outputs // group, per_group * taps)
    total = b.reshape(b.op("MatMul", weights, columns), batch, outputs, height, width)
    if b.node.inputs[2]:
        total = b.op("Add", total, b.reshape(b.node.inputs[2], outputs, 1, 1))
    multiplier = product_multiplier(x, w, b.y).reshape(-1, 1, 1)
    return b.requantize(total, multiplier, b.node.attributes["minimum"], b.node.attributes["maximum"])


def _gemm(b: Builder) -> str:
    weights = b.op("Transpose", b.cast(b.node.inputs[1], "int32"), perm=[1, 0])
    total = b.op("MatMul", b.centred(0), weights)
    if b.node.inputs[2]:
        total = b.op("Add", total, b.node.inputs[2])
    multiplier = product_multiplier(b.tensor(0), b.tensor(1), b.y)
    return b.requantize(total, multiplier, b.node.attributes["minimum"], b.node.attributes["maximum"])


def _matmul(b: Builder) -> str:
    rank = len(b.tensor(1).shape)
    turned = b.op("Transpose", b.centred(1), perm=[*range(rank - 2), rank - 1, rank - 2])
    total = b.op("MatMul", b.centred(0), turned)
    multiplier = product_multiplier(b.tensor(0), b.tensor(1), b.y)
    return b.requantize(total, multiplier, b.node.attributes["minimum"], b.node.attributes["maximum"])


def _add(b: Builder) -> str:
    terms = []
    for index in (0, 1):
        multiplier = np.divide(scale_of(b.tensor(index)), scale_of(b.y))
        terms.append(b.op("Mul", b.cast(b.centred(index), "float32"), b.constant(multiplier)))
    limits = b.node.attributes["minimum"], b.node.attributes["maximum"]
    return b.round(b.op("Add", *terms), *limits)


def _max_pool(b: Builder) -> str:
    gathered, height, width = b.windows(b.cast(b.node.inputs[0], "int32"), pool_window(b.node), -128, "int32")
    largest = b.op("ReduceMax", gathered, b.constant(np.array([3], np.int64)), keepdims=0)
    return b.cast(b.reshape(largest, *b.y.shape[:2], height, width), "int8")


def _average_pool(b: Builder) -> str:
    x = b.tensor(0)
    if b.node.operator == "GlobalAveragePool":
        window = Window((x.shape[2], x.shape[3]), (1, 1), (0, 0, 0, 0), (1, 1))
        counted: NDArray[np.int64] = np.array([[x.shape[2] * x.shape[3]]])
    else:
        window, counted = pool_window(b.node), counted_taps(b.node, x)
    gathered, height, width = b.windows(b.centred(0), window, 0, "int32")
    total = b.op("ReduceSum", gathered, b.constant(np.array([3], np.int64)), keepdims=0)
    total = b.reshape(total, *b.y.shape[:2], height, width)
    return b.requantize(total, mean_multiplier(counted, x, b.y), -128, 127)


def _clip(b: Builder) -> str:
    name = b.cast(b.node.inputs[0], "int32")
    low = b.constant(np.array(b.node.attributes["minimum"], np.int32))
    high = b.constant(np.array(b.node.attributes["maximum"], np.int32))
    return b.cast(b.op("Min", b.op("Max", name, low), high), "int8")


def _lookup(b: Builder) -> str:
    index = b.op("Add", b.cast(b.node.inputs[0], "int32"), b.constant(np.array(128, np.int32)))
    return b.op("Gather", b.node.inputs[1], index)


LAYER_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Conv": _conv,
        "Gemm": _gemm,
        "MatMul": _matmul,
        "Add": _add,
        "MaxPool": _max_pool,
        "AveragePool": _average_pool,
        "GlobalAveragePool": _average_pool,
        "Clip": _clip,
        "Lookup": _lookup,
    }
)
