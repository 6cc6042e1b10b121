"""Units of expressions of one or two tensors: a table of one int8, or a program of the vector unit."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.expressions import expression_of
from lithify.quantize import qdq
from lithify.quantize.unit import Target, Unit, of_scale, tensor_of
from lithify.reference.expressions import NAMES
from lithify.reference.float_functions import FLOAT_FUNCTIONS
from lithify.reference.graph import Node, Tensor
from lithify.reference.operators import make_node
from lithify.reference.table import fill
from lithify.reference.written import evaluate, written


def unit(node: ir.Node, target: Target) -> Unit | None:
    """The expression that ends in the node; what has another shape than the result is repeated first."""
    found = expression_of(node)
    if found is None:
        return None
    sources = [qdq.activation(value) for value in found.operands]
    if any(source is None for source in sources):
        return None
    name, shape = str(node.name), target.output.shape
    nodes: list[Node] = []
    tensors: list[Tensor] = []
    inputs: list[str] = []
    values = tuple(source for source in sources if source is not None)
    for index, source in enumerate(values):
        read = tensor_of(source)
        if len(read.shape) > len(shape):
            return None
        own = qdq.parameters_of(source)
        assert own is not None
        wide = (1,) * (len(shape) - len(read.shape)) + read.shape
        for what, operator, dims in (("aligned", "Reshape", wide), ("repeated", "Expand", shape)):
            if read.shape != dims:
                made = of_scale(f"{name}.{NAMES[index]}_{what}", dims, own)
                nodes.append(make_node(made.name, operator, (read.name,), (made.name,), shape=dims))
                tensors.append(made)
                read = made
        inputs.append(read.name)
    if len(values) == 1:
        function = written("expression(a) -> y", "\n".join(found.body), FLOAT_FUNCTIONS)
        with np.errstate(all="ignore"):
            entries = fill(lambda x: evaluate(function, x), tensor_of(values[0]), target.output)
        table = Tensor(f"{name}.table", (256,), "int8")
        nodes.append(make_node(name, "Lookup", (inputs[0], table.name), (target.output.name,)))
        entries = np.clip(entries, target.minimum, target.maximum).astype(np.int8)
        return Unit(values, tuple(nodes), (*tensors, table, target.output), {table.name: entries})
    nodes.append(make_node(name, "Elementwise", tuple(inputs), (target.output.name,), body=found.body, **target.limits))
    return Unit(values, tuple(nodes), (*tensors, target.output))
