"""What depends on constants alone is computed once, now, by onnxscript's folder."""

from math import prod

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, NameFixPass
from onnxscript.optimizer import fold_constants as fold

from lithify.optimize.values import add_constant, constant, integer, shape_of

_KEPT = ("QuantizeLinear", "DequantizeLinear")
"""Folding these would turn stored int8 weights into floats and lose the quantisation."""


_MOST_ELEMENTS = 1 << 18
"""Of a ConstantOfShape that becomes a constant: a million bytes."""


def fold_constants(model: ir.Model) -> ir.Model:
    """Folds constant nodes; results of more than a million bytes are left to be computed."""
    model = model.clone()
    for node in list(model.graph):
        _split(model.graph, node)
    fold(
        model,
        onnx_shape_inference=True,
        input_size_limit=1 << 20,
        output_size_limit=1 << 20,
        should_fold=_should_fold,
    )
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    NameFixPass()(model)
    return model


def _should_fold(node: ir.Node) -> bool | None:
    """None where onnxscript's own rule decides: it would keep every ConstantOfShape, masks of attention among them."""
    if node.op_type in _KEPT:
        return False
    shape = shape_of(node.outputs[0]) if node.op_type == "ConstantOfShape" else None
    return True if shape is not None and prod(shape) <= _MOST_ELEMENTS else None


def _split(graph: ir.Graph, node: ir.Node) -> None:
    """The pieces of a constant, which onnxscript's folder leaves: it folds nodes of one output."""
    data = constant(node.inputs[0]) if node.domain == "" and node.op_type == "Split" else None
    shapes = [shape_of(value) for value in node.outputs]
    if data is None or None in shapes or any(value.is_graph_output() for value in node.outputs):
        return
    axis = integer(node, "axis", 0) % data.ndim
    ends = np.cumsum([shape[axis] for shape in shapes if shape is not None])
    for value, piece in zip(node.outputs, np.split(data, ends[:-1], axis), strict=True):
        value.replace_all_uses_with(add_constant(graph, f"{value.name}_folded", piece))
    graph.remove(node, safe=True)
