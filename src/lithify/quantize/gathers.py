"""Gather whose indices are known only when the network runs: of a table, or of what the network computed."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.positions import counted
from lithify.optimize.values import constant, integer, shape_of
from lithify.quantize import moves, qdq
from lithify.quantize.fixed import fixed, stored
from lithify.quantize.unit import Target, Unit, of_scale, rescaling, tensor_of
from lithify.reference.graph import Node, Tensor
from lithify.reference.operators import make_node

_INDICES: tuple[Any, ...] = (ir.DataType.INT32, ir.DataType.INT64)


def chosen_late(node: ir.Node) -> bool:
    """Whether the node is a Gather that no Slice is, of tensors whose shapes are known."""
    if node.op_type != "Gather" or node.domain != "":
        return False
    known = all(shape_of(value) is not None for value in (*node.inputs, *node.outputs))
    indices = node.inputs[1]
    return known and indices is not None and indices.dtype in _INDICES and moves.moved(node) is None


def gathered_table(node: ir.Node) -> NDArray[np.float32] | None:
    """The float table of an embedding, a constant."""
    return fixed(node.inputs[0]) if chosen_late(node) else None


def gather(node: ir.Node, target: Target) -> Unit | None:
    """The unit of a Gather of int8 values, at their own scale; another scale of the result is a table behind it."""
    indices = node.inputs[1]
    if not chosen_late(node) or indices is None:
        return None
    kept, source = stored(node.inputs[0]), qdq.activation(node.inputs[0])
    axis = integer(node, "axis", 0) % len(shape_of(node.inputs[0]) or (0,))
    name, shape = str(node.name), target.output.shape
    data, chosen = constant(indices), str(indices.name)
    nodes: tuple[Node, ...] = ()
    inputs = (indices,) if data is None else ()
    constants = {} if data is None else {chosen: data}
    tensors = () if data is None else (Tensor(chosen, data.shape, data.dtype.name),)
    position = counted(indices, (shape_of(node.inputs[0]) or (0,))[axis])
    if position is not None:
        places, inputs = shape_of(indices) or (), (position,)
        tensors, chosen = (Tensor(f"{name}.places", places, "int64"),), f"{name}.places"
        nodes = (make_node(chosen, "PositionRange", (str(position.name),), (chosen,), shape=places),)
    if kept is not None:
        values, own = kept
        if own.scale.ndim:
            return None
        table = of_scale(f"{name}.table", values.shape, own)
        tensors, constants = (*tensors, table), {**constants, table.name: values}
    elif source is not None and (parameters := qdq.parameters_of(source)) is not None:
        own, table, inputs = parameters, tensor_of(source), (source, *inputs)
    else:
        return None
    if own.same(target.parameters) and not target.limited:
        made = make_node(name, "Gather", (table.name, chosen), (target.output.name,), axis=axis)
        return Unit(inputs, (*nodes, made), (*tensors, target.output), constants)
    rows = of_scale(f"{name}.gathered", shape, own)
    made = make_node(name, "Gather", (table.name, chosen), (rows.name,), axis=axis)
    entries = np.clip(rescaling(rows, target.output), target.minimum, target.maximum).astype(np.int8)
    lookup = Tensor(f"{name}.rescale.table", (256,), "int8")
    again = make_node(f"{name}.rescale", "Lookup", (rows.name, lookup.name), (target.output.name,))
    return Unit(
        inputs, (*nodes, made, again), (*tensors, rows, lookup, target.output), {**constants, lookup.name: entries}
    )
