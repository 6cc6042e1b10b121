"""Reading and rewiring the values of an ONNX graph: what every pass is written with."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """The array of a constant; None for what is computed, given by the user or absent."""
    if value is None or value.const_value is None or value.is_graph_input() or value.producer() is not None:
        return None
    return value.const_value.numpy()


def integer(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute of the node, or its default."""
    return int(node.attributes.get_int(name, default))


def shape_of(value: ir.Value | None) -> tuple[int, ...] | None:
    """The value's shape if every dimension is a number."""
    if value is None or value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
        return None
    return tuple(int(dim) for dim in value.shape.numpy())


def producer(value: ir.Value | None, *operators: str) -> ir.Node | None:
    """The node of one of these standard operators that makes the value, or None."""
    node = value.producer() if value is not None else None
    return node if node is not None and node.domain == "" and node.op_type in operators else None


def used_once(value: ir.Value) -> bool:
    """Whether one input of one node is all that reads the value."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def add_constant(graph: ir.Graph, name: str, data: NDArray[Any]) -> ir.Value:
    """A new constant of the graph, called `name` or, where that is taken, `name_1` and so on."""
    taken, wanted, number = graph.initializers, name, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    tensor = ir.tensor(np.asarray(data, order="C"), name=name)  # ascontiguousarray would make [1] of a scalar
    value = ir.Value(name=name, shape=ir.Shape(data.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def set_input(node: ir.Node, index: int, value: ir.Value | None) -> None:
    """Gives the node this input, which it may not have had before."""
    if len(node.inputs) <= index:
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def bypass(node: ir.Node, value: ir.Value) -> bool:
    """Lets all that reads the node's first output read `value` instead and removes the node.

    `value` takes over the name where that is the name of one of the model's outputs. False, and nothing done, where it
    cannot: a model's output is not another output, an input or a constant.
    """
    old = node.outputs[0]
    graph = node.graph
    assert graph is not None
    if old.is_graph_output():
        if value.is_graph_output() or value.producer() is None or value.producer().graph is not graph:  # type: ignore[union-attr]
            return False
        name = old.name
        old.replace_all_uses_with(value, replace_graph_outputs=True)
        old.name, value.name = f"{name}_replaced", name
    else:
        old.replace_all_uses_with(value)
    if value.shape is None:
        value.shape = old.shape
    if value.type is None:
        value.type = old.type
    graph.remove(node, safe=True)
    return True


def insert(node: ir.Node, before: ir.Node, like: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """Puts a new node before another; its output is of the type of `like` and of the given shape."""
    assert before.graph is not None
    before.graph.insert_before(before, node)
    node.outputs[0].type = like.type
    node.outputs[0].shape = ir.Shape(shape)
    return node.outputs[0]
