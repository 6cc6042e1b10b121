"""Constant operands of several numbers: embeddings of positions, gains, the token of the class."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.expressions import LARGEST
from lithify.optimize.values import add_constant, constant
from lithify.quantize import qdq
from lithify.quantize.step import Scale

OPERATORS = ("Add", "Sub", "Mul", "Concat", "Gather")
_MOST = 127


def fixed(value: ir.Value | None) -> NDArray[np.float32] | None:
    """The numbers of a float constant that becomes an int8 tensor."""
    data = constant(value)
    if data is None or data.dtype != np.float32 or data.size < 2 or data.ndim == 0:
        return None
    return data if np.isfinite(data).all() and np.abs(data).max() <= LARGEST else None


def quantize_fixed(graph: ir.Graph, node: ir.Node, scale: Scale | None = None) -> None:
    """Puts int8 and a DequantizeLinear in the place of the node's constant operand.

    scale: what its integers mean; None: symmetric, one scale for all.
    """
    for index, value in enumerate(node.inputs):
        data = fixed(value)
        if data is None:
            continue
        largest = np.float32(np.abs(data).max() / _MOST)
        step = largest if largest >= np.finfo(np.float32).tiny else np.float32(1)
        zero, least = 0, -_MOST
        if scale is not None:
            step, zero, least = scale.step, scale.zero_point, -_MOST - 1
        stored = np.clip(np.rint(data / step) + zero, least, _MOST).astype(np.int8)
        name = f"{node.name}.operand_{index}"
        parts = [
            add_constant(graph, f"{name}_{part}", np.array(each))
            for part, each in (("quantized", stored), ("scale", step), ("zero_point", np.int8(zero)))
        ]
        up = ir.node("DequantizeLinear", parts, name=f"{name}_dequantize")
        up.outputs[0].name = f"{name}_dequantized"
        up.outputs[0].type, up.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(data.shape)
        graph.insert_before(node, up)
        node.replace_input_with(index, up.outputs[0])


def stored(value: ir.Value | None) -> tuple[NDArray[np.int8], qdq.Parameters] | None:
    """The int8 constant behind the float output of a DequantizeLinear with one scale, and its parameters."""
    node = value.producer() if value is not None else None
    own = qdq.parameters(node) if node is not None and node.op_type == "DequantizeLinear" else None
    data = constant(node.inputs[0]) if node is not None and own is not None else None
    if own is None or data is None or not own.scalar or data.ndim == 0:
        return None
    return (data.astype(np.int8), own) if (own.scale > 0).all() and np.isfinite(own.scale).all() else None
