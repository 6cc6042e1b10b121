"""Expressions of three tensors and more as several of two, which is what the chip's vector unit reads at once.

A choice between two tensors by what others say is a sum of two choices, of which one is always 0; what several others
say is a tensor of its own. Clip with limits that are computed is Max and Min.
"""

import numpy as np
import onnx_ir as ir

from lithify.optimize.expressions import COMPARED, CONDITIONS, JOINED, expression_of
from lithify.optimize.functions import number
from lithify.optimize.values import add_constant, constant, insert, set_input, shape_of

_MOST = 16
"""Tensors of an expression that is taken apart."""


def pair_choices(model: ir.Model) -> ir.Model:
    """Rewrites Clip, Where and what is asked of bool inputs, of a float model. Exact, but that -0 may become 0."""
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "":
            continue
        if node.op_type == "Clip":
            _clip(node)
        elif node.op_type in ("Where", *JOINED):
            for index, value in enumerate(node.inputs[:1] if node.op_type == "Where" else node.inputs):
                _ask(model.graph, node, index, value)
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "Where" and expression_of(node) is None:
            _choice(model.graph, node)
    return model


def _clip(node: ir.Node) -> None:
    """Min(Max(x, low), high), which gives high where low is above it, as Clip does."""
    limits = (*node.inputs[1:], None, None)[:2]
    given = [value for value in limits if value is not None]
    x = node.inputs[0]
    if x is None or x.dtype != ir.DataType.FLOAT or all(constant(value) is not None for value in given):
        return
    low, high = limits
    if low is not None and high is not None:
        shape = shape_of(x)
        if shape is None:
            return
        larger = insert(ir.node("Max", [x, low], name=f"{node.name}_low"), node, x, shape)
        larger.name = f"{node.outputs[0].name}_low"
        set_input(node, 0, larger)
    node.op_type = "Max" if high is None else "Min"
    node.resize_inputs(2)
    set_input(node, 1, low if high is None else high)


def _ask(graph: ir.Graph, node: ir.Node, index: int, value: ir.Value | None) -> None:
    """Of a bool that the user gives: 0.5 < 1 or 0, which is a comparison of numbers."""
    if value is None or value.dtype != ir.DataType.BOOL or not value.is_graph_input():
        return
    name = f"{node.name}_{index}"
    shape = shape_of(value)
    if shape is None:
        return
    numbers = insert(
        ir.node("Cast", [value], attributes={"to": ir.DataType.FLOAT.value}, name=f"{name}_number"), node, value, shape
    )
    numbers.name, numbers.type = f"{name}_number", ir.TensorType(ir.DataType.FLOAT)
    set_input(node, index, _more_than_half(graph, node, numbers, name))


def _more_than_half(graph: ir.Graph, node: ir.Node, numbers: ir.Value, name: str) -> ir.Value:
    half = add_constant(graph, f"{name}_half", np.array(0.5, np.float32))
    holds = insert(ir.node("Less", [half, numbers], name=f"{name}_holds"), node, numbers, shape_of(numbers) or ())
    holds.name, holds.type = f"{name}_holds", ir.TensorType(ir.DataType.BOOL)
    return holds


def _choice(graph: ir.Graph, node: ir.Node) -> None:
    """Where(c, x, y) of more than two tensors."""
    whole, output = expression_of(node, _MOST), node.outputs[0]
    shape = shape_of(output)
    if whole is None or shape is None:
        return
    condition, x, y = node.inputs
    asked = condition.producer() if condition is not None else None
    if condition is None or asked is None or asked.op_type not in CONDITIONS:
        return
    if len(_tensors(asked)) > 1:
        set_input(node, 0, _number(graph, node, asked, condition))
    if number(x) is not None or number(y) is not None or expression_of(node) is not None:
        return
    nothing = add_constant(graph, f"{node.name}_nothing", np.array(0, np.float32))
    parts = []
    for part, pair in (("if", (x, nothing)), ("else", (nothing, y))):
        made = ir.node("Where", [node.inputs[0], *pair], name=f"{node.name}_{part}")
        parts.append(insert(made, node, output, shape))
        parts[-1].name = f"{output.name}_{part}"
    node.op_type = "Add"
    node.resize_inputs(2)
    for index, summand in enumerate(parts):
        set_input(node, index, summand)


def _number(graph: ir.Graph, node: ir.Node, asked: ir.Node, condition: ir.Value) -> ir.Value:
    """What several tensors say as one number, 1 or 0, and of it the question; And and Or of many pair by pair."""
    if asked.op_type in JOINED and len(_tensors(asked)) > len(asked.inputs):
        for index, value in enumerate(asked.inputs):
            inner = value.producer() if value is not None else None
            if value is not None and inner is not None and inner.op_type in CONDITIONS and len(_tensors(inner)) > 1:
                set_input(asked, index, _number(graph, asked, inner, value))
    name, shape = f"{node.name}_asked_{asked.name}", shape_of(condition) or ()
    cast = ir.node("Cast", [condition], attributes={"to": ir.DataType.FLOAT.value}, name=f"{name}_number")
    numbers = insert(cast, node, condition, shape)
    numbers.name, numbers.type = f"{name}_number", ir.TensorType(ir.DataType.FLOAT)
    return _more_than_half(graph, node, numbers, name)


def _tensors(asked: ir.Node) -> set[ir.Value]:
    """The tensors that say whether something holds."""
    found: set[ir.Value] = set()
    for value in asked.inputs:
        inner = value.producer() if value is not None else None
        if asked.op_type not in COMPARED and inner is not None and inner.op_type in CONDITIONS:
            found |= _tensors(inner)
        elif value is not None and number(value) is None:
            found.add(value)
    return found
