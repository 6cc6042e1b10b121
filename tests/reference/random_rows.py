"""Random nodes along the rows of an int8 tensor."""

import numpy as np
from numpy.random import Generator

from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.reference.quantized_rows import REDUCTIONS
from lithify.reference.rows import row_length
from reference.random_layers import zero_point


def shape(random: Generator) -> tuple[int, ...]:
    """Rows within a strip of 64, of whole strips, and that end within one."""
    columns = int(random.choice([1, 2, 10, 63, 64, 65, 100, 128, 197, 320]))
    rows = int(random.integers(1, 9))
    return ((columns,), (rows, columns), (2, rows, columns), (1, columns, 2, rows))[int(random.integers(0, 4))]


def softmax(random: Generator) -> Graph:
    """Flat and steep ones, with the steps of 1/256 that they mostly have and others."""
    dims = shape(random)
    x = Tensor("x", dims, "int8", np.float32(np.exp(random.uniform(-5, 1))), zero_point(random))
    step = np.float32(1 / 256) if random.integers(0, 2) else np.float32(np.exp(random.uniform(-8, 0)))
    y = Tensor("y", dims, "int8", step, zero_point(random))
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (make_node("softmax", "Softmax", ("x",), ("y",)),))


def masked_softmax(random: Generator) -> Graph:
    """Masks of one row, of some that the rows take in turn, and of all; each keeps its first element at least."""
    columns, rows = int(random.choice([1, 2, 10, 64, 65, 128, 197])), int(random.integers(1, 6))
    dims = ((rows, columns), (3, rows, columns))[int(random.integers(0, 2))]
    period = int(random.choice([1, rows, rows * 3 if len(dims) == 3 else rows]))
    keep = (random.random((period, columns)) < 0.6).astype(np.int8)
    keep[:, 0] = 1
    x = Tensor("x", dims, "int8", np.float32(np.exp(random.uniform(-5, 1))), zero_point(random))
    y = Tensor("y", dims, "int8", np.float32(1 / 256), -128)
    mask = Tensor("mask", keep.shape, "int8", np.float32(1), 0)
    node = make_node("masked", "MaskedSoftmax", ("x", "mask"), ("y",))
    return Graph("g", ("x",), ("y",), {"x": x, "y": y, "mask": mask}, {"mask": keep}, (node,))


def reduction(random: Generator) -> Graph:
    """Of any kind, with a step of the result that lets it lie within int8."""
    dims = shape(random)
    operator = list(REDUCTIONS)[int(random.integers(0, len(REDUCTIONS)))]
    scale = float(np.exp(random.uniform(-5, 1)))
    columns = row_length(dims)
    most = {
        "ReduceL1": 128 * scale * columns,
        "ReduceSumSquare": (128 * scale) ** 2 * columns,
        "ReduceL2": 128 * scale * np.sqrt(columns),
        "ReduceProd": np.exp(np.clip(columns * np.log(40 * scale), -60, 60)),
        "ReduceLogSum": np.log(columns) + 10,
        "ReduceLogSumExp": 256 * scale + np.log(columns),
    }
    x = Tensor("x", dims, "int8", np.float32(scale), zero_point(random))
    y = Tensor("y", dims, "int8", np.float32(most[operator] / 200), zero_point(random))
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (make_node("reduced", operator, ("x",), ("y",)),))


def search(random: Generator) -> Graph:
    """Of one byte and of two; of few values, so that many are equal."""
    columns = int(random.choice([1, 2, 10, 64, 100, 256, 257, 700]))
    dims = ((columns,), (5, columns), (1, columns, 2, 3))[int(random.integers(0, 3))]
    x = Tensor("x", dims, "int8", np.float32(0.1), zero_point(random))
    y = Tensor("y", dims, "int8", np.float32(1), -128)
    operator = ("ArgMax", "ArgMin")[int(random.integers(0, 2))]
    byte = int(random.integers(0, 2)) if columns > 256 else 0
    node = make_node("search", operator, ("x",), ("y",), last=int(random.integers(0, 2)), byte=byte)
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (node,))


def lp_normalization(random: Generator) -> Graph:
    """Of both kinds."""
    dims = shape(random)
    x = Tensor("x", dims, "int8", np.float32(0.1), zero_point(random))
    y = Tensor("y", dims, "int8", np.float32(1 / 128), zero_point(random))
    node = make_node("normal", "LpNormalization", ("x",), ("y",), p=int(random.integers(1, 3)))
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (node,))


def group_norm(random: Generator) -> Graph:
    """Groups of one channel, and of several whose values are whole words."""
    groups, several = int(random.integers(1, 5)), bool(random.integers(0, 2))
    channels = groups * (int(random.integers(2, 4)) if several else 1)
    dims = (1, channels, int(random.choice([16, 48, 64]) if several else random.choice([1, 20, 63, 100])))
    x = Tensor("x", dims, "int8", np.float32(np.exp(random.uniform(-6, 2))), zero_point(random))
    y = Tensor("y", dims, "int8", np.float32(np.exp(random.uniform(-5, -2))), zero_point(random))
    constants = {name: random.normal(size=channels).astype(np.float32) for name in ("scale", "bias")}
    tensors = {name: Tensor(name, row.shape, "float32") for name, row in constants.items()} | {"x": x, "y": y}
    values = dims[2] - int(random.integers(1, dims[2])) if several and random.integers(0, 2) else 0
    node = make_node("norm", "GroupNormalization", ("x", *constants), ("y",), groups=groups, values=values)
    return Graph("g", ("x",), ("y",), tensors, constants, (node,))


BODIES = (
    ("y = divide(a, b)",),
    ("y = power_near(a, b)",),
    ("y = maximum(a, b)",),
    ("v0 = less(a, b)", "y = select(v0, a, 0.25)"),
    ("v0 = less(b, a)", "v1 = equal(a, b)", "v2 = maximum(v0, v1)", "v3 = less(0.5, v2)", "y = select(v3, b, a)"),
    ("v0 = sigmoid(a)", "y = multiply(v0, b)"),
    ("v0 = subtract(a, b)", "v1 = absolute(v0)", "y = divide(1, v1)"),
)
"""Expressions of two tensors, as `optimize/expressions.py` writes them, and others."""


def elementwise(random: Generator) -> Graph:
    """Of an input and a constant, of rows or of images, whose pixels end within words or with them."""
    channels = int(random.choice([1, 3, 8, 16, 20, 64, 100]))
    height, width = (int(size) for size in random.integers(1, 9, 2))
    dims = ((height, channels), (1, channels, height, width), (2, height, channels))[int(random.integers(0, 3))]
    names = ("x", "b", "y")
    tensors = {
        name: Tensor(name, dims, "int8", np.float32(np.exp(random.uniform(-6, 0))), zero_point(random))
        for name in names
    }
    low, high = sorted(int(entry) for entry in random.integers(-128, 128, 2))
    limits = (-128, 127) if random.integers(0, 2) else (low, high)
    body = BODIES[int(random.integers(0, len(BODIES)))]
    node = make_node("expression", "Elementwise", ("x", "b"), ("y",), body=body, minimum=limits[0], maximum=limits[1])
    b = random.integers(-128, 128, dims).astype(np.int8)
    return Graph("g", ("x",), ("y",), tensors, {"b": b}, (node,))


def log_softmax(random: Generator) -> Graph:
    """With steps that let most results lie within int8."""
    dims, scale = shape(random), np.float32(np.exp(random.uniform(-5, 1)))
    x = Tensor("x", dims, "int8", scale, zero_point(random))
    y = Tensor("y", dims, "int8", np.float32(scale * random.uniform(0.3, 1.2)), int(random.integers(60, 128)))
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (make_node("log", "LogSoftmax", ("x",), ("y",)),))


def norm(random: Generator, operator: str) -> Graph:
    """LayerNormalization or RMSNormalization; scale and bias sometimes of one number."""
    dims = shape(random)
    x = Tensor("x", dims, "int8", np.float32(np.exp(random.uniform(-6, 2))), zero_point(random))
    y = Tensor("y", dims, "int8", np.float32(np.exp(random.uniform(-5, -2))), zero_point(random))
    constants = {}
    for name in ("scale", "bias")[: 1 + (operator == "LayerNormalization")]:
        row = random.normal(size=row_length(dims)) + (name == "scale")
        constants[name] = (row if random.integers(0, 4) else np.full_like(row, row[0])).astype(np.float32)
    tensors = {name: Tensor(name, row.shape, "float32") for name, row in constants.items()} | {"x": x, "y": y}
    epsilon = float(np.exp(random.uniform(-30, -5)))
    node = make_node("norm", operator, ("x", *constants), ("y",), epsilon=epsilon)
    return Graph("g", ("x",), ("y",), tensors, constants, (node,))


ROWS = {
    "softmax": softmax,
    "masked softmax": masked_softmax,
    "elementwise": elementwise,
    "reduction": reduction,
    "search": search,
    "lp normalization": lp_normalization,
    "group norm": group_norm,
    "log softmax": log_softmax,
    "layer norm": lambda random: norm(random, "LayerNormalization"),
    "rms norm": lambda random: norm(random, "RMSNormalization"),
}
