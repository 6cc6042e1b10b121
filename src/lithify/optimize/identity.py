"""Nodes that give back what they got: Identity, Dropout outside training, and Casts to the type that it already is."""

import onnx_ir as ir

from lithify.optimize.values import bypass, constant, integer


def remove_identity(model: ir.Model) -> ir.Model:
    """Removes them. One between an input and an output of the model stays, for both names are the user's."""
    model = model.clone()
    for node in list(model.graph):
        x = node.inputs[0] if node.inputs else None
        if node.domain == "" and x is not None and _is_identity(node, x):
            bypass(node, x)
    return model


def _is_identity(node: ir.Node, x: ir.Value) -> bool:
    if node.op_type == "Cast":
        return x.dtype is not None and integer(node, "to", 0) == x.dtype
    if node.op_type == "Dropout":
        mask = len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output())
        training = node.inputs[2] if len(node.inputs) > 2 else None
        off = constant(training)
        return not mask and (training is None or (off is not None and not off.any()))
    return node.op_type == "Identity"
