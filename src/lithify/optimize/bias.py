"""A constant added to (or taken from) each channel after a Conv or Gemm becomes its bias."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.channels import Row, fold, layer, per_channel
from lithify.optimize.reshape import new_shape
from lithify.optimize.values import bypass, constant, producer, shape_of, used_once


def fold_bias(model: ir.Model) -> ir.Model:
    """Folds every such Add and Sub, also those behind the Reshape of a dense layer over more than two dimensions."""
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or node.op_type not in ("Add", "Sub") or len(node.inputs) != 2:
            continue
        for value, other in ((node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])):
            if value is None or (node.op_type == "Sub" and value is not node.inputs[0]):
                continue
            found, row = layer(value), per_channel(constant(other), value)
            reshape = producer(value, "Reshape")
            if found is None and reshape is not None and new_shape(reshape) is not None and used_once(value):
                found, row = layer(reshape.inputs[0]), _last_axis(other, value, reshape.inputs[0])
            if found is None or row is None or shape_of(value) != shape_of(node.outputs[0]):
                continue
            if bypass(node, value):
                shift = row.astype(np.float64)
                fold(model.graph, found, None, -shift if node.op_type == "Sub" else shift)
                break
    return model


def _last_axis(other: ir.Value | None, value: ir.Value, product: ir.Value | None) -> Row | None:
    """The constant as one number per column of the product [rows, N] that `value` [..., N] reshapes."""
    data, shape, flat = constant(other), shape_of(value), shape_of(product)
    if data is None or shape is None or flat is None or len(flat) != 2 or shape[-1] != flat[1]:
        return None
    return per_channel(data.reshape(data.shape[-1:]), product) if product and data.size == data.shape[-1] else None
