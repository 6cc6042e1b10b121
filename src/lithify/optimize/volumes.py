"""Windows over volumes [N, C, D, H, W] as windows over images, which is what a chip slides them over.

A pooling is one over rows and columns, of every slice alone, and then one over slices. A convolution reads the slices
under its window as so many more channels of one image.
"""

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, constant, insert, integer, set_input, shape_of

_POOLS = ("MaxPool", "AveragePool")
_GLOBAL = ("GlobalMaxPool", "GlobalAveragePool")
Shape = tuple[int, ...]
Attributes = dict[str, Sequence[int] | int]


def image_volumes(model: ir.Model) -> ir.Model:
    """Rewrites Conv, MaxPool, AveragePool and the global poolings over volumes. Differs by rounding only.

    Those with a run-time weight, with indices as outputs, and quantised models stay.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        before, after = shape_of(node.inputs[0]) if node.inputs else None, shape_of(node.outputs[0])
        if node.domain != "" or before is None or after is None or len(before) != 5:
            continue
        if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
            continue
        if node.op_type == "Conv":
            _conv(model.graph, node, before, after)
        elif node.op_type in _POOLS:
            _pool(model.graph, node, before, after)
        elif node.op_type in _GLOBAL:
            _become(model.graph, node, node.op_type, [], (*before[:2], before[2], math.prod(before[3:])), after)
    return model


class _Window:
    """A node's window over slices, rows and columns, with its pads as they come to."""

    def __init__(self, node: ir.Node, kernel: Shape, before: Shape, after: Shape) -> None:
        attributes = node.attributes
        self.kernel = kernel
        self.strides = tuple(int(size) for size in attributes.get_ints("strides", (1, 1, 1)))
        self.dilations = tuple(int(size) for size in attributes.get_ints("dilations", (1, 1, 1)))
        pads = tuple(int(size) for size in attributes.get_ints("pads", (0,) * 6))
        kind = attributes.get_string("auto_pad", "NOTSET")
        if kind in ("SAME_UPPER", "SAME_LOWER"):
            spans = [(size - 1) * step + 1 for size, step in zip(kernel, self.dilations, strict=True)]
            wanted = [
                max((out - 1) * stride + span - size, 0)
                for out, stride, span, size in zip(after[2:], self.strides, spans, before[2:], strict=True)
            ]
            less, more = [size // 2 for size in wanted], [size - size // 2 for size in wanted]
            pads = (*less, *more) if kind == "SAME_UPPER" else (*more, *less)
        self.pads = pads

    def attributes(self, axes: Sequence[int]) -> dict[str, list[int]]:
        """As a window over these of the three dimensions; over one, that is the rows of an image of one column."""
        one, none = [1] * (2 - len(axes)), [0] * (2 - len(axes))
        less, more = ([self.pads[place + axis] for axis in axes] for place in (0, 3))
        found = {
            "kernel_shape": [*(self.kernel[axis] for axis in axes), *one],
            "strides": [*(self.strides[axis] for axis in axes), *one],
            "pads": [*less, *none, *more, *none],
        }
        if any(self.dilations[axis] != 1 for axis in axes):  # which older poolings do not have
            found["dilations"] = [*(self.dilations[axis] for axis in axes), *one]
        return found


def _pool(graph: ir.Graph, node: ir.Node, before: Shape, after: Shape) -> None:
    """What counts under a window is a product of what counts in each dimension, so a mean is a mean of means."""
    kernel = tuple(int(size) for size in node.attributes.get_ints("kernel_shape", ()))
    window = _Window(node, kernel, before, after)
    name, x = str(node.name), node.inputs[0]
    assert x is not None
    kept = {
        key: integer(node, key, 0) for key in ("ceil_mode", "count_include_pad") if node.attributes.get(key) is not None
    }
    slices = _reshaped(graph, node, x, (before[0], before[1] * before[2], *before[3:]), f"{name}_slices")
    flat = (before[0], before[1] * before[2], *after[3:])
    attributes: Attributes = {**window.attributes((1, 2)), **kept}
    pooled = insert(ir.node(node.op_type, [slices], attributes, name=f"{name}_of_slices"), node, x, flat)
    pooled.name = f"{node.outputs[0].name}_of_slices"
    columns = (*before[:3], math.prod(after[3:]))
    _become(graph, node, node.op_type, [], columns, after, {**window.attributes((0,)), **kept}, pooled)


def _conv(graph: ir.Graph, node: ir.Node, before: Shape, after: Shape) -> None:
    """[N, C, D, H, W] -> slices as images [N * D', groups of kd * C / groups, H, W] -> one Conv -> back."""
    weights = constant(node.inputs[1])
    x = node.inputs[0]
    if weights is None or weights.dtype != np.float32 or x is None:
        return
    outputs, per_group, deep = weights.shape[:3]
    window = _Window(node, tuple(int(size) for size in weights.shape[2:]), before, after)
    groups, name = integer(node, "group", 1), str(node.name)
    batch, channels, depth = before[:3]
    if window.pads[0] or window.pads[3]:
        depth += window.pads[0] + window.pads[3]
        pads = np.array([0, 0, window.pads[0], 0, 0, 0, 0, window.pads[3], 0, 0], np.int64)
        padding = add_constant(graph, f"{name}_depth_pads", pads)
        x = insert(ir.node("Pad", [x, padding], name=f"{name}_padded"), node, x, (batch, channels, depth, *before[3:]))
        x.name = f"{node.outputs[0].name}_padded"
    parts = []
    for group in range(groups):
        for tap in range(deep):
            first, step = tap * window.dilations[0], window.strides[0]
            starts = (group * per_group, first)
            ends = ((group + 1) * per_group, first + (after[2] - 1) * step + 1)
            shape = (batch, per_group, after[2], *before[3:])
            if (starts, ends, step) == ((0, 0), (channels, depth), 1):
                parts.append(x)
                continue
            operands = [
                add_constant(graph, f"{name}_{what}_{group}_{tap}", np.array(values, np.int64))
                for what, values in (("starts", starts), ("ends", ends), ("axes", (1, 2)), ("steps", (1, step)))
            ]
            parts.append(insert(ir.node("Slice", [x, *operands], name=f"{name}_tap_{group}_{tap}"), node, x, shape))
            parts[-1].name = f"{node.outputs[0].name}_tap_{group}_{tap}"
    wide = channels * deep
    joined = parts[0]
    if len(parts) > 1:
        made = ir.node("Concat", parts, {"axis": 1}, name=f"{name}_taps")
        joined = insert(made, node, x, (batch, wide, after[2], *before[3:]))
        joined.name = f"{node.outputs[0].name}_taps"
    order = {"perm": [0, 2, 1, 3, 4]}
    turned = insert(ir.node("Transpose", [joined], order, name=f"{name}_turned"), node, x,
                    (batch, after[2], wide, *before[3:]))  # fmt: skip
    turned.name = f"{node.outputs[0].name}_turned"
    images = _reshaped(graph, node, turned, (batch * after[2], wide, *before[3:]), f"{name}_images")
    flat = weights.transpose(0, 2, 1, 3, 4).reshape(outputs, deep * per_group, *weights.shape[3:])
    planes = add_constant(graph, f"{name}_weights", np.ascontiguousarray(flat))
    attributes: Attributes = {**window.attributes((1, 2)), "group": groups}
    product = ir.node("Conv", [images, planes, *node.inputs[2:]], attributes, name=f"{name}_of_images")
    made_images = insert(product, node, x, (batch * after[2], outputs, *after[3:]))
    made_images.name = f"{node.outputs[0].name}_of_images"
    apart = _reshaped(graph, node, made_images, (batch, after[2], outputs, *after[3:]), f"{name}_apart")
    node.op_type = "Transpose"
    node.attributes.clear()
    node.attributes.add(ir.AttrInt64s("perm", order["perm"]))
    node.resize_inputs(1)
    set_input(node, 0, apart)


def _become(
    graph: ir.Graph,
    node: ir.Node,
    operator: str,
    others: Sequence[ir.Value],
    shape: Shape,
    after: Shape,
    attributes: Attributes | None = None,
    x: ir.Value | None = None,
) -> None:
    """Reshape, the operator over [N, C, D, rest], and the node as the Reshape behind it."""
    source = x if x is not None else node.inputs[0]
    assert source is not None
    name = str(node.name)
    seen = _reshaped(graph, node, source, shape, f"{name}_columns")
    made = insert(ir.node(operator, [seen, *others], attributes or {}, name=f"{name}_over_slices"), node, source,
                  (*shape[:2], after[2], math.prod(after[3:])))  # fmt: skip
    made.name = f"{node.outputs[0].name}_over_slices"
    node.op_type = "Reshape"
    node.attributes.clear()
    node.resize_inputs(2)
    set_input(node, 0, made)
    set_input(node, 1, add_constant(graph, f"{name}_shape", np.array(after, np.int64)))


def _reshaped(graph: ir.Graph, node: ir.Node, value: ir.Value, shape: Shape, name: str) -> ir.Value:
    dims = add_constant(graph, f"{name}_shape", np.array(shape, np.int64))
    made = insert(ir.node("Reshape", [value, dims], name=name), node, value, shape)
    made.name = f"{name}_reshaped"
    return made
