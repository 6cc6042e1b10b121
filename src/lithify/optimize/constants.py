"""What depends on constants alone is computed once, now, by onnxscript's folder."""

import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, NameFixPass
from onnxscript.optimizer import fold_constants as fold

_KEPT = ("QuantizeLinear", "DequantizeLinear")
"""Folding these would turn stored int8 weights into floats and lose the quantisation."""


def fold_constants(model: ir.Model) -> ir.Model:
    """Folds constant nodes; results of more than a million bytes are left to be computed."""
    model = model.clone()
    fold(
        model,
        onnx_shape_inference=True,
        input_size_limit=1 << 20,
        output_size_limit=1 << 20,
        should_fold=lambda node: False if node.op_type in _KEPT else None,
    )
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    NameFixPass()(model)
    return model
