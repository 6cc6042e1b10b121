"""The mean over both sides of an image is a GlobalAveragePool."""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, constant, integer, set_input, shape_of


def is_image_mean(node: ir.Node) -> bool:
    """Whether the node is a ReduceMean of [N, C, H, W] over H and W."""
    if node.op_type != "ReduceMean" or node.domain != "" or len(shape_of(node.inputs[0]) or ()) != 4:
        return False
    given = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = node.attributes.get_ints("axes", ()) if given is None else given.reshape(-1).tolist()
    return sorted(int(axis) % 4 for axis in axes) == [2, 3]


def pool_means(model: ir.Model) -> ir.Model:
    """Rewrites every such ReduceMean; one that drops the two dimensions is followed by a Reshape."""
    model = model.clone()
    for node in list(model.graph):
        if not is_image_mean(node):
            continue
        kept = integer(node, "keepdims", 1)
        node.op_type = "GlobalAveragePool"
        node.attributes.clear()
        node.resize_inputs(1)
        if not kept:
            _drop_sides(model.graph, node)
    return model


def _drop_sides(graph: ir.Graph, node: ir.Node) -> None:
    """Moves the node's output behind a Reshape, so that its name and shape stay."""
    x, flat = node.inputs[0], node.outputs[0]
    shape = shape_of(x)
    assert shape is not None
    pool = ir.node("GlobalAveragePool", [x], name=node.name)
    graph.insert_before(node, pool)
    pool.outputs[0].name = f"{flat.name}_pooled"
    pool.outputs[0].type = flat.type
    pool.outputs[0].shape = ir.Shape((*shape[:2], 1, 1))
    node.op_type = "Reshape"
    node.name = f"{node.name}_reshape"
    node.replace_input_with(0, pool.outputs[0])
    set_input(node, 1, add_constant(graph, f"{node.name}_shape", np.array(shape[:2], np.int64)))
