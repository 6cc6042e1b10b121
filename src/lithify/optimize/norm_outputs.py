"""LayerNormalization that also gives the mean and the inverse deviation of its rows: each by operators of its own."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, insert, integer, set_input, shape_of

_AXES_ARE_INPUTS = 18
"""The operator set since which a reduction's axes are."""


def split_norm_outputs(model: ir.Model) -> ir.Model:
    """Mean is ReduceMean, the inverse deviation 1 / Sqrt(ReduceL2(x - Mean)^2 / n + epsilon). Differs by rounding."""
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        x = node.inputs[0] if node.inputs else None
        shape = shape_of(x)
        wanted = [value.uses() or value.is_graph_output() for value in node.outputs[1:]]
        if node.domain == "" and node.op_type == "LayerNormalization" and x is not None and shape and any(wanted):
            _split(model.graph, node, x, shape)
    return model


def _split(graph: ir.Graph, node: ir.Node, x: ir.Value, shape: tuple[int, ...]) -> None:
    first = integer(node, "axis", -1) % len(shape)
    places = list(range(first, len(shape)))
    since = graph.opset_imports.get("", 0) >= _AXES_ARE_INPUTS
    axes = [add_constant(graph, f"{node.name}_axes", np.array(places))] if since else []
    attributes = {} if since else {"axes": places}
    kept = (*shape[:first], *(1 for _ in shape[first:]))
    count = np.array(np.prod(shape[first:]), np.float32)
    epsilon = np.array(node.attributes.get_float("epsilon", 1e-5), np.float32)
    name = str(node.name)

    def made(operator: str, inputs: list[ir.Value], what: str, result: tuple[int, ...]) -> ir.Value:
        own = attributes if operator.startswith("Reduce") else {}
        value = insert(ir.node(operator, inputs, own, name=f"{name}_{what}"), node, x, result)
        value.name = f"{name}_{what}"
        return value

    mean = made("ReduceMean", [x, *axes], "mean", kept)
    parts = {1: mean}
    if len(node.outputs) > 2 and (node.outputs[2].uses() or node.outputs[2].is_graph_output()):
        around = made("Sub", [x, mean], "around", shape)
        size = made("ReduceL2", [around, *axes], "size", kept)
        square = made("Mul", [size, size], "square", kept)
        variance = made("Div", [square, add_constant(graph, f"{name}_count", count)], "variance", kept)
        more = made("Add", [variance, add_constant(graph, f"{name}_epsilon", epsilon)], "more", kept)
        parts[2] = made("Reciprocal", [made("Sqrt", [more], "root", kept)], "inverse", kept)
    for index, value in parts.items():
        old = node.outputs[index]
        if old.is_graph_output():
            label = old.name
            old.replace_all_uses_with(value, replace_graph_outputs=True)
            old.name, value.name = f"{label}_replaced", label
        else:
            old.replace_all_uses_with(value)
    node.resize_outputs(1)
    set_input(node, 0, x)
