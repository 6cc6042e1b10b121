"""How each operator is shared out: for every layout of what it makes, the layouts of what it reads.

A way is exact: each chip computes some of the results from the very operands, in the very order, that one chip takes
for them, so every bit stays. Products are cut along what they make (output channels, heads, rows), never along what
they sum over: sums of int32 would be four times the bytes of the int8 operands that are exchanged instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from lithify.cluster.layout import WHOLE, Layout, even
from lithify.reference.graph import Graph, Node


@dataclass(frozen=True)
class Way:
    """inputs: the layout that each input is read in, WHOLE for one that is absent; output: of all outputs."""

    inputs: tuple[Layout, ...]
    output: Layout


Shapes = tuple[tuple[int, ...], ...]
Rule = Callable[[Node, Shapes, tuple[int, ...], Layout], "tuple[Layout, ...] | None"]
"""From a node, the shapes of its inputs, that of its output and the layout of that to those of the inputs; None where
the operator cannot be shared out so.
"""


def ways(graph: Graph, node: Node, chips: int, unit: int) -> tuple[Way, ...]:
    """Every way to share a node out: each chip does all of it, or its part along one axis of the result.

    unit: channels that a chip takes at once.
    """
    found = [Way(tuple(WHOLE for _ in node.inputs), WHOLE)]
    rule = RULES.get(node.operator)
    if rule is None:
        return tuple(found)
    shapes = tuple(graph.tensors[name].shape if name else () for name in node.inputs)
    shape = graph.tensors[node.outputs[0]].shape
    for axis, size in enumerate(shape):
        channels = axis == (1 if len(shape) == 4 else len(shape) - 1)
        units = [unit if channels else 1]
        if node.operator == "Reshape":
            units += _merged(shapes[0], shape, axis)
        for layout in dict.fromkeys(even(size, axis, chips, own) for own in units):
            inputs = None if layout is None else rule(node, shapes, shape, layout)
            if layout is not None and inputs is not None:
                found.append(Way(inputs, layout))
    return tuple(found)


def _merged(own: tuple[int, ...], shape: tuple[int, ...], axis: int) -> list[int]:
    """Entries of an axis of a Reshape's result that are one of an axis of its input: 64 channels that are a head."""
    before, inner = prod(shape[:axis]), prod(shape[axis + 1 :])
    within = [prod(own[place + 1 :]) for place in range(len(own)) if prod(own[:place]) == before and own[place] > 1]
    return [size // inner for size in within if inner and size > inner and size % inner == 0]


def _each(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    """Element by element: operands are cut alike, but along a dimension of size 1; a table is whole."""
    found = []
    for index, own in enumerate(shapes):
        axis = layout.axis - (len(shape) - len(own))
        table = node.operator == "Lookup" and index == 1
        if table or axis < 0 or own[axis] == 1:
            found.append(WHOLE)
        else:
            found.append(Layout(axis, layout.bounds))
    return tuple(found)


def _row(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    """Along rows: any axis but that of the row; constants of a row are whole."""
    along = 1 if len(shape) == 4 else len(shape) - 1
    return None if layout.axis == along else (layout, *(WHOLE for _ in shapes[1:]))


def _gemm(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    if layout.axis == len(shape) - 1:
        return _columns(WHOLE, shapes, layout)
    return (layout, *(WHOLE for _ in shapes[1:]))


def _columns(x: Layout, shapes: Shapes, layout: Layout) -> tuple[Layout, ...]:
    """Weights, and a bias if there is one, cut along their first axis."""
    return (x, *(Layout(0, layout.bounds) if own else WHOLE for own in shapes[1:]))


def _matmul(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    """[B, M, K] and [B, N, K]: heads, rows of the first, rows of the second."""
    a, b = shapes
    if layout.axis == len(shape) - 1:
        return WHOLE, Layout(len(b) - 2, layout.bounds)
    if layout.axis == len(shape) - 2:
        return Layout(len(a) - 2, layout.bounds), WHOLE
    sides = [layout if len(own) == 3 and own[0] > 1 else WHOLE for own in shapes]
    return sides[0], sides[1]


def _conv(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    """Images of a batch, output channels, or whole groups of them with the channels that they read."""
    if layout.axis == 0:
        return (layout, *(WHOLE for _ in shapes[1:]))
    if layout.axis != 1:
        return None
    group = node.attributes["group"]
    if group == 1:
        return _columns(WHOLE, shapes, layout)
    made = shape[1] // group
    if node.operator == "ConvTranspose" or any(bound % made for bound in layout.bounds):
        return None
    x = layout.scaled(1, shapes[0][1] // group, made)
    return None if x is None else _columns(x, shapes, layout)


def _image(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    """Every channel of every image by itself."""
    return (layout,) if layout.axis < 2 else None


def _reduced(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    """Any axis that is not reduced, counted in the input."""
    axes = node.attributes["axes"]
    kept = [axis for axis in range(len(shapes[0])) if axis not in axes]
    if node.attributes["keepdims"]:
        return (layout,) if layout.axis in kept else None
    return (Layout(kept[layout.axis], layout.bounds),)


def _reshape(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    """The axis of the input that begins at the same element, where the bounds fall between its entries."""
    before, inner = prod(shape[: layout.axis]), prod(shape[layout.axis + 1 :])
    (own,) = shapes
    for axis, size in enumerate(own):
        if size > 1 and prod(own[:axis]) == before:
            found = layout.scaled(axis, inner, prod(own[axis + 1 :]))
            # An axis of other size may end earlier than the bounds do.
            return (found,) if found is not None and found.bounds[-1] == size else None
    return None


def _transpose(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    return (Layout(node.attributes["perm"][layout.axis], layout.bounds),)


def _concat(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    return None if layout.axis == node.attributes["axis"] else tuple(layout for _ in shapes)


def _slice(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    return None if layout.axis in node.attributes["axes"] else (layout,)


def _pad(node: Node, shapes: Shapes, shape: tuple[int, ...], layout: Layout) -> tuple[Layout, ...] | None:
    pads, rank = node.attributes["pads"], len(shape)
    return None if pads[layout.axis] or pads[layout.axis + rank] else (layout,)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("Quantize", "Dequantize", "Signed", "Unsigned", "Truth", "Clip", "Lookup"), _each),
        **dict.fromkeys(("Add", "Sub", "Mul", "Elementwise"), _each),
        **dict.fromkeys(("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "LpNormalization"), _row),
        "Gemm": _gemm,
        "MatMul": _matmul,
        **dict.fromkeys(("Conv", "ConvTranspose"), _conv),
        **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "ResizeNearest", "ResizeLinear"), _image),
        **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), _reduced),
        "Reshape": _reshape,
        "Transpose": _transpose,
        "Concat": _concat,
        "Slice": _slice,
        "Pad": _pad,
    }
)
"""What is not here is done whole by every chip."""
