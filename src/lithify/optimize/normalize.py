"""What scales or shifts each channel, where no layer before can take it up, becomes a Conv of one tap a channel."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify.optimize.affine import batch_norm_factors
from lithify.optimize.channels import layer, per_channel
from lithify.optimize.values import add_constant, constant, insert, set_input, shape_of

Factors = tuple[NDArray[np.float64], NDArray[np.float64]]


def convolve_norms(model: ir.Model) -> ir.Model:
    """Rewrites them over images [N, C, H, W], sequences [N, C, L] and a row [1, C]: y[c] = x[c] * scale[c] + shift[c].

    BatchNormalization, and Mul, Div, Add and Sub by constants of one number for each channel; factors in float64.
    """
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or not node.inputs or node.inputs[0] is None:
            continue
        index = 1 if constant(node.inputs[0]) is not None and node.op_type in ("Mul", "Add") else 0
        x = node.inputs[index]
        shape = shape_of(x)
        if x is None or shape is None or len(shape) not in (2, 3, 4) or x.dtype != ir.DataType.FLOAT:
            continue
        row = all(size == 1 for size in shape[:-1])
        if len(shape) == 2 and not row:
            continue
        factors = _factors(node, index, x) if layer(x) is None else None  # a layer takes it up
        if factors is None or shape_of(node.outputs[0]) != shape:
            continue
        scale, shift = (factor.astype(np.float32) for factor in factors)
        if row and len(shape) < 4 and scale.size == shape[-1]:
            x, node = _as_pixel(model.graph, node, x, shape)
            shape = (1, shape[-1], 1, 1)
        weights = add_constant(model.graph, f"{node.name}_weights", scale.reshape(-1, *(1 for _ in shape[1:])))
        bias = add_constant(model.graph, f"{node.name}_bias", shift)
        node.op_type = "Conv"
        node.attributes.clear()
        node.attributes.add(ir.AttrInt64("group", shape[1]))
        node.attributes.add(ir.AttrInt64s("kernel_shape", [1] * (len(shape) - 2)))
        node.resize_inputs(3)
        for place, value in enumerate((x, weights, bias)):
            set_input(node, place, value)
        node.resize_outputs(1)
    return model


def _as_pixel(graph: ir.Graph, node: ir.Node, x: ir.Value, shape: tuple[int, ...]) -> tuple[ir.Value, ir.Node]:
    """A row as an image of one pixel: its value, and a node between that and a Reshape, which the node becomes."""
    image = 1, shape[-1], 1, 1
    wide = add_constant(graph, f"{node.name}_pixel", np.array(image, np.int64))
    pixel = insert(ir.node("Reshape", [x, wide], name=f"{node.name}_as_pixel"), node, x, image)
    made = ir.node(node.op_type, [pixel], name=node.name)
    y = insert(made, node, x, image)
    node.name, node.op_type = f"{node.name}_as_row", "Reshape"
    node.attributes.clear()
    node.resize_inputs(2)
    node.resize_outputs(1)
    set_input(node, 0, y)
    set_input(node, 1, add_constant(graph, f"{node.name}_shape", np.array(shape, np.int64)))
    return pixel, made


def _factors(node: ir.Node, index: int, x: ir.Value) -> Factors | None:
    """scale and shift per channel."""
    if node.op_type == "BatchNormalization":
        return batch_norm_factors(node)
    if node.op_type not in ("Mul", "Div", "Add", "Sub"):
        return None
    data = constant(node.inputs[1 - index])
    shape = shape_of(x) or ()
    if data is not None and data.size == shape[-1] > 1 and all(size == 1 for size in shape[:-1]):
        row = data.astype(np.float32).reshape(-1) if data.ndim <= len(shape) else None
    else:
        row = per_channel(data, x) if data is not None and data.size > 1 else None
    if row is None or (node.op_type == "Div" and not row.all()):
        return None
    wide, ones = row.astype(np.float64), np.ones(len(row))
    if node.op_type in ("Mul", "Div"):
        return (1 / wide if node.op_type == "Div" else wide), np.zeros(len(row))
    return ones, (-wide if node.op_type == "Sub" else wide)
