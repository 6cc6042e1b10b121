"""TFLite files, float or quantised, as ONNX: NHWC made NCHW around what slides windows, integers in Q/DQ pairs.

`file.py` reads the flatbuffer, `builder.py` writes ONNX, `operators.py` says which operator is written by which rule.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir

from lithify.errors import LithifyError
from lithify.frontend.onnx import settle
from lithify.frontend.table import file_of
from lithify.frontend.tflite.builder import OPSET, Builder
from lithify.frontend.tflite.file import File, read
from lithify.frontend.tflite.operators import OPERATORS

__all__ = ["OPERATORS", "load"]


def load(source: str | Path, shape: Mapping[str, Sequence[int]] | None = None, inputs: None = None) -> ir.Model:
    """The ONNX model of a TFLite file; inputs and outputs keep names, types and layout, integers scale and zero point.

    Raises LithifyError for a file that is no TFLite model and for operators that are not read, all by name.
    """
    file = read(file_of(source, "a TFLite model"))
    unknown = dict.fromkeys(operator.name for operator in file.operators if operator.name not in OPERATORS)
    if unknown:
        raise LithifyError(
            f"'{file.source}' uses {', '.join(unknown)}, which Lithify does not read from TFLite. "
            "Change the network, or convert it to ONNX and give that file."
        )
    return settle(ir.serde.deserialize_model(_convert(file)), file.source, shape)


def _convert(file: File) -> onnx.ModelProto:
    builder = Builder(file)
    inputs = [builder.input(index) for index in file.inputs]
    for operator in file.operators:
        OPERATORS[operator.name](builder, operator)
    outputs = [builder.output(index) for index in file.outputs]
    graph = onnx.helper.make_graph(builder.nodes, file.name, inputs, outputs, builder.constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)
