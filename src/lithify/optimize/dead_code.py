"""Nodes and constants that no output needs."""

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, RemoveUnusedOpsetsPass


def remove_dead_code(model: ir.Model) -> ir.Model:
    """Removes them, by onnx-ir's passes."""
    model = model.clone()
    RemoveUnusedNodesPass()(model)
    RemoveUnusedOpsetsPass()(model)
    return model
