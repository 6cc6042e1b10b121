"""What scales and shifts each channel after a Conv or Gemm goes into its weights: BatchNormalization, Mul, Div."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.channels import fold, layer, per_channel
from lithify.optimize.values import bypass, constant, integer, shape_of


def fold_affine(model: ir.Model) -> ir.Model:
    """Folds them: y = scale * conv(x) + shift. Differs by rounding only; computed in float64."""
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or node.op_type not in ("BatchNormalization", "Mul", "Div"):
            continue
        for index in (0, 1) if node.op_type == "Mul" else (0,):
            value = node.inputs[index]
            found = layer(value)
            factors = _factors(node, index)
            if value is None or found is None or factors is None or shape_of(value) != shape_of(node.outputs[0]):
                continue
            if bypass(node, value):
                fold(model.graph, found, *factors)
                break
    return model


def _factors(node: ir.Node, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """scale and shift per channel."""
    if node.op_type == "BatchNormalization":
        return batch_norm_factors(node)
    value = node.inputs[index]
    assert value is not None
    row = per_channel(constant(node.inputs[1 - index]), value)
    if row is None or (node.op_type == "Div" and not row.all()):
        return None
    factor = row.astype(np.float64)
    return (1 / factor if node.op_type == "Div" else factor), np.zeros(len(row))


def batch_norm_factors(node: ir.Node) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """scale / sqrt(variance + epsilon), and shift - mean times it; None in training and for computed statistics."""
    given = [constant(value) for value in node.inputs[1:5]]
    used = any(value.uses() or value.is_graph_output() for value in node.outputs[1:])
    if any(array is None for array in given) or used or integer(node, "training_mode", 0):
        return None
    scale, shift, mean, variance = (array.astype(np.float64) for array in given if array is not None)
    factor = scale / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    return factor, shift - mean * factor
