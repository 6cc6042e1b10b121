"""Relu and Clip in one form: successive ones merged, a Clip from zero upwards a Relu, one without bounds nothing."""

import math

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, bypass, constant, set_input, used_once


def bounds(node: ir.Node) -> tuple[float, float] | None:
    """What a Relu or a Clip with constant float bounds limits to; None for any other node."""
    if node.domain != "":
        return None
    if node.op_type == "Relu":
        return 0.0, math.inf
    if node.op_type != "Clip" or node.inputs[0] is None or node.inputs[0].dtype != ir.DataType.FLOAT:
        return None
    found = [-math.inf, math.inf]
    for index, value in enumerate(node.inputs[1:3]):
        if value is not None:
            array = constant(value)
            if array is None or array.size != 1 or np.isnan(array).any():
                return None
            found[index] = float(array.reshape(())[()])
    return found[0], found[1]


def merge_limits(model: ir.Model) -> ir.Model:
    """Merges and renames them; exact, for limiting only selects."""
    model = model.clone()
    for node in list(model.graph):
        limits = bounds(node)
        if limits is None:
            continue
        x = node.inputs[0]
        assert x is not None
        before = x.producer()
        earlier = bounds(before) if before is not None else None
        if before is not None and earlier is not None and used_once(x):
            low, high = limits
            limits = min(max(earlier[0], low), high), min(max(earlier[1], low), high)
            node.replace_input_with(0, before.inputs[0])
            model.graph.remove(before, safe=True)
        _write(model.graph, node, limits)
    return model


def _write(graph: ir.Graph, node: ir.Node, limits: tuple[float, float]) -> None:
    low, high = limits
    if limits == (-math.inf, math.inf):
        x = node.inputs[0]
        assert x is not None
        if bypass(node, x):
            return
    if limits == (0, math.inf):
        node.op_type = "Relu"
        node.resize_inputs(1)
    elif bounds(node) != limits:
        node.op_type = "Clip"
        for index, bound in enumerate((low, high)):
            value = None if math.isinf(bound) and (bound < 0) == (index == 0) else bound
            name = f"{node.name}_{('min', 'max')[index]}"
            limit = None if value is None else add_constant(graph, name, np.array(value, np.float32))
            set_input(node, index + 1, limit)
