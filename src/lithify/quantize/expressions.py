"""Units of expressions of one or two tensors: a table of one int8, or a program of the vector unit."""

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.expressions import Expression, condition_of, expression_of
from lithify.optimize.values import constant
from lithify.quantize import qdq
from lithify.quantize.fixed import stored
from lithify.quantize.unit import Target, Unit, tensor_of
from lithify.reference.definition import Shape
from lithify.reference.expressions import NAMES
from lithify.reference.float_functions import FLOAT_FUNCTIONS
from lithify.reference.graph import Node, Tensor
from lithify.reference.operators import make_node
from lithify.reference.table import fill
from lithify.reference.written import evaluate, written

ONE = np.array(1, np.float32)
"""The scale of what holds: 1 does, 0 does not."""


def unit(node: ir.Node, target: Target) -> Unit | None:
    """The expression that ends in the node; what has another shape than the result is repeated first."""
    found = expression_of(node)
    return None if found is None else _unit(str(node.name), found, target.output, target.limits)


def condition(node: ir.Node) -> Unit | None:
    """What says whether something holds, as 0 and 1, and of them the user's bool."""
    found = condition_of(node)
    if found is None:
        return None
    output = tensor_of(node.outputs[0])
    numbers = Tensor(f"{node.name}.holds", output.shape, "int8", ONE, 0)
    made = _unit(str(node.name), found, numbers, {})
    if made is None:
        return None
    truth = make_node(f"{node.name}.truth", "Truth", (numbers.name,), (output.name,))
    return Unit(made.inputs, (*made.nodes, truth), (*made.tensors, output), made.constants)


def _unit(name: str, found: Expression, output: Tensor, limits: dict[str, int]) -> Unit | None:
    shape = output.shape
    nodes: list[Node] = []
    tensors: list[Tensor] = []
    inputs: list[str] = []
    sources: list[ir.Value] = []
    constants: dict[str, NDArray[Any]] = {}
    read: Tensor | None
    for index, value in enumerate(found.operands):
        source = qdq.activation(value)
        if source is None:
            read = _constant(f"{name}.operand_{index}", value, shape, constants)
            if read is None:
                return None
            tensors.append(read)
        else:
            sources.append(source)
            read = tensor_of(source)
        if len(read.shape) > len(shape):
            return None
        wide = (1,) * (len(shape) - len(read.shape)) + read.shape
        for what, operator, dims in (("aligned", "Reshape", wide), ("repeated", "Expand", shape)):
            if read.shape != dims:
                made = Tensor(f"{name}.{NAMES[index]}_{what}", dims, "int8", read.scale, read.zero_point)
                nodes.append(make_node(made.name, operator, (read.name,), (made.name,), shape=dims))
                tensors.append(made)
                read = made
        inputs.append(read.name)
    if len(found.operands) == 1:
        function = written("expression(a) -> y", "\n".join(found.body), FLOAT_FUNCTIONS)
        with np.errstate(all="ignore"):
            entries = fill(lambda x: evaluate(function, x), tensor_of(sources[0]), output)
        table = Tensor(f"{name}.table", (256,), "int8")
        nodes.append(make_node(name, "Lookup", (inputs[0], table.name), (output.name,)))
        if limits:
            entries = np.clip(entries, limits["minimum"], limits["maximum"]).astype(np.int8)
        return Unit(tuple(sources), tuple(nodes), (*tensors, table, output), {table.name: entries})
    nodes.append(make_node(name, "Elementwise", tuple(inputs), (output.name,), body=found.body, **limits))
    return Unit(tuple(sources), tuple(nodes), (*tensors, output), constants)


def _constant(name: str, value: ir.Value, shape: Shape, constants: dict[str, NDArray[Any]]) -> Tensor | None:
    """An operand of several known numbers, repeated: int8 as the model holds them, or what holds as 0 and 1."""
    kept, data = stored(value), constant(value)
    if kept is not None:
        integers, own = kept
        scale, zero_point = np.array(own.scale.reshape(()), np.float32), int(own.zero_point.reshape(()))
    elif data is not None and data.dtype == np.bool_:
        integers, scale, zero_point = data.astype(np.int8), ONE, 0
    else:
        return None
    constants[name] = np.ascontiguousarray(np.broadcast_to(integers, shape))
    return Tensor(name, shape, "int8", scale, zero_point)
