"""TFLite files of one operator, written with LiteRT's own schema, and LiteRT's answers to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9}

VERSIONS = {"BROADCAST_TO": 2}
"""Of operators that LiteRT does not have in version 1."""


@dataclass(frozen=True)
class Tensor:
    """data: of a constant. scale: one or one a channel, of integers that stand for real numbers. variable: it keeps its
    value from call to call.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    data: NDArray[Any] | None = None
    scale: Sequence[float] = ()
    zero_point: int = 0
    axis: int = 0
    variable: bool = False


@dataclass(frozen=True)
class Operator:
    """name: as the schema spells it. options: the fields of `kind`, the schema's table of options."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def write(
    tensors: Sequence[Tensor], operators: Sequence[Operator], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """The file of one graph; tensor number i is called `t<i>`."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [], [graph]
    graph.name, graph.tensors, graph.operators, graph.inputs, graph.outputs = (
        b"main",
        [],
        [],
        list(inputs),
        list(outputs),
    )
    for index, tensor in enumerate(tensors):
        made = schema.TensorT()
        made.isVariable = tensor.variable
        made.name, made.shape, made.type, made.buffer = f"t{index}".encode(), list(tensor.shape), TYPES[tensor.dtype], 0
        if tensor.data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        if len(tensor.scale):
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = np.array(tensor.scale, np.float32)
            made.quantization.zeroPoint = np.full(len(tensor.scale), tensor.zero_point, np.int64)
            made.quantization.quantizedDimension = tensor.axis
        graph.tensors.append(made)
    for operator in operators:
        number = getattr(schema.BuiltinOperator, operator.name)
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = VERSIONS.get(operator.name, 1)
        model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex = len(model.operatorCodes) - 1
        made.inputs, made.outputs = list(operator.inputs), list(operator.outputs)
        if operator.kind:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, operator.kind)
            made.builtinOptions = getattr(schema, f"{operator.kind}T")()
            for name, value in operator.options.items():
                assert hasattr(made.builtinOptions, name), name
                setattr(made.builtinOptions, name, value)
        graph.operators.append(made)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def litert(content: bytes, inputs: Sequence[NDArray[Any]], reference: bool = True) -> list[NDArray[Any]]:
    """The answers of LiteRT's reference kernels; those for processors where it has no others."""
    kinds = (OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.AUTO)
    for kind in kinds if reference else kinds[2:]:
        try:
            judge = Interpreter(model_content=content, experimental_op_resolver_type=kind)
            break
        except ValueError:
            if kind is kinds[2]:
                raise
    judge.allocate_tensors()
    for detail, data in zip(judge.get_input_details(), inputs, strict=True):
        judge.set_tensor(detail["index"], data)
    judge.invoke()
    return [judge.get_tensor(detail["index"]) for detail in judge.get_output_details()]
