"""Constants that act on each output channel of a Conv or Gemm: found, and folded into its weights and bias."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import add_constant, constant, integer, set_input, shape_of, used_once

Row = NDArray[np.float32]


def layer(value: ir.Value | None) -> ir.Node | None:
    """The Conv or Gemm with constant float weights and bias that makes the value, if only one node reads it."""
    node = value.producer() if value is not None else None
    if value is None or node is None or node.domain != "" or node.op_type not in ("Conv", "Gemm"):
        return None
    weights, bias = constant(node.inputs[1]), node.inputs[2] if len(node.inputs) > 2 else None
    if not used_once(value) or weights is None or weights.dtype != np.float32:
        return None
    if bias is not None and (constant(bias) is None or shape_of(bias) != (output_channels(node),)):
        return None
    plain = node.attributes.get_float("alpha", 1.0) == 1 and node.attributes.get_float("beta", 1.0) == 1
    return node if plain else None


def output_channels(node: ir.Node) -> int:
    """Of a Conv or Gemm."""
    shape = shape_of(node.inputs[1])
    assert shape is not None
    return shape[1] if node.op_type == "Gemm" and not integer(node, "transB", 0) else shape[0]


def per_channel(data: NDArray[Any] | None, value: ir.Value) -> Row | None:
    """The constant operand of an Add or Mul as one number per channel (axis 1) of `value`; None if it is not that."""
    shape = shape_of(value)
    if data is None or data.dtype != np.float32 or shape is None or data.ndim > len(shape) or len(shape) < 2:
        return None
    aligned = data.reshape((1,) * (len(shape) - data.ndim) + data.shape)
    if aligned.size not in (1, shape[1]) or aligned.shape[1] not in (1, shape[1]) or aligned.size != aligned.shape[1]:
        return None
    return np.broadcast_to(aligned.reshape(-1), (shape[1],)).astype(np.float32)


def fold(graph: ir.Graph, node: ir.Node, scale: NDArray[np.float64] | None, shift: NDArray[np.float64]) -> None:
    """Makes the layer compute y * scale + shift per output channel, in float64 and rounded once."""
    weights, bias = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
    assert weights is not None
    offset = shift if bias is None else shift + bias.astype(np.float64) * (1 if scale is None else scale)
    if scale is not None:
        axis = 1 if node.op_type == "Gemm" and not integer(node, "transB", 0) else 0
        along = [-1 if index == axis else 1 for index in range(weights.ndim)]
        scaled = (weights.astype(np.float64) * scale.reshape(along)).astype(np.float32)
        set_input(node, 1, add_constant(graph, f"{node.name}_weights", scaled))
    set_input(node, 2, add_constant(graph, f"{node.name}_bias", offset.astype(np.float32)))
