"""Random quantised graphs: branches, additions, pools, reshapes and products, small enough to run on small chips."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lithify.reference.coordinates import COORDINATES, Blend, linear
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import OPERATORS, make_node
from reference.random_layers import int8, scale, zero_point


@dataclass
class Drawing:
    """A graph while it is drawn; `images` are the tensors of 4 dimensions that later nodes may read.

    rows: whether it has operators along rows; matrices: whether it has products of two activations.
    """

    random: Generator
    rows: bool = False
    matrices: bool = False
    tensors: dict[str, Tensor] = field(default_factory=dict)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    images: list[str] = field(default_factory=list)

    def tensor(self, shape: tuple[int, ...], dtype: str = "int8", like: Tensor | None = None) -> Tensor:
        """A new tensor, with a scale of its own or that of `like`."""
        name = f"t{len(self.tensors)}"
        if like is not None:
            made = Tensor(name, shape, dtype, like.scale, like.zero_point)
        else:
            made = Tensor(name, shape, dtype, scale(self.random, "any"), zero_point(self.random))
        self.tensors[name] = made
        return made

    def constant(self, data: NDArray[Any], scales: NDArray[np.float32] | None) -> str:
        name = f"c{len(self.constants)}"
        self.tensors[name] = Tensor(name, data.shape, data.dtype.name, scales)
        self.constants[name] = data
        return name

    def add(self, operator: str, inputs: tuple[str, ...], keep_scale: bool = False, **attributes: Any) -> Tensor:
        """Adds a node; its output's shape follows from the operator's rule."""
        node = make_node(f"n{len(self.nodes)} {operator}", operator, inputs, ("?",), **attributes)
        row = OPERATORS[operator]
        assert row.shapes is not None
        (shape,) = row.shapes(node, tuple(self.tensors[name] if name else None for name in inputs))
        made = self.tensor(shape, like=self.tensors[inputs[0]] if keep_scale else None)
        self.nodes.append(Node(node.name, operator, inputs, (made.name,), node.attributes))
        if len(shape) == 4:
            self.images.append(made.name)
        return made

    def products(self, features: int, *shape: int) -> tuple[str, str]:
        """Weights [features, *shape] and, mostly, a bias."""
        terms = int(np.prod(shape))
        factors = np.array([scale(self.random, "any", 0.3 / (75 * np.sqrt(terms))) for _ in range(features)])
        weights = self.constant(int8(self.random, (features, *shape)), factors.astype(np.float32))
        if self.random.integers(0, 4) == 0:
            return weights, ""
        return weights, self.constant(self.random.normal(0, 3000, features).astype(np.int32), None)


def draw(random: Generator, count: int, rows: bool = False, matrices: bool = False) -> Graph:
    """A graph of about `count` nodes over one image; every tensor that no node reads is an output."""
    drawing = Drawing(random, rows, matrices)
    shape = (1, int(random.integers(1, 20)), int(random.integers(3, 18)), int(random.integers(3, 18)))
    first = drawing.tensor(shape)
    drawing.images.append(first.name)
    for _ in range(count):
        _grow(drawing)
    if random.integers(0, 2):
        _head(drawing)
    read = {name for node in drawing.nodes for name in node.inputs}
    outputs = [name for node in drawing.nodes for name in node.outputs if name not in read]
    if random.integers(0, 3) == 0:
        # A tensor that is read inside and wanted outside.
        outputs.append(str(random.choice([node.outputs[0] for node in drawing.nodes])))
    outputs = list(dict.fromkeys(outputs))
    return Graph("drawn", (first.name,), tuple(outputs), drawing.tensors, drawing.constants, tuple(drawing.nodes))


def _grow(drawing: Drawing) -> None:
    """One node on one of the last images; mostly a convolution."""
    random = drawing.random
    name = drawing.images[-1] if random.integers(0, 3) else str(random.choice(drawing.images[-4:]))
    x = drawing.tensors[name]
    channels, height, width = x.shape[1:]
    limits = {"minimum": int(random.integers(-128, 0))} if random.integers(0, 2) else {}
    if drawing.rows and random.integers(0, 3) == 0:
        _along_rows(drawing, x)
        return
    if drawing.matrices and random.integers(0, 3) == 0:
        _products(drawing, x)
        return
    match int(random.integers(0, 26)):
        case 0 | 1 | 2:
            kernel = [min(int(random.choice([1, 1, 3, 5])), size) for size in (height, width)]
            pads = tuple((size - 1) // 2 for size in kernel)
            strides = (1, 1) if random.integers(0, 3) else (2, 2)
            weights, bias = drawing.products(int(random.integers(1, 40)), channels, *kernel)
            drawing.add("Conv", (name, weights, bias), pads=pads + pads, strides=strides, **limits)
        case 3:
            kernel = [min(3, size) for size in (height, width)]
            weights, bias = drawing.products(channels, 1, *kernel)
            drawing.add("Conv", (name, weights, bias), group=channels, pads=(1, 1, 1, 1), **limits)
        case 4 | 5 | 6:
            same = [other for other in drawing.images if drawing.tensors[other].shape == x.shape]
            # Often a convolution of its own, so that additions can be fused behind it.
            if random.integers(0, 2):
                weights, bias = drawing.products(channels, channels, 1, 1)
                fresh = drawing.add("Conv", (name, weights, bias)).name
                drawing.add("Add", (fresh, name) if random.integers(0, 2) else (name, fresh), **limits)
            else:
                drawing.add("Add", (name, str(random.choice(same))), **limits)
        case 7:
            kernel = tuple(min(int(random.integers(1, 4)), size) for size in (height, width))
            drawing.add("MaxPool", (name,), True, kernel_shape=kernel, strides=(2, 2))
        case 8:
            kernel = tuple(min(int(random.integers(1, 4)), size) for size in (height, width))
            drawing.add("AveragePool", (name,), kernel_shape=kernel, pads=(0, 0, kernel[0] - 1, kernel[1] - 1))
        case 9:
            same = [other for other in drawing.images if drawing.tensors[other].shape == x.shape]
            drawing.add(str(random.choice(["Mul", "Sub"])), (name, str(random.choice(same))), **limits)
        case 10 | 11:
            # One value a channel, as in squeeze and excite.
            pooled = drawing.add("GlobalAveragePool", (name,)).name
            if random.integers(0, 2):
                table = drawing.constant(int8(random, (256,)), np.float32(1).reshape(()))
                pooled = drawing.add("Lookup", (pooled, table)).name
            pair = (name, pooled) if random.integers(0, 3) else (pooled, name)
            drawing.add(str(random.choice(["Mul", "Mul", "Add", "Sub"])), pair, **limits)
        case 12:
            # A function of one variable behind a product.
            weights, bias = drawing.products(int(random.integers(1, 40)), channels, 1, 1)
            made = drawing.add("Conv", (name, weights, bias))
            table = drawing.constant(int8(random, (256,)), np.float32(1).reshape(()))
            drawing.add("Lookup", (made.name, table))
        case 13:
            others = [n for n in drawing.images if drawing.tensors[n].shape[2:] == (height, width)]
            like = [n for n in others if drawing.tensors[n].scale == x.scale]
            parts = [name, *(str(n) for n in random.choice(like, int(random.integers(1, 3))))]
            parts = [n for n in parts if drawing.tensors[n].zero_point == x.zero_point]
            drawing.add("Concat", tuple(parts), True, axis=1)
        case 14:
            axis = int(random.integers(2, 4))
            drawing.add("Concat", (name, name), True, axis=axis)
        case 15:
            axes = tuple(int(a) for a in random.permutation([1, 2, 3])[: int(random.integers(1, 4))])
            starts = tuple(int(random.integers(0, x.shape[axis])) for axis in axes)
            steps = tuple(int(random.integers(1, 3)) for _ in axes)
            drawing.add("Slice", (name,), True, starts=starts, ends=(1000,) * len(axes), axes=axes, steps=steps)
        case 16:
            pads = tuple(int(n) for n in random.integers(-1, 4, 6))
            pads = (0, *(max(n, 0) if min(x.shape) < 3 else n for n in pads[:3]), 0, *(max(n, 0) for n in pads[3:]))
            drawing.add("Pad", (name,), True, pads=pads, value=int(random.integers(-128, 128)) - int(x.zero_point))
        case 17:
            axes = ((2, 3), (2,), (3,), (1,), (1, 2, 3))[int(random.integers(0, 5))]
            operator = str(random.choice(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"]))
            drawing.add(operator, (name,), operator in ("ReduceMax", "ReduceMin"), axes=axes)
        case 19:
            if max(height, width) <= 12:
                factor = int(random.integers(2, 4))
                rows, columns = (tuple(i // factor for i in range(size * factor)) for size in (height, width))
                drawing.add("ResizeNearest", (name,), True, rows=rows, columns=columns)
        case 20:
            if max(height, width) <= 12:
                kernel, stride = int(random.integers(1, 5)), int(random.integers(1, 4))
                weights, bias = drawing.products(int(random.integers(1, 30)), channels, kernel, kernel)
                drawing.add("ConvTranspose", (name, weights, bias), strides=(stride, stride), **limits)
        case 21:
            _shuffle(drawing, x)
        case 22:
            block = int(random.integers(1, 4))
            if channels % block**2 == 0:
                drawing.add("DepthToSpace", (name,), True, blocksize=block, mode=str(random.choice(["DCR", "CRD"])))
        case 23:
            pads = tuple(int(random.integers(0, min(size, 3))) for size in (height, width) * 2)
            mode = str(random.choice(["reflect", "edge", "wrap"]))
            drawing.add("Pad", (name,), True, pads=(0, 0, *pads[:2], 0, 0, *pads[2:]), mode=mode)
        case 24:
            if max(height, width) <= 12:
                mode = str(random.choice(COORDINATES))
                blends = [linear(size, 2 * size, 2.0, mode) for size in (height, width)]
                drawing.add("ResizeLinear", (name,), **_blended(blends))
        case 18:
            if height % 2 == 0 and width % 2 == 0:
                drawing.add("SpaceToDepth", (name,), True, blocksize=2)
        case _:
            if random.integers(0, 2):
                drawing.add("Clip", (name,), True, minimum=-50, maximum=int(random.integers(-50, 128)))
            else:
                table = drawing.constant(int8(random, (256,)), np.float32(1).reshape(()))
                drawing.add("Lookup", (name, table))


def _products(drawing: Drawing, x: Tensor) -> None:
    """Heads of the pixels' channels, or rows of the channels' images, multiplied with those of the same or another
    tensor.
    """
    random = drawing.random
    channels, height, width = x.shape[1:]
    if channels * height * width > 1500:
        x = drawing.add("MaxPool", (x.name,), True, kernel_shape=(1, 1), strides=(3, 3))
        channels, height, width = x.shape[1:]
    if random.integers(0, 2):
        a = drawing.add("Reshape", (x.name,), True, shape=(channels, height, width))
        b = drawing.add("Transpose", (a.name,), True, perm=(0, 2, 1)) if height == width else a
        made = drawing.add("MatMul", (a.name, b.name))
        drawing.add("Reshape", (made.name,), True, shape=(1, *made.shape))
        return
    heads = int(random.choice([count for count in (1, 2, 4) if channels % count == 0]))
    tokens = drawing.add("Transpose", (x.name,), True, perm=(0, 2, 3, 1))
    rows = drawing.add("Reshape", (tokens.name,), True, shape=(height * width, channels))

    def split(perm: tuple[int, ...]) -> Tensor:
        made = (
            drawing.add("Gemm", (rows.name, *drawing.products(channels, channels))) if random.integers(0, 2) else rows
        )
        parted = drawing.add("Reshape", (made.name,), True, shape=(1, height * width, heads, channels // heads))
        turned = drawing.add("Transpose", (parted.name,), True, perm=perm)
        return drawing.add("Reshape", (turned.name,), True, shape=(heads, *turned.shape[2:]))

    if random.integers(0, 2):
        scores = drawing.add("MatMul", (split((0, 2, 1, 3)).name, split((0, 2, 1, 3)).name))
        mixed = drawing.add("MatMul", (scores.name, split((0, 2, 3, 1)).name))
        parted = drawing.add("Reshape", (mixed.name,), True, shape=(1, *mixed.shape))
        turned = drawing.add("Transpose", (parted.name,), True, perm=(0, 2, 1, 3))
        apart = drawing.add("Reshape", (turned.name,), True, shape=(1, height, width, channels))
        drawing.add("Transpose", (apart.name,), True, perm=(0, 3, 1, 2))
    else:
        across = drawing.add("MatMul", (split((0, 2, 3, 1)).name, split((0, 2, 3, 1)).name))
        drawing.add("Reshape", (across.name,), True, shape=(1, *across.shape))


def _along_rows(drawing: Drawing, x: Tensor) -> None:
    """Softmax or a norm along the channels, or of the image's rows as tokens, between a Reshape and another back."""
    random = drawing.random
    tokens = random.integers(0, 3) == 0
    channels, height, width = x.shape[1:]
    name = drawing.add("Reshape", (x.name,), True, shape=(channels, height, width)).name if tokens else x.name
    operator = ("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization")[int(random.integers(0, 4))]
    count = {"LayerNormalization": 2, "RMSNormalization": 1}.get(operator, 0)
    length = width if tokens else channels
    rows = [drawing.constant(random.normal(size=length).astype(np.float32), None) for _ in range(count)]
    made = drawing.add(operator, (name, *rows))
    if tokens:
        drawing.add("Reshape", (made.name,), True, shape=x.shape)


def _shuffle(drawing: Drawing, x: Tensor) -> None:
    """Channels shuffled in groups, or rows and columns exchanged, or channels moved to another place."""
    random = drawing.random
    channels, height, width = x.shape[1:]
    choice = int(random.integers(0, 3))
    if choice == 0:
        drawing.add("Transpose", (x.name,), True, perm=(0, 1, 3, 2))
    elif choice == 1 and channels * height * width <= 2000:
        drawing.add("Transpose", (x.name,), True, perm=(0, *(int(axis) for axis in random.permutation([1, 2, 3]))))
    else:
        groups = next(count for count in (4, 3, 2, 1) if channels % count == 0)
        parted = drawing.add("Reshape", (x.name,), True, shape=(1, groups, channels // groups, height, width))
        turned = drawing.add("Transpose", (parted.name,), True, perm=(0, 2, 1, 3, 4))
        drawing.add("Reshape", (turned.name,), True, shape=(1, channels, height, width))


def _blended(blends: list[Blend]) -> dict[str, Any]:
    """The attributes of a ResizeLinear."""
    rows, columns = blends
    return {
        "rows": rows.first, "row_weights": rows.weights, "row_steps": rows.steps,
        "columns": columns.first, "column_weights": columns.weights, "column_steps": columns.steps,
    }  # fmt: skip


def _head(drawing: Drawing) -> None:
    """A flattening product, sometimes behind a global pool, and another product."""
    random = drawing.random
    x = drawing.tensors[drawing.images[-1]]
    if random.integers(0, 2):
        x = drawing.add("GlobalAveragePool", (x.name,))
    size = int(np.prod(x.shape))
    flat = drawing.add("Reshape", (x.name,), True, shape=(1, size))
    weights, bias = drawing.products(int(random.integers(1, 30)), size)
    hidden = drawing.add("Gemm", (flat.name, weights, bias))
    weights, bias = drawing.products(int(random.integers(1, 30)), hidden.shape[1])
    drawing.add("Gemm", (hidden.name, weights, bias))
