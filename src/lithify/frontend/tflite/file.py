"""What a TFLite file holds, as plain dataclasses: the flatbuffer is read here and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from lithify.errors import LithifyError

TYPES: Mapping[int, str] = {
    tflite.TensorType.FLOAT32: "float32",
    tflite.TensorType.FLOAT16: "float16",
    tflite.TensorType.INT8: "int8",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.INT64: "int64",
    tflite.TensorType.BOOL: "bool",
}
"""Element types that are read, by their numbers in the schema."""


def _names(enumeration: type) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if isinstance(number, int)}


_TYPE_NAMES = _names(tflite.TensorType)
_OPERATOR_NAMES = _names(tflite.BuiltinOperator)
_OPTION_NAMES = _names(tflite.BuiltinOptions)


@dataclass(frozen=True, eq=False)
class Quantization:
    """scale: float32, one or one for each index of `axis`; zero_point: of the same size."""

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """data: of a constant. quantization: of integers that stand for real numbers. variable: it keeps its value from
    call to call.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    data: NDArray[Any] | None
    quantization: Quantization | None
    variable: bool = False


@dataclass(frozen=True, eq=False)
class Operator:
    """name: as the schema spells it, CONV_2D. inputs, outputs: tensors by index, -1 for one that is left out."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any

    def option(self, name: str, default: Any) -> Any:
        """An option by its name in the schema, FilterHeight."""
        found: Callable[[], Any] | None = getattr(self.options, name, None)
        return default if found is None else found()


@dataclass(frozen=True, eq=False)
class File:
    """The main graph of a file. source: as error messages name it."""

    source: str
    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(path: Path) -> File:
    """The file's main graph. Raises LithifyError for another kind of file, a damaged one, and a type it cannot hold."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LithifyError(f"Cannot read '{path}': {error.strerror or error}.") from error
    if content[4:8] != b"TFL3":
        raise LithifyError(f"'{path}' is not a TFLite model. Convert the network to TFLite and give that file.")
    try:
        return _file(content, str(path))
    except LithifyError:
        raise
    except Exception as error:  # flatbuffers checks nothing: a damaged file ends in whatever comes first
        raise LithifyError(f"'{path}' is a damaged TFLite model ({type(error).__name__}). Convert it again.") from error


def _file(content: bytes, source: str) -> File:
    model = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    tensors = tuple(
        _tensor(graph.Tensors(index), index, model, content, source) for index in range(graph.TensorsLength())
    )
    operators = []
    for index in range(graph.OperatorsLength()):
        one = graph.Operators(index)
        code = model.OperatorCodes(one.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _OPERATOR_NAMES.get(number, f"operator {number}")
        if name == "CUSTOM":
            name = f"custom operator {(code.CustomCode() or b'').decode()}"
        operators.append(Operator(index, name, _ints(one, "Inputs"), _ints(one, "Outputs"), _options(one)))
    name = (graph.Name() or b"network").decode()
    return File(source, name, tensors, tuple(operators), _ints(graph, "Inputs"), _ints(graph, "Outputs"))


def _ints(table: Any, field: str) -> tuple[int, ...]:
    """A vector of numbers, empty where the file leaves it out."""
    return tuple(getattr(table, field)(index) for index in range(getattr(table, f"{field}Length")()))


def _options(one: Any) -> Any:
    kind, table = _OPTION_NAMES.get(one.BuiltinOptionsType(), "NONE"), one.BuiltinOptions()
    if kind == "NONE" or table is None:
        return None
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    return options


def _tensor(one: Any, index: int, model: Any, content: bytes, source: str) -> Tensor:
    name = (one.Name() or b"").decode() or f"tensor_{index}"
    dtype = TYPES.get(one.Type())
    if dtype is None or one.Sparsity() is not None:
        given = (
            "is stored sparsely" if one.Sparsity() is not None
            else f"has the type {_TYPE_NAMES.get(one.Type(), one.Type())}"
        )  # fmt: skip
        raise LithifyError(
            f"Tensor '{name}' of '{source}' {given}; Lithify takes dense tensors of the types "
            f"{', '.join(TYPES.values())}. Convert the network to TFLite again without that."
        )
    shape = _ints(one, "Shape")
    buffer = model.Buffers(one.Buffer())
    if buffer.Offset() > 1:  # beyond 2 GiB weights lie behind the flatbuffer
        raw = content[buffer.Offset() : buffer.Offset() + buffer.Size()]
    else:
        raw = buffer.DataAsNumpy().tobytes() if buffer.DataLength() else b""
    data = np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape) if raw else None
    return Tensor(index, name, shape, dtype, data, _quantization(one.Quantization()), one.IsVariable())


def _quantization(one: Any) -> Quantization | None:
    if one is None or not one.ScaleLength():
        return None
    scale = np.array(_ints(one, "Scale"), np.float32)
    zero = np.array(_ints(one, "ZeroPoint") or [0], np.int64)
    return Quantization(scale, np.broadcast_to(zero, scale.shape), one.QuantizedDimension())
