"""Networks over sequences [N, C, L] as networks over images [N, C, 1, L], which is what a chip slides windows over."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from lithify.optimize.functions import elementwise, variables
from lithify.optimize.values import add_constant, constant, insert, integer, set_input, shape_of

_WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
_ONES = ("kernel_shape", "strides", "dilations")


def image_sequences(model: ir.Model) -> ir.Model:
    """Rewrites every operator with a window over a sequence, and those behind it that treat elements alike.

    Exact: the same numbers under another shape. Quantised models stay: the pairs around their layers are of sequences.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    images: dict[ir.Value, ir.Value] = {}
    for node in list(model.graph):
        rule = _rule(node, images)
        if rule is not None:
            _as_image(model.graph, node, rule, images)
    return model


Rule = Callable[[ir.Graph, ir.Node], None]


def _rule(node: ir.Node, images: Mapping[ir.Value, ir.Value]) -> Rule | None:
    """How the attributes and constants of the node change; None for a node that stays over sequences."""
    shapes = [shape_of(value) for value in (node.inputs[0] if node.inputs else None, node.outputs[0])]
    if node.domain != "" or any(shape is None or len(shape) != 3 for shape in shapes):
        return None
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]) and node.op_type != "Split":
        return None
    if node.op_type in _WINDOWED:
        weights = constant(node.inputs[1]) if node.op_type.startswith("Conv") else np.zeros(0, np.float32)
        return _window if weights is not None else None
    if not any(value in images for value in node.inputs):
        return None
    others = [value for value in node.inputs if value is not None and constant(value) is None]
    if node.op_type in ("Add", "Sub", "Mul", "Div") and all(len(shape_of(value) or ()) == 3 for value in others):
        return _pair
    if node.op_type == "BatchNormalization" or (elementwise(node) and len(variables(node)) == 1):
        return lambda graph, node: None
    if node.op_type == "Split" or (node.op_type == "Concat" and len(others) == len(node.inputs)):
        return _axis
    if node.op_type == "Slice" and len(node.inputs) > 3 and constant(node.inputs[3]) is not None:
        return _axes
    return None


def _as_image(graph: ir.Graph, node: ir.Node, rule: Rule, images: dict[ir.Value, ir.Value]) -> None:
    name = str(node.name)
    for index, value in enumerate(list(node.inputs)):
        shape = shape_of(value)
        if value is None or constant(value) is not None or shape is None or len(shape) != 3:
            continue
        if value not in images:
            images[value] = _reshaped(graph, node, value, (*shape[:2], 1, shape[2]), f"{name}_image_{index}")
        node.replace_input_with(index, images[value])
    rule(graph, node)
    for index, output in enumerate(list(node.outputs)):
        shape = shape_of(output)
        if shape is None:
            continue
        users, exported = list(output.uses()), output.is_graph_output()
        output.shape = ir.Shape((*shape[:2], 1, shape[2]))
        if not users and not exported:
            continue
        original = output.name
        output.name = f"{original}_image"
        wanted = add_constant(graph, f"{name}_sequence_shape_{index}", np.array(shape, np.int64))
        back = ir.node("Reshape", [output, wanted], name=f"{name}_sequence_{index}")
        graph.insert_after(node, back)
        sequence = back.outputs[0]
        sequence.name, sequence.type, sequence.shape = original, output.type, ir.Shape(shape)
        for user, place in users:
            user.replace_input_with(place, sequence)
        if exported:
            graph.outputs[list(graph.outputs).index(output)] = sequence
        images[sequence] = output


def _reshaped(graph: ir.Graph, before: ir.Node, value: ir.Value, shape: tuple[int, ...], name: str) -> ir.Value:
    wanted = add_constant(graph, f"{name}_shape", np.array(shape, np.int64))
    return insert(ir.node("Reshape", [value, wanted], name=name), before, value, shape)


def _window(graph: ir.Graph, node: ir.Node) -> None:
    """A window of height 1."""
    for name in _ONES:
        if name in node.attributes:
            node.attributes.add(ir.AttrInt64s(name, [1, *node.attributes.get_ints(name, ())]))
    if "pads" in node.attributes:
        before, after = node.attributes.get_ints("pads", (0, 0))
        node.attributes.add(ir.AttrInt64s("pads", [0, before, 0, after]))
    for name in ("output_padding", "output_shape"):
        if name in node.attributes:
            first = 0 if name == "output_padding" else 1
            node.attributes.add(ir.AttrInt64s(name, [first, *node.attributes.get_ints(name, ())]))
    if node.op_type.startswith("Conv"):
        weights = constant(node.inputs[1])
        assert weights is not None
        set_input(node, 1, add_constant(graph, f"{node.name}_weights", np.expand_dims(weights, 2)))


def _pair(graph: ir.Graph, node: ir.Node) -> None:
    for index, value in enumerate(list(node.inputs)):
        data = constant(value)
        if data is not None and data.ndim >= 2:
            set_input(node, index, add_constant(graph, f"{node.name}_constant", np.expand_dims(data, -2)))


def _axis(graph: ir.Graph, node: ir.Node) -> None:
    axis = integer(node, "axis", 0) % 3
    node.attributes.add(ir.AttrInt64("axis", _moved([axis])[0]))


def _axes(graph: ir.Graph, node: ir.Node) -> None:
    axes = constant(node.inputs[3])
    assert axes is not None
    moved = np.array(_moved([int(axis) % 3 for axis in axes.reshape(-1)]), np.int64)
    set_input(node, 3, add_constant(graph, f"{node.name}_axes", moved))


def _moved(axes: Sequence[int]) -> list[int]:
    """The dimensions of a sequence as those of an image."""
    return [3 if axis == 2 else axis for axis in axes]
