"""Weights that a QDQ model quantises or turns while it runs are stored quantised and turned instead: the same bits."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, bypass, constant
from lithify.quantize.qdq import INT8, parameters


def store_weights(model: ir.Model) -> ir.Model:
    """Computes every QuantizeLinear of a constant, and moves a Transpose of stored weights before their scale."""
    model = model.clone()
    for node in list(model.graph):
        if node.op_type == "QuantizeLinear":
            _store(model.graph, node)
        elif node.op_type == "Transpose":
            _turn(model.graph, node)
    return model


def _store(graph: ir.Graph, node: ir.Node) -> None:
    data, own = constant(node.inputs[0]), parameters(node)
    if data is None or own is None or own.dtype not in (INT8, ir.DataType.UINT8) or data.dtype != np.float32:
        return
    if node.outputs[0].is_graph_output():
        return
    along = [-1 if index == own.axis % data.ndim else 1 for index in range(data.ndim)] if own.scale.shape else []
    scale, zero = own.scale.astype(np.float32).reshape(along), own.zero_point.astype(np.float32).reshape(along)
    limits = np.iinfo(own.dtype.numpy())
    steps = np.clip(np.rint(data / scale) + zero, limits.min, limits.max).astype(own.dtype.numpy())
    node.outputs[0].replace_all_uses_with(add_constant(graph, f"{node.outputs[0].name}_stored", steps))
    graph.remove(node, safe=True)


def _turn(graph: ir.Graph, node: ir.Node) -> None:
    value = node.inputs[0]
    read = value.producer() if value is not None else None
    own = parameters(read) if read is not None and read.op_type == "DequantizeLinear" else None
    data = constant(read.inputs[0]) if read is not None and own is not None else None
    if read is None or own is None or data is None or node.outputs[0].is_graph_output():
        return
    order = [int(axis) for axis in node.attributes.get_ints("perm", tuple(reversed(range(data.ndim))))]
    turned = add_constant(graph, f"{node.outputs[0].name}_stored", data.transpose(order))
    scales = [turned, *read.inputs[1:]]
    axis = order.index(own.axis % data.ndim) if own.scale.shape else 1
    made = ir.node("DequantizeLinear", scales, attributes={"axis": axis}, name=f"{node.name}_stored")
    made.outputs[0].type, made.outputs[0].shape = node.outputs[0].type, node.outputs[0].shape
    graph.insert_before(node, made)
    bypass(node, made.outputs[0])
