"""PRelu with a slope for each channel, in operators that a chip has: the part above zero plus the scaled part below."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.channels import per_channel
from lithify.optimize.values import add_constant, constant, insert, shape_of


def split_prelus(model: ir.Model) -> ir.Model:
    """Rewrites every one over images or sequences: Relu(x) + slope x Min(x, 0), the product a Conv of one tap.

    Exact: one of the two parts is zero. A PRelu with one slope for all stays: it is a function of one variable.
    """
    model = model.clone()
    for node in list(model.graph):
        x = node.inputs[0] if node.op_type == "PRelu" and node.domain == "" else None
        shape = shape_of(x)
        if x is None or shape is None or len(shape) not in (3, 4) or x.dtype != ir.DataType.FLOAT:
            continue
        slopes = per_channel(constant(node.inputs[1]), x)
        if slopes is None or (slopes == slopes[0]).all():
            _one_slope(model.graph, node, None if slopes is None else float(slopes[0]))
            continue
        graph, name = model.graph, str(node.name)
        zero = add_constant(graph, f"{name}_zero", np.array(0, np.float32))
        weights = add_constant(graph, f"{name}_weights", slopes.reshape(-1, *(1 for _ in shape[1:])))
        above = insert(ir.node("Relu", [x], name=f"{name}_above"), node, x, shape)
        below = insert(ir.node("Clip", [x, None, zero], name=f"{name}_below"), node, x, shape)
        conv = ir.node("Conv", [below, weights], {"group": shape[1]}, name=f"{name}_slopes")
        scaled = insert(conv, node, x, shape)
        node.op_type = "Add"
        node.replace_input_with(0, above)
        node.replace_input_with(1, scaled)
    return model


def _one_slope(graph: ir.Graph, node: ir.Node, slope: float | None) -> None:
    """A single slope written for every channel becomes a single number."""
    data = constant(node.inputs[1])
    if slope is not None and data is not None and data.size > 1:
        node.replace_input_with(1, add_constant(graph, f"{node.name}_slope", np.array(slope, np.float32)))
