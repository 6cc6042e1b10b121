"""Values that only move behind a DequantizeLinear stay int8: a pair of the same scale goes behind what moves them.

Exporters of quantisation-aware training (Brevitas) and others quantise layers only, so that a Flatten stands between
floats. Exact: what is a multiple of the scale is so wherever it moves to, and quantising it gives the integer back.
"""

import onnx_ir as ir

from lithify.optimize.padding import padding_value
from lithify.optimize.reshape import new_shape
from lithify.quantize import moves, qdq
from lithify.quantize.gathers import chosen_late

_SELECTS = ("MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Split")


def pair_moved(model: ir.Model) -> ir.Model:
    """Puts the pairs where something but a QuantizeLinear reads what was moved."""
    model = model.clone()
    for node in list(model.graph):
        sources = _sources(node)
        own = {source: qdq.parameters_of(source) for source in sources}
        first = own[sources[0]] if sources else None
        if first is None or not all(other is not None and first.same(other) for other in own.values()):
            continue
        reader = node.inputs[0].producer()  # type: ignore[union-attr]
        assert reader is not None
        for output in node.outputs:
            used = any(user.op_type != "QuantizeLinear" for user, _ in output.uses()) or output.is_graph_output()
            if used and output.dtype == ir.DataType.FLOAT:
                _pair(model.graph, node, output, reader)
    return model


def _sources(node: ir.Node) -> list[ir.Value]:
    """The int8 tensors behind the floats that the node moves; none for another node."""
    if node.domain != "":
        return []
    if node.op_type == "Concat":
        found = [qdq.activation(value) for value in node.inputs]
        return [source for source in found if source is not None] if None not in found else []
    moving = (
        node.op_type in _SELECTS
        or new_shape(node) is not None
        or (moves.moved(node) is not None and not (node.op_type == "Pad" and _fills(node)))
        or _is_nearest(node)
        or chosen_late(node)
    )
    indices = len(node.outputs) > 1 and node.op_type == "MaxPool" and bool(node.outputs[1].uses())
    source = qdq.activation(node.inputs[0]) if moving and not indices and node.inputs else None
    return [source] if source is not None else []


def _fills(node: ir.Node) -> bool:
    """Whether a Pad fills with another value than 0.0, which may be no multiple of the scale."""
    return node.attributes.get_string("mode", "constant") == "constant" and padding_value(node) != 0


def _is_nearest(node: ir.Node) -> bool:
    found = moves.resized(node) if node.op_type == "Resize" else None
    return found is not None and found[0] == "ResizeNearest"


def _pair(graph: ir.Graph, node: ir.Node, output: ir.Value, reader: ir.Node) -> None:
    """A pair with the scale of `reader`, the DequantizeLinear before; every user reads behind it."""
    users = list(output.uses())
    down = ir.node("QuantizeLinear", [output, *reader.inputs[1:]], name=f"{output.name}_again")
    up = ir.node("DequantizeLinear", [down.outputs[0], *reader.inputs[1:]], name=f"{output.name}_float")
    for made, dtype, suffix in ((down, qdq.INT8, "again"), (up, ir.DataType.FLOAT, "moved")):
        made.outputs[0].name = f"{output.name}_{suffix}"
        made.outputs[0].type, made.outputs[0].shape = ir.TensorType(dtype), output.shape
    graph.insert_after(node, [down, up])
    for user, index in users:
        user.replace_input_with(index, up.outputs[0])
    if output.is_graph_output():
        name = output.name
        output.name, up.outputs[0].name = f"{name}_before", name
        graph.outputs[list(graph.outputs).index(output)] = up.outputs[0]
