"""Random float models of images: branches, functions, movement, odd and prime sizes; written with onnx_ir, seeded."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.random import Generator
from numpy.typing import NDArray

from lithify.frontend.shapes import infer

SIZES = (1, 1, 2, 3, 5, 7, 8, 11, 13, 16, 17, 23)
"""Channels, rows and columns of the input."""
STRIDES = (1, 1, 1, 1, 2, 2, 3, 5, 9)
LARGEST = 4000
"""Values of a tensor that another step is put on."""


class Writer:
    """A model under construction. values: every tensor so far, [1, C, H, W] each."""

    def __init__(self, random: Generator) -> None:
        self.random = random
        self.shapes: dict[ir.Value, tuple[int, ...]] = {}
        self.nodes: list[ir.Node] = []
        self.constants: list[ir.Value] = []
        shape = (1, *(int(size) for size in random.choice(SIZES, 3)))
        self.input = ir.Value(name="x", shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))
        self.shapes[self.input] = shape

    def constant(self, data: NDArray[Any]) -> ir.Value:
        tensor = ir.tensor(np.asarray(data, order="C"), name=f"c{len(self.constants)}")
        value = ir.Value(
            name=tensor.name, shape=ir.Shape(data.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        self.constants.append(value)
        return value

    def floats(self, *shape: int, scale: float = 1.0) -> ir.Value:
        return self.constant((self.random.standard_normal(shape) * scale).astype(np.float32))

    def integers(self, *values: int) -> ir.Value:
        return self.constant(np.array(values, np.int64))

    def add(
        self, operator: str, inputs: Sequence[ir.Value | None], shape: Sequence[int], count: int = 1, **attributes: Any
    ) -> list[ir.Value]:
        name = f"{operator.lower()}_{len(self.nodes)}"
        outputs = [ir.Value(name=f"{name}_{index}") for index in range(count)]
        self.nodes.append(ir.node(operator, inputs, attributes, outputs=outputs, name=name))
        for output in outputs:
            self.shapes[output] = tuple(int(size) for size in shape)
        return outputs

    def model(self) -> ir.Model:
        """All that nothing reads is an output."""
        outputs = [value for node in self.nodes for value in node.outputs if not value.uses()]
        graph = ir.Graph([self.input], outputs, nodes=self.nodes, initializers=self.constants,
                         opset_imports={"": 20}, name="random")  # fmt: skip
        model = ir.Model(graph, ir_version=10)
        for value in outputs:
            value.shape, value.type = ir.Shape(self.shapes[value]), ir.TensorType(ir.DataType.FLOAT)
        infer(model, "random")
        return model


def _conv(w: Writer, x: ir.Value) -> None:
    _, channels, height, width = w.shapes[x]
    depthwise = w.random.random() < 0.3
    outputs = channels if depthwise else int(w.random.integers(1, 9))
    kernel = [int(w.random.integers(1, min(size, 3) + 1)) for size in (height, width)]
    pads = [int(w.random.integers(0, size)) for size in (*kernel, *kernel)]
    strides = [int(size) for size in w.random.choice(STRIDES, 2)]
    dilations = [int(size) for size in w.random.integers(1, 3, 2)]
    spans = [(extent - 1) * dilation + 1 for extent, dilation in zip(kernel, dilations, strict=True)]
    room = [size + pads[axis] + pads[axis + 2] for axis, size in enumerate((height, width))]
    dilations = [d if span <= whole else 1 for d, span, whole in zip(dilations, spans, room, strict=True)]
    places = [
        (whole - (extent - 1) * dilation - 1) // stride + 1
        for whole, extent, dilation, stride in zip(room, kernel, dilations, strides, strict=True)
    ]
    weights = w.floats(outputs, 1 if depthwise else channels, *kernel, scale=0.5)
    inputs = [x, weights, *([w.floats(outputs)] if w.random.random() < 0.6 else [])]
    group = channels if depthwise else 1
    w.add("Conv", inputs, (1, outputs, *places), pads=pads, strides=strides, dilations=dilations, group=group)


def _transposed(w: Writer, x: ir.Value) -> None:
    _, channels, height, width = w.shapes[x]
    outputs = int(w.random.integers(1, 5))
    shape = (1, outputs, 2 * height, 2 * width)
    w.add("ConvTranspose", [x, w.floats(channels, outputs, 2, 2, scale=0.5)], shape, strides=[2, 2])


def _function(w: Writer, x: ir.Value) -> None:
    choice = str(w.random.choice(["Relu", "LeakyRelu", "HardSwish", "Abs", "Neg", "silu", "shift", "clip", "square"]))
    shape = w.shapes[x]
    if choice == "silu":
        w.add("Mul", [x, *w.add("HardSigmoid", [x], shape)], shape)
    elif choice == "shift":
        w.add("Sub", [w.floats(), x], shape)
    elif choice == "square":
        w.add("Mul", [x, x], shape)
    elif choice == "clip":
        low, high = sorted(float(value) for value in w.random.standard_normal(2))
        w.add("Clip", [x, w.constant(np.array(low, "f4")), w.constant(np.array(high, "f4"))], shape)
    else:
        w.add(choice, [x], shape)


def _pair(w: Writer, x: ir.Value) -> None:
    shape = w.shapes[x]
    others = [y for y, other in w.shapes.items() if all(m in (1, n) for m, n in zip(other, shape, strict=True))]
    y = others[int(w.random.integers(len(others)))]
    w.add(str(w.random.choice(["Add", "Mul", "Sub"])), [x, y], shape)


def _channels(w: Writer, x: ir.Value) -> None:
    shape = w.shapes[x]
    w.add(str(w.random.choice(["Add", "Mul"])), [x, w.floats(1, shape[1], 1, 1)], shape)


def _concat(w: Writer, x: ir.Value) -> None:
    shape = w.shapes[x]
    others = [y for y, other in w.shapes.items() if other[2:] == shape[2:]]
    y = others[int(w.random.integers(len(others)))]
    w.add("Concat", [x, y], (1, shape[1] + w.shapes[y][1], *shape[2:]), axis=1)


def _split(w: Writer, x: ir.Value) -> None:
    _, channels, height, width = w.shapes[x]
    if channels % 2 == 0:
        w.add("Split", [x], (1, channels // 2, height, width), count=2, axis=1, num_outputs=2)


def _slice(w: Writer, x: ir.Value) -> None:
    axis = int(w.random.integers(1, 4))
    size = w.shapes[x][axis]
    start = int(w.random.integers(0, size))
    step = int(w.random.integers(1, 3))
    shape = list(w.shapes[x])
    shape[axis] = len(range(start, size, step))
    bounds = [w.integers(value) for value in (start, 2**62, axis, step)]
    w.add("Slice", [x, *bounds], shape)


def _pool(w: Writer, x: ir.Value) -> None:
    _, channels, height, width = w.shapes[x]
    kernel = [int(w.random.integers(1, min(size, 3) + 1)) for size in (height, width)]
    strides = [int(size) for size in w.random.choice(STRIDES, 2)]
    pads = [int(w.random.integers(0, extent)) for extent in (*kernel, *kernel)]
    places = [
        (size + pads[axis] + pads[axis + 2] - kernel[axis]) // strides[axis] + 1
        for axis, size in enumerate((height, width))
    ]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    if w.random.random() < 0.5:
        w.add("MaxPool", [x], (1, channels, *places), **attributes)
    else:
        counted = int(w.random.integers(0, 2))
        w.add("AveragePool", [x], (1, channels, *places), count_include_pad=counted, **attributes)


def _global(w: Writer, x: ir.Value) -> None:
    shape = (*w.shapes[x][:2], 1, 1)
    choice = str(w.random.choice(["GlobalMaxPool", "GlobalAveragePool", "ReduceMax", "ReduceMean", "ReduceSum"]))
    w.add(choice, [x] if choice.startswith("Global") else [x, w.integers(2, 3)], shape)


def _pad(w: Writer, x: ir.Value) -> None:
    amounts = [0, 0, *(int(n) for n in w.random.integers(0, 3, 2)), 0, 0, *(int(n) for n in w.random.integers(0, 3, 2))]
    shape = [size + amounts[axis] + amounts[axis + 4] for axis, size in enumerate(w.shapes[x])]
    if w.random.random() < 0.5:
        w.add("Pad", [x, w.integers(*amounts)], shape, mode="edge")
    else:
        w.add("Pad", [x, w.integers(*amounts)], shape)


def _move(w: Writer, x: ir.Value) -> None:
    batch, channels, height, width = w.shapes[x]
    choice = int(w.random.integers(0, 5))
    if choice == 0:
        w.add("Transpose", [x], (batch, channels, width, height), perm=[0, 1, 3, 2])
    elif choice == 1:
        w.add("Reshape", [x, w.integers(1, channels * height, 1, width)], (1, channels * height, 1, width))
    elif choice == 2:
        scales = w.constant(np.array([1, 1, 2, 3], np.float32))
        shape = (1, channels, 2 * height, 3 * width)
        w.add("Resize", [x, None, scales], shape, coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    elif choice == 3:
        w.add("Expand", [x, w.integers(1, channels, height, width)], (1, channels, height, width))
    elif channels % 4 == 0:
        w.add("DepthToSpace", [x], (1, channels // 4, 2 * height, 2 * width), blocksize=2)


def _matrices(w: Writer, x: ir.Value) -> None:
    """The product of the matrices of an image with its own, or with another's of as many, turned over or not."""
    _, channels, height, width = w.shapes[x]
    fitting = [
        (y, turned)
        for y, other in w.shapes.items()
        for turned in (False, True)
        if other[1] in (1, channels) and other[3 if turned else 2] == width
    ]
    y, turned = fitting[int(w.random.integers(len(fitting)))]
    if turned:
        _, count, rows, columns = w.shapes[y]
        (y,) = w.add("Transpose", [y], (1, count, columns, rows), perm=[0, 1, 3, 2])
    (scores,) = w.add("MatMul", [x, y], (1, channels, height, w.shapes[y][3]))
    if w.random.random() < 0.5:
        w.add("Div", [scores, w.constant(np.array(2 * width**0.5, "f4"))], w.shapes[scores])


def _rows(w: Writer, x: ir.Value) -> None:
    shape = w.shapes[x]
    choice, axis = str(w.random.choice(["Softmax", "Softmax", "LogSoftmax", "norm"])), int(w.random.integers(1, 4))
    if choice == "norm":
        row = shape[axis:]
        w.add("LayerNormalization", [x, w.floats(*row), w.floats(*row)], shape, axis=axis, epsilon=1e-4)
    else:
        w.add(choice, [x], shape, axis=axis)


RULES: tuple[tuple[Callable[[Writer, ir.Value], None], float], ...] = (
    (_conv, 5), (_transposed, 1), (_function, 4), (_pair, 3), (_channels, 1), (_concat, 2), (_split, 1), (_slice, 1),
    (_pool, 1), (_global, 1), (_pad, 1), (_move, 3), (_rows, 1), (_matrices, 1),
)  # fmt: skip


def random_model(seed: int, number: int, most: int = 12) -> ir.Model:
    """The model of this number: 2 to `most` steps, each on one of the last few tensors, none of over LARGEST values."""
    writer = Writer(np.random.default_rng((seed, number)))
    weights = np.array([weight for _, weight in RULES])
    wanted = int(writer.random.integers(2, most + 1))
    while len(writer.nodes) < wanted:
        recent = [value for value in list(writer.shapes)[-4:] if np.prod(writer.shapes[value]) <= LARGEST]
        x = recent[int(writer.random.integers(len(recent)))] if recent else writer.input
        rule, _ = RULES[int(writer.random.choice(len(RULES), p=weights / weights.sum()))]
        rule(writer, x)
    return writer.model()
