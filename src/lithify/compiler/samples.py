"""Samples: does a network work on each sample of its batch by itself? Then fewer of them can be given.

A tensor is batched if its elements, in their order, are equally many for each sample, one sample after the other, and
made from that sample alone. What is not known to keep that stops at its node.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx

from lithify.reference.graph import Graph, Node
from lithify.reference.rows import SEARCHES


@dataclass(frozen=True)
class Batch:
    """size: samples of a run; 1 where they cannot be told apart. batched: tensors. mixed: why not, in words that follow
    "the network": the first node that mixes samples; empty where there is one sample or none does.
    """

    size: int
    batched: frozenset[str] = frozenset()
    mixed: str = ""


def batch_of(graph: Graph) -> Batch:
    """The batch of a graph: dimension 0 of all its inputs and outputs."""
    ends = [graph.tensors[name].shape for name in (*graph.inputs, *graph.outputs)]
    sizes = {shape[0] if shape else 1 for shape in ends}
    size = max(sizes, default=1)
    if size == 1:
        return Batch(1)
    if len(sizes) > 1:
        return Batch(1, mixed="has inputs and outputs of several sizes in dimension 0")
    batched = set(graph.inputs)
    for node in graph.nodes:
        if not any(name in batched for name in node.inputs):
            continue
        if not _keeps(graph, node, size, batched):
            return Batch(1, mixed=f"mixes samples, or may do so, in '{node.name}' ({node.operator})")
        batched.update(node.outputs)
    if not batched.issuperset(graph.outputs):
        return Batch(1, mixed="has an output that does not depend on its input")
    return Batch(size, frozenset(batched))


_ANYWHERE = ("Quantize", "Dequantize", "Signed", "Unsigned", "Truth", "Indices", "Reshape", "Clip", "Lookup")
"""Operators that leave all elements in their order."""

_IMAGES = (
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "ResizeNearest", "ResizeLinear"),
    *("DepthToSpace", "SpaceToDepth", "Gemm"),
)
"""Operators that work along every dimension but the first."""

_ROWS = ("Softmax", "MaskedSoftmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", *SEARCHES)
_HOST = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh", "Relu", "Exp", "Identity", "Cast")


def _keeps(graph: Graph, node: Node, size: int, batched: set[str]) -> bool:
    """Whether what a node makes is batched."""
    if node.operator in _ANYWHERE:
        return True
    own = [name for name in node.inputs if name in batched]
    # Elsewhere samples must be apart in dimension 0.
    if any(not shape or shape[0] % size for shape in (graph.tensors[name].shape for name in (*own, *node.outputs))):
        return False
    rule = _RULES.get(node.operator)
    return rule is not None and rule(graph, node, batched)


def _first(graph: Graph, node: Node, batched: set[str]) -> bool:
    """Only the first input may be batched."""
    return all(name not in batched for name in node.inputs[1:])


def _rows(graph: Graph, node: Node, batched: set[str]) -> bool:
    """A row is all of the last dimension. A second tensor of fewer rows, which are taken in turn, is of no sample."""
    rows = {graph.tensors[name].shape[:-1] for name in node.inputs if name in batched}
    return len(rows) == 1 and rows != {()}


def _together(graph: Graph, node: Node, batched: set[str]) -> bool:
    """Elements at one place, along dimension 0 too; what is constant is the same for every sample."""
    y = graph.tensors[node.outputs[0]].shape
    for name in node.inputs:
        shape = graph.tensors[name].shape
        if name in batched and (len(shape) != len(y) or shape[0] != y[0]):
            return False
        if name not in batched and len(shape) == len(y) and shape[0] != 1:
            data = graph.constants.get(name)
            if data is None or not (data == data[:1]).all():
                return False
    return True


def _matmul(graph: Graph, node: Node, batched: set[str]) -> bool:
    shapes = {name: graph.tensors[name].shape for name in node.inputs[:2]}
    a, b = node.inputs[:2]
    if b in batched and len(shapes[b]) < 3:
        return False
    leading = {shape[0] for name, shape in shapes.items() if name in batched}
    rank = max(map(len, shapes.values()))
    alike = len(leading) == 1 and all(len(shapes[name]) == rank for name in shapes if name in batched)
    return alike and (a not in batched or len(shapes[a]) >= 2)


def _along(key: str) -> Callable[[Graph, Node, set[str]], bool]:
    """Work along dimensions that an attribute names, of which the first is none."""

    def rule(graph: Graph, node: Node, batched: set[str]) -> bool:
        axes = node.attributes[key]
        return 0 not in (axes if isinstance(axes, tuple) else (axes,)) and _first(graph, node, batched)

    return rule


def _concat(graph: Graph, node: Node, batched: set[str]) -> bool:
    return node.attributes["axis"] != 0 and _together(graph, node, batched)


def _pad(graph: Graph, node: Node, batched: set[str]) -> bool:
    pads: tuple[int, ...] = node.attributes["pads"]
    return pads[0] == pads[len(pads) // 2] == 0


def _gather(graph: Graph, node: Node, batched: set[str]) -> bool:
    table, indices = node.inputs
    axis = node.attributes["axis"]
    return (axis == 0 and table not in batched) or (axis != 0 and indices not in batched)


def _host(graph: Graph, node: Node, batched: set[str]) -> bool:
    """Functions of single numbers, and Softmax along another dimension than the first."""
    model = onnx.ModelProto.FromString(node.attributes["model"])
    for made in model.graph.node:
        axis = next((entry.i for entry in made.attribute if entry.name == "axis"), -1)
        if made.op_type not in _HOST or axis == 0:
            return False
    shapes = [graph.tensors[name].shape for name in (*node.inputs, *node.outputs)]
    return all(len(shape) > 1 and math.prod(shape) == math.prod(shapes[0]) for shape in shapes)


_RULES: Mapping[str, Callable[[Graph, Node, set[str]], bool]] = MappingProxyType(
    {
        **dict.fromkeys(_IMAGES, _first),
        **dict.fromkeys(_ROWS, _rows),
        **dict.fromkeys(("Add", "Sub", "Mul", "Elementwise"), _together),
        "MatMul": _matmul,
        "Transpose": lambda graph, node, batched: node.attributes["perm"][0] == 0,
        "Slice": _along("axes"),
        "Split": _along("axis"),
        **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), _along("axes")),
        "Concat": _concat,
        "Pad": _pad,
        "Expand": lambda graph, node, batched: (
            len(node.attributes["shape"]) == len(graph.tensors[node.inputs[0]].shape)
            and node.attributes["shape"][0] in (1, graph.tensors[node.inputs[0]].shape[0])
        ),
        "Tile": lambda graph, node, batched: node.attributes["repeats"][0] == 1,
        "Gather": _gather,
        "Host": _host,
    }
)


def samples_of(shape: tuple[int, ...], size: int) -> np.ndarray:
    """Of a batched tensor's image: which sample the channels of each pixel are of, the first of them: [height, width].

    0 where a pixel holds channels of several.
    """
    if len(shape) == 4:
        count, _, height, width = shape
        if count % size:
            return np.zeros((count * height, width), np.int32)
        rows = np.arange(count * height) // height // (count // size)
        return np.broadcast_to(rows[:, None], (count * height, width)).astype(np.int32)
    pixels = math.prod(shape[:-1])
    if pixels % size:
        return np.zeros((1, pixels), np.int32)
    return (np.arange(pixels) // (pixels // size)).astype(np.int32)[None, :]
