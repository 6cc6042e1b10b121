"""Which operator domains a model may use: those that ONNX Runtime, which runs what the chip has no unit for, knows."""

import onnx_ir as ir

from lithify.errors import LithifyError

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


def check(model: ir.Model, source: str) -> None:
    """Raises LithifyError for the first node of a foreign domain."""
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if node.domain not in DOMAINS:
            raise LithifyError(
                f"Node '{node.name}' of '{source}' is the operator {node.op_type} of domain '{node.domain}', which "
                f"neither the chip nor ONNX Runtime knows. Export the model with standard ONNX operators."
            )
