"""Products of matrices in the forms that the rest of the line knows: of two dimensions at least, each with its own
constant weights, and Gemm without what stands beside its product.
"""

import numpy as np
import onnx_ir as ir

from lithify.optimize.values import add_constant, constant, insert, integer, set_input, shape_of

MOST_MATRICES = 64
"""Constant matrices of one product that become products of their own."""


def plain_products(model: ir.Model) -> ir.Model:
    """Rewrites float MatMul and Gemm nodes. Differs by rounding only."""
    if any(node.op_type == "QuantizeLinear" for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.domain != "" or node.op_type not in ("MatMul", "Gemm") or node.outputs[0].dtype != ir.DataType.FLOAT:
            continue
        if node.op_type == "Gemm":
            _gemm(model.graph, node)
            continue
        _of_vectors(model.graph, node)
        _of_many(model.graph, node)
    return model


def _of_vectors(graph: ir.Graph, node: ir.Node) -> None:
    """A vector is a matrix of one row, or of one column where it comes second."""
    shapes, after = [shape_of(value) for value in node.inputs], shape_of(node.outputs[0])
    if None in shapes or after is None or all(len(shape or ()) > 1 for shape in shapes):
        return
    name, x = str(node.name), node.inputs[0]
    assert x is not None
    wide = [shape or () for shape in shapes]
    for index, shape in enumerate(wide):
        if len(shape) == 1:
            wide[index] = (1, *shape) if index == 0 else (*shape, 1)
            set_input(node, index, _reshaped(graph, node, node.inputs[index], wide[index], f"{name}_operand_{index}"))
    leading = np.broadcast_shapes(wide[0][:-2], wide[1][:-2])
    product = ir.node("MatMul", list(node.inputs), name=f"{name}_of_matrices")
    made = insert(product, node, x, (*leading, wide[0][-2], wide[1][-1]))
    made.name = f"{node.outputs[0].name}_of_matrices"
    node.op_type = "Reshape"
    set_input(node, 0, made)
    set_input(node, 1, add_constant(graph, f"{name}_shape", np.array(after, np.int64)))
    _of_many(graph, product)


def _of_many(graph: ir.Graph, node: ir.Node) -> None:
    """x [.., b, .., M, K] times constants [.., b, .., K, N]: for each matrix a product, joined again."""
    weights, x = constant(node.inputs[1]), node.inputs[0]
    before, after = shape_of(x), shape_of(node.outputs[0])
    if weights is None or weights.ndim < 3 or x is None or before is None or after is None or len(before) < 2:
        return
    leading = after[:-2]
    count = int(np.prod(leading))
    name = str(node.name)
    if int(np.prod(weights.shape[:-2])) == 1:
        set_input(node, 1, add_constant(graph, f"{name}_matrix", weights.reshape(weights.shape[-2:])))
        if len(before) == len(after):
            return
    if count > MOST_MATRICES:
        return
    if int(np.prod(before[:-2])) not in (1, count):
        wide = (*leading, *before[-2:])
        dims = add_constant(graph, f"{name}_repeats", np.array(wide, np.int64))
        x = insert(ir.node("Expand", [x, dims], name=f"{name}_repeated"), node, x, wide)
        x.name = f"{node.outputs[0].name}_repeated"
        before = wide
    matrices = np.broadcast_to(weights, (*leading, *weights.shape[-2:])).reshape(count, *weights.shape[-2:])
    alone = int(np.prod(before[:-2])) == 1
    rows = _reshaped(graph, node, x, (1 if alone else count, *before[-2:]), f"{name}_rows")
    parts = []
    for index, matrix in enumerate(matrices):
        one = rows
        if not alone and count > 1:
            limits = [
                add_constant(graph, f"{name}_{what}_{index}", np.array([place], np.int64))
                for what, place in (("start", index), ("end", index + 1), ("axis", 0))
            ]
            one = insert(ir.node("Slice", [rows, *limits], name=f"{name}_{index}_of"), node, x, (1, *before[-2:]))
            one.name = f"{node.outputs[0].name}_{index}_of"
        own = add_constant(graph, f"{name}_matrix_{index}", np.ascontiguousarray(matrix))
        shape = (1, before[-2], matrix.shape[-1])
        parts.append(insert(ir.node("MatMul", [one, own], name=f"{name}_{index}"), node, x, shape))
        parts[-1].name = f"{node.outputs[0].name}_{index}"
    joined = parts[0]
    if count > 1:
        made = ir.node("Concat", parts, {"axis": 0}, name=f"{name}_joined")
        joined = insert(made, node, x, (count, before[-2], weights.shape[-1]))
        joined.name = f"{node.outputs[0].name}_joined"
    node.op_type = "Reshape"
    node.resize_inputs(2)
    set_input(node, 0, joined)
    set_input(node, 1, add_constant(graph, f"{name}_shape", np.array(after, np.int64)))


def _gemm(graph: ir.Graph, node: ir.Node) -> None:
    """A turned first operand is turned before; a bias of several rows is added behind."""
    x, weights, after = node.inputs[0], constant(node.inputs[1]), shape_of(node.outputs[0])
    if x is None or weights is None or after is None:
        return
    name, shape = str(node.name), shape_of(x)
    if integer(node, "transA", 0) and shape is not None:
        made = ir.node("Transpose", [x], {"perm": [1, 0]}, name=f"{name}_turned")
        turned = insert(made, node, x, (shape[1], shape[0]))
        turned.name = f"{node.outputs[0].name}_turned"
        set_input(node, 0, turned)
        node.attributes.pop("transA")
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    beta = node.attributes.get_float("beta", 1.0)
    computed = len(node.inputs) > 2 and node.inputs[2] is not None and bias is None and beta == 1
    if not computed and (bias is None or bias.ndim < 2 or bias.shape[0] == 1 or bias.dtype != np.float32):
        return
    product = ir.node("Gemm", list(node.inputs[:2]), name=f"{name}_product")
    for attribute in node.attributes.values():
        if attribute.name != "beta":
            product.attributes.add(attribute)
    made_product = insert(product, node, x, after)
    made_product.name = f"{node.outputs[0].name}_product"
    if bias is None:
        added = node.inputs[2]
    else:
        whole = np.ascontiguousarray(np.broadcast_to(bias * np.float32(beta), after))
        added = add_constant(graph, f"{name}_bias", whole)
    node.op_type = "Add"
    node.attributes.clear()
    node.resize_inputs(2)
    set_input(node, 0, made_product)
    set_input(node, 1, added)


def _reshaped(graph: ir.Graph, node: ir.Node, value: ir.Value | None, shape: tuple[int, ...], name: str) -> ir.Value:
    assert value is not None
    data = constant(value)
    if data is not None:
        return add_constant(graph, f"{name}_matrix", data.reshape(shape))
    dims = add_constant(graph, f"{name}_shape", np.array(shape, np.int64))
    made = insert(ir.node("Reshape", [value, dims], name=name), node, value, shape)
    made.name = f"{name}_reshaped"
    return made
