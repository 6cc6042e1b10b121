"""Dense layers in one form: MatMul with constant weights becomes Gemm; alpha and beta of Gemm go into its constants."""

import math

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, constant, insert, integer, set_input, shape_of


def make_gemm(model: ir.Model) -> ir.Model:
    """Rewrites every float MatMul with constant weights [K, N]; other than two dimensions are reshaped around it."""
    model = model.clone()
    for node in list(model.graph):
        if node.domain == "" and node.op_type == "MatMul":
            _from_matmul(model.graph, node)
        elif node.domain == "" and node.op_type == "Gemm":
            _plain(model.graph, node)
    return model


def _from_matmul(graph: ir.Graph, node: ir.Node) -> None:
    x, weights = node.inputs[0], constant(node.inputs[1])
    before, after = shape_of(x), shape_of(node.outputs[0])
    if x is None or weights is None or weights.dtype != np.float32 or weights.ndim != 2 or before is None:
        return
    if after is None or len(before) < 2 or constant(x) is not None:
        return
    if len(before) == 2:
        node.op_type = "Gemm"
        return
    rows = math.prod(before[:-1])
    flat = (rows, before[-1])
    shape = add_constant(graph, f"{node.name}_rows", np.array(flat, np.int64))
    x = insert(ir.node("Reshape", [x, shape], name=f"{node.name}_flatten"), node, x, flat)
    product = ir.node("Gemm", [x, node.inputs[1]], name=node.name)
    y = insert(product, node, x, (rows, weights.shape[1]))
    node.op_type = "Reshape"
    node.name = f"{node.name}_unflatten"
    node.attributes.clear()
    node.replace_input_with(0, y)
    node.replace_input_with(1, add_constant(graph, f"{node.name}_shape", np.array(after, np.int64)))


def _plain(graph: ir.Graph, node: ir.Node) -> None:
    """alpha into the weights, beta into the bias, a bias of one row or one number made [N]."""
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    weights = constant(node.inputs[1])
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if weights is not None and alpha != 1 and weights.dtype == np.float32:
        set_input(node, 1, add_constant(graph, f"{node.name}_weights", weights * np.float32(alpha)))
        node.attributes.pop("alpha")
    if bias is None or bias.dtype != np.float32 or weights is None:
        return
    outputs = weights.shape[0 if integer(node, "transB", 0) else 1]
    if all(size == 1 for size in bias.shape[:-1]) and (beta != 1 or bias.shape != (outputs,)):
        row = np.broadcast_to(bias.reshape(-1) * np.float32(beta), (outputs,))
        set_input(node, 2, add_constant(graph, f"{node.name}_bias", row))
        node.attributes.pop("beta", None)
