"""Weights of a layer in int8, symmetric per output channel, and its bias in steps of the accumulator."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import add_constant, constant, integer, set_input

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators whose second input is weights."""


def multiplies_activations(node: ir.Node) -> bool:
    """Whether the node is a product of two activations, which has no weights."""
    return node.op_type == "MatMul" and constant(node.inputs[1]) is None


_MOST = 127
_MOST_BIAS = 2.0**29
"""A bias takes at most a quarter of the 32-bit accumulator; the scale of tiny weights is widened until it does."""


def output_axis(node: ir.Node) -> int:
    """The dimension of the weights that counts output channels (of one group, in a ConvTranspose)."""
    if node.op_type == "Conv" or (node.op_type == "Gemm" and integer(node, "transB", 0)):
        return 0
    return 1


def steps_of(node: ir.Node, input_step: np.float32) -> NDArray[np.float32]:
    """The scale of each output channel of the weights, float32 [channels]."""
    weights, bias, axis = constant(node.inputs[1]), bias_of(node), output_axis(node)
    assert weights is not None
    others = tuple(a for a in range(weights.ndim) if a != axis)
    # Not of a copy of the magnitudes: weights may be gigabytes.
    largest = np.maximum(weights.max(axis=others), -weights.min(axis=others)).astype(np.float64)
    steps = largest / _MOST
    if bias is not None:
        per_step = np.abs(bias.astype(np.float64)).reshape(-1, len(steps)) / (_MOST_BIAS * float(input_step))
        steps = np.maximum(steps, per_step.max(axis=0))
    steps = steps.astype(np.float32)
    return np.where(steps < np.finfo(np.float32).tiny, np.float32(1), steps).astype(np.float32)


def bias_of(node: ir.Node) -> NDArray[np.float32] | None:
    """The constant bias, one number per output channel; None without one."""
    bias = constant(node.inputs[2]) if node.op_type != "MatMul" and len(node.inputs) > 2 else None
    if bias is None:
        return None
    weights = constant(node.inputs[1])
    assert weights is not None
    groups = integer(node, "group", 1) if node.op_type == "ConvTranspose" else 1
    return np.broadcast_to(bias.reshape(-1), (weights.shape[output_axis(node)] * groups,))


def rounded(node: ir.Node, steps: NDArray[np.float32]) -> NDArray[np.int8]:
    """The weights in steps, from -127 to 127."""
    weights, axis = constant(node.inputs[1]), output_axis(node)
    assert weights is not None
    along = [-1 if index == axis else 1 for index in range(weights.ndim)]
    quotient = weights.astype(np.float32) / steps.reshape(along)
    whole: NDArray[np.int8] = np.clip(np.rint(quotient), -_MOST, _MOST).astype(np.int8)
    return whole


Stored = dict[tuple[ir.Value | None, ir.Value | None, int, float], tuple[ir.Value | None, ir.Value | None]]
"""What layers have in int8 already: their float weights and bias, the axis and the step -> both, dequantised."""


def quantize_layer(node: ir.Node, input_step: np.float32, before: Stored) -> None:
    """Puts stored int8 weights and an int32 bias, each behind a DequantizeLinear, in place of the float ones.

    before: of the layers so far, which come earlier in the graph; those that share their weights share these too.
    """
    graph = node.graph
    assert graph is not None and isinstance(graph, ir.Graph)
    has_bias = bias_of(node) is not None
    key = node.inputs[1], node.inputs[2] if has_bias else None, output_axis(node), float(input_step)
    if key in before:
        set_input(node, 1, before[key][0])
        if has_bias:
            set_input(node, 2, before[key][1])
        return
    steps, bias = steps_of(node, input_step), bias_of(node)
    zeros = np.zeros(steps.shape, np.int8)
    set_input(node, 1, stored(node, f"{node.name}_weights", rounded(node, steps), steps, zeros, output_axis(node)))
    if bias is not None:
        step = (input_step * np.tile(steps, bias.size // steps.size)).astype(np.float32)
        numbers = np.rint(bias.astype(np.float64) / step).astype(np.int32)
        set_input(node, 2, stored(node, f"{node.name}_bias", numbers, step, np.zeros(step.shape, np.int32), 0))
    before[key] = node.inputs[1], node.inputs[2] if has_bias else None


def stored(
    node: ir.Node,
    name: str,
    data: NDArray[np.int8] | NDArray[np.int32],
    scale: NDArray[np.float32],
    zero_point: NDArray[np.int8] | NDArray[np.int32],
    axis: int,
) -> ir.Value:
    """The float value of stored integers: a DequantizeLinear before `node`."""
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    operands = [
        add_constant(graph, f"{name}_quantized", data),
        add_constant(graph, f"{name}_scale", scale),
        add_constant(graph, f"{name}_zero_point", zero_point),
    ]
    made = ir.node("DequantizeLinear", operands, attributes={"axis": axis}, name=f"{name}_dequantize")
    made.outputs[0].name = f"{name}_dequantized"
    made.outputs[0].type, made.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(data.shape)
    graph.insert_before(node, made)
    return made.outputs[0]
