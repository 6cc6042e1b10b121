"""uint8 quantisation as int8 and back: zero points and stored values move by 128, real numbers stay as they are."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.values import add_constant, constant

_HALF = 128


def to_signed(model: ir.Model) -> ir.Model:
    """The model with its uint8 tensors between QuantizeLinear and DequantizeLinear made int8, exactly.

    A uint8 input or output of the model itself stays uint8 for the user: a conversion is put behind or before it.
    uint8 tensors that other operators touch stay as they are.
    """
    model = model.clone()
    graph = model.graph
    stored = [value for node in graph if node.op_type == "DequantizeLinear" and (value := node.inputs[0]) is not None]
    stored += [node.outputs[0] for node in graph if node.op_type == "QuantizeLinear"]
    for value in dict.fromkeys(stored):
        if value.dtype == ir.DataType.UINT8 and _movable(value):
            _move(model, value)
    return model


def activations_to_unsigned(model: ir.Model) -> ir.Model:
    """The model with what its QuantizeLinear nodes make int8 made uint8, exactly; weights stay int8.

    This is the form of which ONNX Runtime's kernels are fastest on x86 processors.
    """
    model = model.clone()
    for node in list(model.graph):
        value = node.outputs[0] if node.op_type == "QuantizeLinear" else None
        if value is not None and value.dtype == ir.DataType.INT8 and _movable(value) and not value.is_graph_output():
            _rezero(model.graph, value, np.uint8(_HALF))
            value.type = ir.TensorType(ir.DataType.UINT8)
    return model


def _movable(value: ir.Value) -> bool:
    maker = value.producer()
    made = constant(value) is not None or value.is_graph_input() or (maker is not None and _zero(maker) is not None)
    users = [user for user, index in value.uses()]
    return made and all(user.op_type == "DequantizeLinear" and _zero(user) is not None for user in users)


def _zero(node: ir.Node) -> NDArray[Any] | None:
    """The zero point of a QuantizeLinear or DequantizeLinear, 0 if it names none; None if it is computed."""
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return None
    if len(node.inputs) < 3 or node.inputs[2] is None:
        scale = constant(node.inputs[1])
        return None if scale is None else np.zeros(scale.shape, np.uint8)
    return constant(node.inputs[2])


def _move(model: ir.Model, value: ir.Value) -> None:
    graph = model.graph
    users = [user for user, _ in value.uses()]
    maker = value.producer()
    _rezero(graph, value, np.int8(-_HALF))
    if (data := constant(value)) is not None:
        shifted = add_constant(graph, f"{value.name}_int8", (data.astype(np.int32) - _HALF).astype(np.int8))
        for user in users:
            user.replace_input_with(0, shifted)
    elif maker is None:
        inner = _converted(graph, value, -_HALF, ir.DataType.INT8, users[0], before=True)
        for user in users:
            user.replace_input_with(0, inner)
    else:
        value.type = ir.TensorType(ir.DataType.INT8)
        if value.is_graph_output():
            name = value.name
            value.name = f"{name}_int8"
            outer = _converted(graph, value, _HALF, ir.DataType.UINT8, maker, before=False)
            outer.name = name
            graph.outputs[list(graph.outputs).index(value)] = outer


def _rezero(graph: ir.Graph, value: ir.Value, shift: np.int8 | np.uint8) -> None:
    """Gives those who make and read the value zero points that are moved, in the type of the shift."""
    maker = value.producer()
    for node in [*(user for user, _ in value.uses()), *([maker] if maker is not None else [])]:
        zero = _zero(node)
        assert zero is not None
        moved = (zero.astype(np.int32) + int(shift)).astype(shift.dtype)
        node.resize_inputs(3)
        node.replace_input_with(2, add_constant(graph, f"{node.name}_zero_point_{shift.dtype}", moved))
        node.attributes.pop("output_dtype", None)


def _converted(
    graph: ir.Graph, value: ir.Value, shift: int, dtype: ir.DataType, beside: ir.Node, before: bool
) -> ir.Value:
    """value + shift as `dtype`, computed in int32 by three nodes put before or after the node `beside`."""
    amount = add_constant(graph, f"{value.name}_shift", np.array(shift, np.int32))
    wide = ir.node("Cast", [value], attributes={"to": int(ir.DataType.INT32)})
    moved = ir.node("Add", [wide.outputs[0], amount])
    narrow = ir.node("Cast", [moved.outputs[0]], attributes={"to": int(dtype)})
    for node, kind in ((wide, ir.DataType.INT32), (moved, ir.DataType.INT32), (narrow, dtype)):
        node.outputs[0].shape = value.shape
        node.outputs[0].type = ir.TensorType(kind)
    if before:
        graph.insert_before(beside, [wide, moved, narrow])
    else:
        graph.insert_after(beside, [wide, moved, narrow])
    return narrow.outputs[0]
