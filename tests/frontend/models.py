"""Small ONNX models for tests, written in ONNX's own text form, with seeded weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
from numpy.typing import NDArray


def proto(text: str, constants: Mapping[str, NDArray[Any]] | None = None, opset: int = 20) -> onnx.ModelProto:
    """A checked model `<ir_version: 8, opset_import: ["" : opset]> text` with these constants as initialisers."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}, "com.microsoft" : 1]>\n{text}')
    for name, data in (constants or {}).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(data), name))
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type.lower()}_{index}"
    return model


def floats(seed: int, *shape: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Normal float32 numbers of this seed."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def typed(text: str, constants: Mapping[str, NDArray[Any]] | None = None, opset: int = 20) -> ir.Model:
    """The model as `frontend.load` would give it: shapes inferred."""
    inferred = onnx.shape_inference.infer_shapes(proto(text, constants, opset), strict_mode=True, data_prop=True)
    return ir.serde.deserialize_model(inferred)


def operators(model: ir.Model) -> list[str]:
    """The operator names in order."""
    return [node.op_type for node in model.graph]
