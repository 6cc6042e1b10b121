"""Operators that give the same elements, in the same order, another shape: each a Reshape with a constant shape."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, bypass, integer, producer, set_input, shape_of, used_once

SHAPERS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")


def new_shape(node: ir.Node) -> tuple[int, ...] | None:
    """The fixed shape that the node gives its first input; None if it does more than that, or its shape is not fixed.

    A Transpose is of this kind when it only moves dimensions of size 1.
    """
    if node.op_type not in SHAPERS or node.domain != "":
        return None
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    if before is None or after is None or 0 in after:
        return None
    if node.op_type == "Transpose":
        order = node.attributes.get_ints("perm", tuple(reversed(range(len(before)))))
        moved = [axis for axis in order if before[axis] != 1]
        if moved != sorted(moved):
            return None
    return after


def unify_reshapes(model: ir.Model) -> ir.Model:
    """Rewrites them, merges one into the next and drops those that change nothing."""
    model = model.clone()
    for node in list(model.graph):
        shape, x = new_shape(node), node.inputs[0] if node.inputs else None
        if shape is None or x is None:
            continue
        earlier = producer(x, *SHAPERS)
        if earlier is not None and new_shape(earlier) is not None and used_once(x) and earlier.inputs[0] is not None:
            x = earlier.inputs[0]
            node.replace_input_with(0, x)
            model.graph.remove(earlier, safe=True)
        if shape_of(x) == shape and bypass(node, x):
            continue
        _write(model.graph, node, shape)
    return model


def _write(graph: ir.Graph, node: ir.Node, shape: tuple[int, ...]) -> None:
    wanted = np.array(shape, np.int64)
    given = node.inputs[1].const_value if node.op_type == "Reshape" and node.inputs[1] is not None else None
    if given is not None and np.array_equal(given.numpy(), wanted) and not integer(node, "allowzero", 0):
        return
    node.op_type = "Reshape"
    node.attributes.clear()
    node.resize_inputs(1)
    set_input(node, 1, add_constant(graph, f"{node.name}_shape", wanted))
