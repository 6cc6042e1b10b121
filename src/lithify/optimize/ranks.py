"""Operands of fewer dimensions than the result, beside a constant that has them all."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, constant, insert, set_input, shape_of

_OPERATORS = ("Add", "Sub", "Mul", "Div")


def level_ranks(model: ir.Model) -> ir.Model:
    """Gives what is computed as many dimensions as the constant beside it, where only ones are missing before.

    So x [1, C] + constant [1, 1, C], as the first step of a recurrence written out adds its state, is a sum of tensors
    of one shape. Exact; a quantised model stays.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or node.op_type not in _OPERATORS or node.outputs[0].dtype != ir.DataType.FLOAT:
            continue
        after = shape_of(node.outputs[0])
        for index in (0, 1):
            x, shape = node.inputs[index], shape_of(node.inputs[index])
            if x is None or constant(x) is not None or constant(node.inputs[1 - index]) is None:
                continue
            if shape is None or after is None or len(shape) == len(after):
                continue
            if after == (*(1 for _ in after[len(shape) :]), *shape):
                name = f"{node.name}_level"
                wanted = add_constant(model.graph, f"{name}_shape", np.array(after, np.int64))
                made = insert(ir.node("Reshape", [x, wanted], name=name), node, x, after)
                made.name = f"{node.outputs[0].name}_level"
                set_input(node, index, made)
    return model
