"""Trained models in, ONNX graphs out: one file a framework, chosen by `table.py`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lithify.frontend.onnx import save
from lithify.frontend.table import front_end

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["load", "save"]


def load(model: Any, shape: Mapping[str, Sequence[int]] | None = None, inputs: Any = None) -> "ir.Model":
    """The model as ONNX, checked, with every tensor's shape fixed.

    model: a file (.onnx, .pt2, .keras, .h5, .tflite) or an object: a torch.nn.Module, an ExportedProgram, a Keras 3
    model, an onnx.ModelProto, an onnx_ir.Model.
    shape: for inputs whose sizes the model leaves open, the shape to compile for, batch included, by input name.
    inputs: for a torch.nn.Module, example inputs: a tuple of tensors or arrays, or a mapping from argument to tensor.
    Raises LithifyError for what cannot be read, a framework that is not installed, an unsupported type or operator,
    and an open shape.
    """
    return front_end(model).load(model, shape, inputs)
