"""Random quantised layers, one node each: shapes, strides, pads, zero points and scales from a seeded generator."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import OPERATORS, make_node

# How the scales of a layer relate: "any" of no relation, "power of two" each one, "equal" in and out the same.
SCALES = ("any", "power of two", "equal")


def scale(random: Generator, kind: str, about: float = 0.05) -> NDArray[np.float32]:
    """One scale within a factor of four of `about`."""
    value = about * 2.0 ** random.uniform(-2, 2)
    return np.array(2.0 ** np.round(np.log2(value)) if kind == "power of two" else value, np.float32)


def zero_point(random: Generator) -> int:
    """Any zero point; the ends and zero more often than others."""
    return int(random.choice([-128, 0, 127, int(random.integers(-128, 128))], p=[0.1, 0.1, 0.1, 0.7]))


def int8(random: Generator, shape: tuple[int, ...], limit: int = 128) -> NDArray[np.int8]:
    """Any int8 values from -limit to limit - 1."""
    return random.integers(-limit, limit, shape).astype(np.int8)


def one_node(
    operator: str,
    tensors: list[Tensor],
    y: tuple[NDArray[np.float32] | None, int],
    constants: dict[str, NDArray[Any]],
    outputs: tuple[str, ...] = ("y",),
    **attributes: Any,
) -> Graph:
    """A graph of one node over `tensors` (an absent one is ""), its outputs of `y` = (scale, zero point).

    Shapes are those of the operator's rule.
    """
    inputs = tuple(tensor.name for tensor in tensors)
    node = make_node(operator, operator, inputs, outputs, **attributes)
    row = OPERATORS[operator]
    assert row.shapes is not None and row.outputs is not None
    shapes = row.shapes(node, tuple(tensor if tensor.name else None for tensor in tensors))
    dtype = tensors[0].dtype if row.outputs[0] == "same" else row.outputs[0]
    named = {tensor.name: tensor for tensor in tensors if tensor.name}
    named |= {name: Tensor(name, shape, dtype, *y) for name, shape in zip(outputs, shapes, strict=True)}
    given = tuple(name for name in inputs if name and name not in constants)
    return Graph(operator, given, outputs, named, constants, (node,))


ABSENT = Tensor("", (), "int32")


def _weights(
    random: Generator, kind: str, shape: tuple[int, ...], x: Tensor, bias: bool, weight_limit: int
) -> tuple[list[Tensor], dict[str, NDArray[Any]], tuple[NDArray[np.float32], int]]:
    """Weights and bias for a Conv or Gemm on x, and an output scale that saturates some outputs of most layers."""
    features, terms = shape[0], int(np.prod(shape[1:]))
    per_channel = bool(random.integers(0, 2))
    scales = np.array([scale(random, kind, 0.01) for _ in range(features)], np.float32)
    w = Tensor("w", shape, "int8", scales if per_channel else scales[0])
    constants: dict[str, NDArray[Any]] = {"w": int8(random, shape, weight_limit)}
    tensors = [x, w, ABSENT]
    spread = 75.0 * 75.0 * np.sqrt(terms)
    if bias:
        constants["b"] = random.normal(0, spread, features).astype(np.int32)
        tensors[2] = Tensor("b", (features,), "int32")
    y_scale = scale(random, kind, float(np.asarray(x.scale)) * float(scales[0]) * spread / 60)
    return tensors, constants, (y_scale, zero_point(random))


def conv(random: Generator, kind: str, depthwise: bool, weight_limit: int = 128, sequence: bool = False) -> Graph:
    """A Conv, or a depthwise one (group = channels), over an image or a sequence, with random everything."""
    channels = int(random.integers(1, 25))
    group = channels if depthwise else int(random.choice([d for d in range(1, channels + 1) if channels % d == 0]))
    features = group * int(random.integers(1, 3 if depthwise else 9))
    kernel = tuple(int(size) for size in random.integers(1, 6, 2))
    dilations = tuple(int(size) for size in random.choice([1, 1, 1, 2], 2))
    pads = tuple(int(pad) for pad in random.integers(0, 3, 4))
    image = tuple(int(random.integers(d * (k - 1) + 1, 20)) for d, k in zip(dilations, kernel, strict=True))
    if sequence:
        kernel, image, pads = kernel[1:], image[1:], (0, pads[1], 0, pads[3])
    batch = int(random.integers(1, 3))
    x = Tensor("x", (batch, channels, *image), "int8", scale(random, kind), zero_point(random))
    shape = (features, channels // group, *kernel)
    tensors, constants, y = _weights(random, kind, shape, x, bool(random.integers(0, 2)), weight_limit)
    strides = tuple(int(stride) for stride in random.integers(1, 4, 2))
    return one_node("Conv", tensors, y, constants, group=group, strides=strides, pads=pads, dilations=dilations)


def conv_transpose(random: Generator, kind: str, weight_limit: int = 128) -> Graph:
    """A ConvTranspose over an image or, one in four, a sequence, with random everything."""
    group, per_group = (int(size) for size in random.integers(1, 5, 2))
    features = group * int(random.integers(1, 9))
    kernel, strides = (tuple(int(size) for size in random.integers(1, 5, 2)) for _ in range(2))
    dilations = tuple(int(size) for size in random.choice([1, 1, 1, 2], 2))
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))
    image = tuple(int(size) for size in random.integers(1, 9, 2))
    extra = tuple(int(random.integers(0, stride)) for stride in strides)  # ONNX Runtime allows no more
    pads = tuple(int(random.integers(0, (span + 1) // 2)) for span in spans) * 2
    if random.integers(0, 4) == 0:
        kernel, image, extra, pads = kernel[1:], image[1:], (0, extra[1]), (0, pads[1], 0, pads[3])
    x = Tensor("x", (1, group * per_group, *image), "int8", scale(random, kind), zero_point(random))
    shape = (features, per_group, *kernel)
    tensors, constants, y = _weights(random, kind, shape, x, bool(random.integers(0, 2)), weight_limit)
    attributes = {"group": group, "strides": strides, "pads": pads, "dilations": dilations, "output_padding": extra}
    return one_node("ConvTranspose", tensors, y, constants, **attributes)


def gemm(random: Generator, kind: str, bias: bool, weight_limit: int = 128) -> Graph:
    """A Gemm of random sizes, some longer than one exact chunk."""
    rows, terms, features = int(random.integers(1, 20)), int(random.integers(1, 1500)), int(random.integers(1, 40))
    x = Tensor("x", (rows, terms), "int8", scale(random, kind), zero_point(random))
    tensors, constants, y = _weights(random, kind, (features, terms), x, bias, weight_limit)
    return one_node("Gemm", tensors, y, constants)


def matmul(random: Generator, kind: str, limit: int = 128) -> Graph:
    """A product of two activations, of one matrix or several; the second is stored, so that its values can be limited.

    limit: the values of the second lie from -limit to limit - 1.
    """
    rows, terms, columns = int(random.integers(1, 20)), int(random.integers(1, 1500)), int(random.integers(1, 40))
    batches = [(), (int(random.integers(1, 4)),)]
    first, second = (batches[int(random.integers(0, 2))] for _ in range(2))
    a = Tensor("a", (*first, rows, terms), "int8", scale(random, kind), zero_point(random))
    b = Tensor("b", (*second, columns, terms), "int8", scale(random, kind), int(random.integers(-limit, limit)))
    about = float(np.asarray(a.scale)) * float(np.asarray(b.scale)) * 75 * 75 * np.sqrt(terms) / 60
    constants = {"b": int8(random, b.shape, limit)}
    return one_node("MatMul", [a, b], (scale(random, kind, about), zero_point(random)), constants)


def add(random: Generator, kind: str) -> Graph:
    """An Add of two activations of equal shape."""
    return pair(random, kind, "Add", broadcast=False)


def pair(random: Generator, kind: str, operator: str, broadcast: bool = True) -> Graph:
    """An Add, Sub or Mul of two activations, of equal shape or, if allowed, one of them broadcast."""
    shape = (1, int(random.integers(1, 64)), *(int(size) for size in random.integers(1, 24, 2)))
    scales = [scale(random, kind) for _ in range(3)]
    if kind == "equal":
        scales[1] = scales[2] = scales[0]
    if operator == "Mul":  # two values of like spread have a product of about this one
        scales[2] = scale(random, kind, float(scales[0]) * float(scales[1]) * 75)
    shapes = [shape, shape]
    if broadcast and random.integers(0, 2):
        narrow = tuple(1 if random.integers(0, 2) else size for size in shape)
        shapes[int(random.integers(0, 2))] = (*shape[:2], 1, 1) if random.integers(0, 2) else narrow
    a, b = (
        Tensor(name, size, "int8", own, zero_point(random))
        for name, size, own in zip(("x", "b"), shapes, scales[:2], strict=True)
    )
    return one_node(operator, [a, b], (scales[2], zero_point(random)), {})


def pool(
    random: Generator,
    kind: str,
    operator: str,
    dilated: bool = False,
    ceil_with_pad: bool = False,
    sequence: bool = False,
) -> Graph:
    """A MaxPool, AveragePool or GlobalAveragePool over an image or a sequence.

    ceil_with_pad: whether an AveragePool may have ceil_mode and count_include_pad at once.
    """
    dilations = tuple(int(size) for size in random.integers(1, 3, 2)) if dilated else (1, 1)
    kernel = tuple(int(size) for size in random.integers(1, 6, 2))
    image = tuple(int(random.integers(d * (k - 1) + 1, 24)) for d, k in zip(dilations, kernel, strict=True))
    if sequence:
        kernel, image = (1, kernel[1]), image[1:]
    x_scale = scale(random, kind)
    # A global pool makes one value a channel.
    channels = int(random.integers(1, 1000 if operator == "GlobalAveragePool" else 64))
    x = Tensor("x", (1, channels, *image), "int8", x_scale, zero_point(random))
    y = (x_scale if kind == "equal" else scale(random, kind, float(x_scale) / 2), zero_point(random))
    attributes: dict[str, Any] = {}
    if operator != "GlobalAveragePool":
        attributes = {
            "kernel_shape": kernel,
            "strides": tuple(int(stride) for stride in random.integers(1, 4, 2)),
            "pads": tuple(int(random.integers(0, size)) for size in kernel + kernel),
            "dilations": dilations,
            "ceil_mode": int(random.integers(0, 2)),
        }
    if operator == "AveragePool":
        attributes["count_include_pad"] = int(random.integers(0, 2))
        if attributes["count_include_pad"] and not ceil_with_pad:
            attributes["ceil_mode"] = 0
    return one_node(operator, [x], (x_scale, x.zero_point) if operator == "MaxPool" else y, {}, **attributes)


def inputs(random: Generator, graph: Graph) -> dict[str, NDArray[np.int8]]:
    """Inputs for a graph: mostly any values, sometimes only the two ends, which saturate."""
    values = {name: int8(random, graph.tensors[name].shape) for name in graph.inputs}
    if random.integers(0, 8) == 0:
        values = {name: np.where(value < 0, -128, 127).astype(np.int8) for name, value in values.items()}
    return values


def layers(seed: int, count: int) -> Iterator[Generator]:
    """`count` generators of their own, so that one layer can be made again from its number."""
    for number in range(count):
        yield np.random.default_rng((seed, number))
