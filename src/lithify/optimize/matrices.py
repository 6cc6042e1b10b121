"""Products of activations over matrices that are counted along one dimension, and what is done to their elements.

Attention is written over [batch, heads, tokens, channels]. An image on the chip has four dimensions too, of another
order, so that scores of four dimensions would have to be moved; [batch * heads, tokens, channels] lies as it is made.
"""

import math

import numpy as np
import onnx_ir as ir

from lithify.optimize.reshape import new_shape
from lithify.optimize.values import add_constant, bypass, constant, insert, integer, set_input, shape_of, used_once

_ELEMENTWISE = ("Add", "Sub", "Mul", "Div")
_ALONG_ROWS = ("Softmax", "LogSoftmax")


def count_matrices(model: ir.Model) -> ir.Model:
    """Reshapes the operands of every float MatMul of two activations of more than three dimensions to three, and moves
    the Reshape back behind what works on elements or rows alone.
    """
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "":
            continue
        if node.op_type == "MatMul":
            _count(model.graph, node)
        elif node.op_type in (*_ELEMENTWISE, *_ALONG_ROWS, "Where"):
            _move_reshape_behind(model.graph, node)
    return model


def _count(graph: ir.Graph, node: ir.Node) -> None:
    shapes = [shape_of(value) for value in (*node.inputs, *node.outputs)]
    if any(constant(value) is not None for value in node.inputs) or any(shape is None for shape in shapes):
        return
    first, second, after = (shape or () for shape in shapes)
    if len(after) < 4 or len(first) < 2 or len(second) < 2 or node.inputs[0].dtype != ir.DataType.FLOAT:  # type: ignore[union-attr]
        return
    count = math.prod(after[:-2])
    if any(math.prod(shape[:-2]) not in (1, count) for shape in (first, second)):
        return
    operands = []
    for index, (value, shape) in enumerate(zip(node.inputs, (first, second), strict=True)):
        assert value is not None
        wanted = (math.prod(shape[:-2]), *shape[-2:])
        operands.append(_reshaped(graph, node, value, wanted, f"matrices_{index}"))
    product = ir.node("MatMul", operands, name=node.name)
    value = insert(product, node, node.outputs[0], (count, *after[-2:]))
    product.outputs[0].name = f"{node.outputs[0].name}_matrices"
    _become_reshape(graph, node, value, after)


def _move_reshape_behind(graph: ir.Graph, node: ir.Node) -> None:
    """Of what reads a Reshape that alone gives it its first operand, or its second."""
    for index, value in enumerate(node.inputs):
        shaper = value.producer() if value is not None else None
        if value is None or shaper is None or shaper.op_type != "Reshape" or not used_once(value):
            continue
        before, after = shape_of(shaper.inputs[0]), new_shape(shaper)
        if before is None or after is None or shape_of(node.outputs[0]) != after or before[-1] != after[-1]:
            continue
        if len(before) != 3 or len(after) < 4:
            continue
        operands: list[ir.Value | None] = list(node.inputs)
        operands[index] = shaper.inputs[0]
        attributes = dict(node.attributes)
        if node.op_type in _ALONG_ROWS:
            axis = integer(node, "axis", -1)
            if axis % len(after) != len(after) - 1:
                continue
            attributes = {"axis": ir.AttrInt64("axis", -1)}
        else:
            places = (place for place in range(len(operands)) if place != index)
            others = {place: _fitted(graph, node, place, before, after) for place in places}
            if None in others.values():
                continue
            for place, other in others.items():
                operands[place] = other
        made = ir.node(node.op_type, operands, name=node.name)
        made.attributes.update(attributes)
        moved = insert(made, node, node.outputs[0], before)
        moved.name = f"{node.outputs[0].name}_matrices"
        _become_reshape(graph, node, moved, after)
        graph.remove(shaper, safe=True)
        return


def _fitted(
    graph: ir.Graph, node: ir.Node, index: int, before: tuple[int, ...], after: tuple[int, ...]
) -> ir.Value | None:
    """The other operand for a tensor of the shape `before`; None where it does not broadcast alike."""
    value = node.inputs[index]
    shape = shape_of(value)
    if value is None or shape is None:
        return None
    if math.prod(shape) == 1:
        return value if len(shape) <= len(before) else _reshaped(graph, node, value, (), f"operand_{index}")
    # Only ones lead the longer shape: what is broadcast loses those it has.
    leading = shape[: max(0, len(shape) - len(before))]
    if after[len(after) - len(before) :] != before or math.prod(leading) != 1:
        data = constant(value)
        if data is None:
            return None
        return add_constant(graph, f"{value.name}_operand_{index}", np.broadcast_to(data, after).reshape(before))
    excess = len(shape) - len(before)
    return value if excess <= 0 else _reshaped(graph, node, value, shape[excess:], f"operand_{index}")


def _reshaped(graph: ir.Graph, node: ir.Node, value: ir.Value, shape: tuple[int, ...], what: str) -> ir.Value:
    if shape_of(value) == shape:
        return value
    data = constant(value)
    if data is not None:
        return add_constant(graph, f"{value.name}_{what}", data.reshape(shape))
    wanted = add_constant(graph, f"{node.name}_{what}_shape", np.array(shape, np.int64))
    made = insert(ir.node("Reshape", [value, wanted], name=f"{node.name}_{what}"), node, value, shape)
    made.name = f"{node.name}_{what}"
    return made


def _become_reshape(graph: ir.Graph, node: ir.Node, value: ir.Value, shape: tuple[int, ...]) -> None:
    """Makes the node the Reshape of a value to the shape that it has given its own result."""
    node.op_type = "Reshape"
    node.name = f"{node.name}_apart"
    node.attributes.clear()
    node.resize_inputs(1)
    node.replace_input_with(0, value)
    set_input(node, 1, add_constant(graph, f"{node.name}_shape", np.array(shape, np.int64)))


def scale_factors(model: ir.Model) -> ir.Model:
    """Moves a Mul or Div by one number from behind a product of activations before its first operand, and up through
    the Reshapes and Transposes there to the dense layer that makes it, whose weights can take it up.
    """
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type in ("Mul", "Div"):
            _scale_layer(model.graph, node)
    return model


def _scale_layer(graph: ir.Graph, node: ir.Node) -> None:
    for index in (0, 1) if node.op_type == "Mul" else (0,):
        number, value = constant(node.inputs[1 - index]), node.inputs[index]
        if number is None or number.size != 1 or number.dtype != np.float32 or value is None:
            continue
        if shape_of(value) != shape_of(node.outputs[0]):
            continue
        origin = _layer_before(value)
        if origin is None or origin is value or origin.producer() is None:
            continue
        (user, place), *_ = origin.uses()
        scalar = add_constant(graph, f"{node.name}_factor", number.reshape(()))
        operands = [origin, scalar] if index == 0 else [scalar, origin]
        scaled = ir.node(node.op_type, operands, name=f"{node.name}_before")
        made = insert(scaled, user, origin, shape_of(origin) or ())
        made.name = f"{origin.name}_scaled"
        user.replace_input_with(place, made)
        bypass(node, value)
        return


def _layer_before(value: ir.Value) -> ir.Value | None:
    """What a dense layer makes of which only this value is made, by moves and at most one product of activations."""
    while used_once(value):
        node = value.producer()
        if node is None or node.domain != "":
            return None
        if node.op_type == "Gemm" or (node.op_type == "MatMul" and constant(node.inputs[1]) is not None):
            return value
        if node.op_type == "Add" and _adds_bias(node):
            return value
        if node.op_type not in ("Reshape", "Transpose", "MatMul") or node.inputs[0] is None:
            return None
        value = node.inputs[0]
    return None


def _adds_bias(node: ir.Node) -> bool:
    """Whether the node adds one number a column to what a product with weights makes."""
    for index in (0, 1):
        value, bias = node.inputs[index], constant(node.inputs[1 - index])
        layer = value.producer() if value is not None else None
        if layer is not None and bias is not None and layer.op_type == "MatMul" and bias.ndim == 1:
            return constant(layer.inputs[1]) is not None
    return False
