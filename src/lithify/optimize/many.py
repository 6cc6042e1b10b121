"""Sum, Mean, Max and Min of any number of tensors as operators of two; running sums as a product with a triangle."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, bypass, constant, insert, integer, set_input, shape_of

_PAIRS = {"Sum": "Add", "Mean": "Add", "Max": "Max", "Min": "Min"}
MOST_SUMMED = 4096
"""Elements of a running sum, which is a product with as many squared weights."""


def pair_many(model: ir.Model) -> ir.Model:
    """Rewrites every such node of float tensors. Differs by rounding only."""
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or not node.inputs or node.outputs[0].dtype != ir.DataType.FLOAT:
            continue
        if node.op_type in _PAIRS:
            _pair(model.graph, node)
        elif node.op_type == "CumSum":
            _triangle(model.graph, node)
    return model


def _pair(graph: ir.Graph, node: ir.Node) -> None:
    operator, values = _PAIRS[node.op_type], [value for value in node.inputs if value is not None]
    count, shapes = len(values), [shape_of(value) for value in values]
    if any(shape is None for shape in shapes) or (count == 2 and node.op_type in ("Max", "Min")):
        return
    if count == 1:
        bypass(node, values[0])
        return
    total = values[0]
    last = count if node.op_type == "Mean" else count - 1
    for index, value in enumerate(values[1:last], 1):
        shape = np.broadcast_shapes(shape_of(total) or (), shape_of(value) or ())
        name = f"{node.name}_{index}"
        total = insert(ir.node(operator, [total, value], name=name), node, values[0], shape)
        total.name = f"{node.outputs[0].name}_{index}"
    other = values[-1]
    if node.op_type == "Mean":
        operator, other = "Mul", add_constant(graph, f"{node.name}_share", np.array(1 / count, np.float32))
    node.op_type = operator
    node.resize_inputs(2)
    set_input(node, 0, total)
    set_input(node, 1, other)


def _triangle(graph: ir.Graph, node: ir.Node) -> None:
    """y = x T along the axis, T[i, j] = 1 where element i is part of sum j."""
    x, axes = node.inputs[0], constant(node.inputs[1])
    shape = shape_of(x)
    if x is None or axes is None or axes.size != 1 or shape is None or len(shape) < 2:
        return
    axis = int(axes.reshape(())) % len(shape)
    size = shape[axis]
    if size > MOST_SUMMED:
        return
    part = np.arange(size)[:, None] <= np.arange(size) - integer(node, "exclusive", 0)
    if integer(node, "reverse", 0):
        part = part[::-1, ::-1]
    triangle = add_constant(graph, f"{node.name}_triangle", np.ascontiguousarray(part).astype(np.float32))
    node.attributes.clear()
    node.resize_inputs(2)
    order = [place for place in range(len(shape)) if place != axis] + [axis]
    if axis == len(shape) - 1:
        node.op_type = "MatMul"
        set_input(node, 1, triangle)
        return
    turned = ir.node("Transpose", [x], attributes={"perm": order}, name=f"{node.name}_turned")
    inner = tuple(shape[place] for place in order)
    first = insert(turned, node, x, inner)
    first.name = f"{node.outputs[0].name}_turned"
    second = insert(ir.node("MatMul", [first, triangle], name=f"{node.name}_summed"), node, x, inner)
    second.name = f"{node.outputs[0].name}_summed"
    node.op_type = "Transpose"
    node.resize_inputs(1)
    set_input(node, 0, second)
    node.attributes.add(ir.AttrInt64s("perm", [int(place) for place in np.argsort(order)]))
