"""A Transpose before an image is flattened for a dense layer goes into the layer's weights: rows in another order.

Channels-last models flatten [H, W, C]; here images are [C, H, W], and a matrix product does not mind the order.
"""

import math

import numpy as np
import onnx_ir as ir

from lithify.optimize.reshape import new_shape
from lithify.optimize.transposes import perm_of
from lithify.optimize.values import add_constant, constant, integer, producer, shape_of, used_once


def fold_flattened(model: ir.Model) -> ir.Model:
    """Folds it for Gemm and MatMul with stored weights, float or behind a DequantizeLinear."""
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type in ("Gemm", "MatMul") and not integer(node, "transA", 0):
            _fold(model.graph, node)
    return model


def _fold(graph: ir.Graph, node: ir.Node) -> None:
    flat = _through_pairs(node.inputs[0])
    reshape = flat.producer() if flat is not None else None
    if flat is None or reshape is None or new_shape(reshape) is None or not used_once(flat):
        return
    turned = reshape.inputs[0]
    turn = producer(turned, "Transpose")
    if turn is None or turned is None or not used_once(turned) or new_shape(turn) is not None:
        return
    before, after, perm = shape_of(turn.inputs[0]), shape_of(flat), perm_of(turn)
    if before is None or after is None or perm[0] != 0 or after != (before[0], math.prod(before[1:])):
        return
    place = np.arange(after[1]).reshape(before[1:]).transpose([axis - 1 for axis in perm[1:]]).reshape(-1)
    axis = 1 if integer(node, "transB", 0) else 0
    # Entry j of the flattened image was entry place[j] before the Transpose.
    if _reorder(graph, node, axis, np.argsort(place)):
        reshape.replace_input_with(0, turn.inputs[0])
        graph.remove(turn, safe=True)


def _through_pairs(value: ir.Value | None) -> ir.Value | None:
    """What stands before the pairs of one scale that quantise the value; only this product may read it."""
    while value is not None and used_once(value):
        node = producer(value, "QuantizeLinear", "DequantizeLinear")
        scale = constant(node.inputs[1]) if node is not None else None
        if node is None or scale is None or scale.size != 1:
            return value
        value = node.inputs[0]
    return None


def _reorder(graph: ir.Graph, node: ir.Node, axis: int, order: np.ndarray) -> bool:
    """Gives the node weights whose entries along `axis` are in this order; False where they are not stored."""
    reader, index = node, 1
    scaled = producer(node.inputs[1], "DequantizeLinear")
    if scaled is not None:
        scale = constant(scaled.inputs[1])
        rank = len(shape_of(scaled.inputs[0]) or ())
        if scale is None or not rank or not used_once(scaled.outputs[0]):
            return False
        if scale.size != 1 and integer(scaled, "axis", 1) % rank == axis:
            return False
        reader, index = scaled, 0
    data = constant(reader.inputs[index])
    if data is None or data.ndim != 2:
        return False
    name = f"{reader.inputs[index].name}_reordered"  # type: ignore[union-attr]
    reader.replace_input_with(index, add_constant(graph, name, data.take(order, axis)))
    return True
