"""QOperator models as QDQ models: every operator on stored integers becomes its float self between Q/DQ pairs.

The integers stay what they were. QLinearConv(x, ...) means QuantizeLinear(Conv(DequantizeLinear(x), ...)), and so for
every row of `_FORMS`; an operator that only moves integers (MaxPool, Reshape, ... over int8) gets a pair on each side,
which changes none: quantising what was just dequantised gives the same integer back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import NameFixPass

from lithify.frontend.shapes import infer
from lithify.optimize.values import add_constant, constant, integer, set_input

Quantized = tuple[ir.Value, ir.Value, ir.Value | None]
"""Stored integers, their scale and their zero point."""


@dataclass(frozen=True)
class Form:
    """operator: what the float self is called. inputs: where each stored operand (value, scale, zero point) begins.

    output: where scale and zero point of the result stand. bias: where an int32 bias stands, in steps of input scale x
    weight scale. dropped: attributes that only the integer operator has.
    """

    operator: str
    inputs: tuple[int, ...]
    output: int
    bias: int | None = None
    domain: str = "com.microsoft"
    dropped: tuple[str, ...] = ()


_FORMS: Mapping[str, Form] = {
    "QLinearConv": Form("Conv", (0, 3), 6, bias=8, domain=""),
    "QLinearMatMul": Form("MatMul", (0, 3), 6, domain=""),
    "QGemm": Form("Gemm", (0, 3), 7, bias=6),
    "QLinearAdd": Form("Add", (0, 3), 6),
    "QLinearMul": Form("Mul", (0, 3), 6),
    "QLinearAveragePool": Form("AveragePool", (0,), 3, dropped=("channels_last",)),
    "QLinearGlobalAveragePool": Form("GlobalAveragePool", (0,), 3, dropped=("channels_last",)),
    "QLinearLeakyRelu": Form("LeakyRelu", (0,), 3),
    "QLinearSigmoid": Form("Sigmoid", (0,), 3),
    "QLinearSoftmax": Form("Softmax", (0,), 3, dropped=("opset",)),
    "QLinearConcat": Form("Concat", (), 0),
}
"""Integer operator -> its float self."""

_MOVING = (
    "MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Concat", "Gather",
    "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "Identity", "ReduceMax", "ReduceMin",
)  # fmt: skip
"""Operators that select among integers as they are. (A Pad or Clip over integers takes more integers, whose meaning
nothing says; a Resize to the nearest pixel is exact only where it does not blend.)"""

_INTEGERS = (ir.DataType.INT8, ir.DataType.UINT8)

OPERATORS = tuple(_FORMS)
"""What `to_qdq` rewrites."""


def to_qdq(model: ir.Model) -> ir.Model:
    """The model with Q/DQ pairs in place of integer operators; exact. What has computed scales stays as it is.

    Shapes are inferred again: ONNX knows none behind the integer operators of ONNX Runtime.
    """
    if not any(node.op_type in _FORMS or _is_moving(node) for node in model.graph):
        return model
    model = model.clone()
    known: dict[ir.Value, Quantized] = {}
    for node in model.graph:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.domain in ("", "com.microsoft"):
            stored = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
            if stored is not None and node.inputs[1] is not None and stored not in known:
                known[stored] = (stored, node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None)
        form = _FORMS.get(node.op_type)
        if form is not None and node.domain == form.domain:
            for start in _starts(node, form):
                value, scale = node.inputs[start], node.inputs[start + 1]
                if value is not None and scale is not None:
                    known.setdefault(value, (value, scale, node.inputs[start + 2]))
    for node in list(model.graph):
        form = _FORMS.get(node.op_type)
        if form is not None and node.domain == form.domain:
            _rewrite(model.graph, node, form, known)
        elif _is_moving(node):
            _surround(model.graph, node, known)
    NameFixPass()(model)
    infer(model, model.graph.name or "model")
    return model


def _is_moving(node: ir.Node) -> bool:
    nearest = node.op_type == "Resize" and node.attributes.get_string("mode", "nearest") == "nearest"
    return node.domain == "" and (node.op_type in _MOVING or nearest)


def _starts(node: ir.Node, form: Form) -> Sequence[int]:
    """Where the stored operands begin; those of a QLinearConcat follow the result's scale and zero point."""
    return form.inputs or range(2, len(node.inputs), 3)


def _rewrite(graph: ir.Graph, node: ir.Node, form: Form, known: dict[ir.Value, Quantized]) -> None:
    starts = _starts(node, form)
    scales = [scale for start in starts if (scale := constant(node.inputs[start + 1])) is not None]
    output_scale = node.inputs[form.output]
    if len(scales) < len(starts) or output_scale is None or constant(output_scale) is None:
        return
    if integer(node, "channels_last", 0):
        return
    operands = [_dequantized(graph, node, start, form.operator) for start in starts]
    if form.bias is not None and len(node.inputs) > form.bias and node.inputs[form.bias] is not None:
        bias_scale = np.asarray(scales[0] * scales[1], np.float32)
        operands.append(_bias(graph, node, node.inputs[form.bias], bias_scale))
    zero_point = node.inputs[form.output + 1] if len(node.inputs) > form.output + 1 else None
    attributes = {key: value for key, value in node.attributes.items() if key not in form.dropped}
    made = ir.node(form.operator, operands, name=str(node.name))
    for value in attributes.values():
        made.attributes.add(value)
    result = node.outputs[0]
    real = made.outputs[0]
    real.name, real.shape, real.type = f"{result.name}_real", result.shape, ir.TensorType(ir.DataType.FLOAT)
    graph.insert_before(node, made)
    _become_quantize(node, real, output_scale, zero_point)
    result.type = ir.TensorType(_kind(zero_point))
    known[result] = (result, output_scale, zero_point)


def _kind(zero_point: ir.Value | None) -> ir.DataType:
    """The type of integers whose zero point this is; without one they are uint8 (ONNX)."""
    return zero_point.dtype if zero_point is not None and zero_point.dtype is not None else ir.DataType.UINT8


def _become_quantize(node: ir.Node, real: ir.Value, scale: ir.Value, zero_point: ir.Value | None) -> None:
    """Makes the node the QuantizeLinear of `real`, so that its result keeps name and users."""
    node.op_type, node.domain, node.version = "QuantizeLinear", "", None
    node.name = f"{node.name}_quantize"
    node.attributes.clear()
    node.resize_inputs(2)
    set_input(node, 0, real)
    set_input(node, 1, scale)
    if zero_point is not None:
        set_input(node, 2, zero_point)


def _dequantized(graph: ir.Graph, node: ir.Node, start: int, operator: str) -> ir.Value:
    """The float value of the operand that begins at input `start`."""
    stored, scale, zero_point = node.inputs[start : start + 3]
    assert stored is not None and scale is not None
    # Only weights have a scale per channel. Output channels are the first dimension of a Conv's, else the last.
    rank = len(stored.shape) if stored.shape is not None else 0
    first = operator == "Conv" or (operator == "Gemm" and integer(node, "transB", 0))
    axis = 0 if first else max(rank - 1, 0)
    return _dequantize(graph, node, (stored, scale, zero_point), axis)


def _dequantize(graph: ir.Graph, before: ir.Node, operand: Quantized, axis: int = 0) -> ir.Value:
    stored, scale, zero_point = operand
    data = constant(scale)
    attributes = {"axis": axis} if data is not None and data.size > 1 else {}
    inputs = [stored, scale] if zero_point is None else [stored, scale, zero_point]
    made = ir.node("DequantizeLinear", inputs, attributes=attributes, name=f"{before.name}_{stored.name}_dequantize")
    value = made.outputs[0]
    value.name = f"{stored.name}_real_for_{before.name}"
    value.shape, value.type = stored.shape, ir.TensorType(ir.DataType.FLOAT)
    graph.insert_before(before, made)
    return value


def _bias(graph: ir.Graph, node: ir.Node, bias: ir.Value | None, scale: NDArray[np.float32]) -> ir.Value:
    assert bias is not None
    if scale.size == 1:
        scale = scale.reshape(())
    stored = add_constant(graph, f"{node.name}_bias_scale", scale)
    zero_point = add_constant(graph, f"{node.name}_bias_zero_point", np.zeros(scale.shape, np.int32))
    return _dequantize(graph, node, (bias, stored, zero_point), 0)


def _surround(graph: ir.Graph, node: ir.Node, known: dict[ir.Value, Quantized]) -> None:
    """Pairs around an operator that moves integers whose scale is known."""
    operands = [value for value in node.inputs if value is not None and (value in known or value.dtype in _INTEGERS)]
    if not operands or operands[0] is not node.inputs[0] or operands[0] not in known:
        return
    _, scale, zero_point = known[operands[0]]
    if any(value not in known or known[value][1:] != (scale, zero_point) for value in operands):
        return
    data = constant(scale)
    if data is None or data.size != 1:
        return
    kind = _kind(zero_point)
    for index, value in enumerate(list(node.inputs)):
        if value in operands and value is not None:
            node.replace_input_with(index, _dequantize(graph, node, (value, scale, zero_point)))
    for output in list(node.outputs):
        users, name = list(output.uses()), output.name
        output.name = f"{name}_real"
        output.type = ir.TensorType(ir.DataType.FLOAT)
        inputs = [output, scale] if zero_point is None else [output, scale, zero_point]
        made = ir.node("QuantizeLinear", inputs, name=f"{name}_quantize")
        result = made.outputs[0]
        result.name, result.shape, result.type = name, output.shape, ir.TensorType(kind)
        graph.insert_after(node, made)
        for user, index in users:
            user.replace_input_with(index, result)
        if output.is_graph_output():
            graph.outputs[list(graph.outputs).index(output)] = result
        known[result] = (result, scale, zero_point)
