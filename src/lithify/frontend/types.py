"""Which element types a model may use."""

import onnx_ir as ir

from lithify.errors import LithifyError

PORTS = (ir.DataType.FLOAT, ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT32, ir.DataType.INT64, ir.DataType.BOOL)
"""Types of a model's inputs and outputs."""

INSIDE = (
    *PORTS,
    ir.DataType.INT16,
    ir.DataType.UINT16,
    ir.DataType.UINT32,
    ir.DataType.UINT64,
    ir.DataType.FLOAT16,
    ir.DataType.BFLOAT16,
    ir.DataType.DOUBLE,
)
"""Types of the tensors between; what is not int8 or float32 there runs on the host."""


def check_ports(model: ir.Model, source: str) -> None:
    """Raises LithifyError for the first input or output of a type that Lithify does not take, and for no input."""
    if not model.graph.inputs:
        raise LithifyError(f"'{source}' has no input: its outputs are constants, and there is nothing to compile.")
    for value in model.graph.inputs:
        _check(f"Input '{value.name}'", value, PORTS, source)
    for value in model.graph.outputs:
        _check(f"Output '{value.name}'", value, PORTS, source)


def check(model: ir.Model, source: str) -> None:
    """Raises LithifyError for the first tensor of a type that Lithify does not take."""
    for value in model.graph.initializers.values():
        _check(f"Constant '{value.name}'", value, INSIDE, source)
    for node in model.graph:
        for value in node.outputs:
            if value.dtype is not None:
                _check(f"Tensor '{value.name}'", value, INSIDE, source)


def _check(what: str, value: ir.Value, allowed: tuple[ir.DataType, ...], source: str) -> None:
    if not isinstance(value.type, ir.TensorType | None):
        raise LithifyError(f"{what} of '{source}' is not a tensor but {value.type}; Lithify takes tensors only.")
    if value.dtype not in allowed:
        name = "unknown" if value.dtype is None else name_of(value.dtype)
        names = ", ".join(name_of(dtype) for dtype in allowed)
        raise LithifyError(
            f"{what} of '{source}' has the type {name}; Lithify takes {names}. Change the model and export it again."
        )


def name_of(dtype: ir.DataType) -> str:
    """The type as numpy spells it: `float32`, `complex64`, `string`."""
    return {"FLOAT": "float32", "DOUBLE": "float64"}.get(dtype.name, dtype.name.lower())
