"""What treats every element alike, pairs of tensors, and softmax."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lithify.frontend.tflite.activation import activated, activation
from lithify.frontend.tflite.builder import Builder
from lithify.frontend.tflite.file import TYPES, Operator

Rule = Callable[[Builder, Operator], None]


def function(kind: str, **options: tuple[str, Any]) -> Rule:
    """An ONNX operator of one tensor. options: attribute -> the name of TFLite's option and its default."""

    def write(builder: Builder, operator: Operator) -> None:
        attributes = {name: operator.option(*given) for name, given in options.items()}
        builder.write(operator.outputs[0], builder.emit(kind, builder.read(operator.inputs[0]), **attributes))

    return write


def limits(kind: str) -> Rule:
    """RELU and its kin as operators of their own."""

    def write(builder: Builder, operator: Operator) -> None:
        builder.write(operator.outputs[0], activation(builder, kind, builder.read(operator.inputs[0])))

    return write


def pair(kind: str) -> Rule:
    """An ONNX operator of two tensors, with the activation behind it."""

    def write(builder: Builder, operator: Operator) -> None:
        value = builder.emit(kind, *(builder.read(index) for index in operator.inputs))
        builder.write(operator.outputs[0], activated(builder, operator, value))

    return write


def gelu(builder: Builder, operator: Operator) -> None:
    """With the error function, or approximately with tanh."""
    form = "tanh" if operator.option("Approximate", False) else "none"
    builder.write(operator.outputs[0], builder.emit("Gelu", builder.read(operator.inputs[0]), approximate=form))


def softmax(builder: Builder, operator: Operator) -> None:
    """Over the last dimension, of beta times the input."""
    value = builder.scaled(operator.inputs[0], operator.option("Beta", 1.0))
    builder.write(operator.outputs[0], builder.emit("Softmax", value, axis=-1))


def reciprocal_root(builder: Builder, operator: Operator) -> None:
    """1 / sqrt(x)."""
    root = builder.emit("Sqrt", builder.read(operator.inputs[0]))
    builder.write(operator.outputs[0], builder.emit("Reciprocal", root))


def square(builder: Builder, operator: Operator) -> None:
    """x * x."""
    value = builder.read(operator.inputs[0])
    builder.write(operator.outputs[0], builder.emit("Mul", value, value))


def squared_difference(builder: Builder, operator: Operator) -> None:
    """(x - y) * (x - y)."""
    value = builder.emit("Sub", *(builder.read(index) for index in operator.inputs))
    builder.write(operator.outputs[0], builder.emit("Mul", value, value))


def convert(builder: Builder, operator: Operator) -> None:
    """QUANTIZE and DEQUANTIZE: the same numbers, written as the output is."""
    builder.write(operator.outputs[0], builder.emit("Identity", builder.read(operator.inputs[0])))


def cast(builder: Builder, operator: Operator) -> None:
    """To the type of the output."""
    assert set(TYPES.values())
    kind = np.dtype(builder.tensor(operator.outputs[0]).dtype)
    builder.write(operator.outputs[0], builder.emit("Cast", builder.read(operator.inputs[0]), to=_number(kind)))


def arg_max(builder: Builder, operator: Operator) -> None:
    """Where the largest is along a dimension, in the type of the output."""
    axis = int(builder.data(operator, 1).reshape(-1)[0])
    value = builder.emit("ArgMax", builder.read(operator.inputs[0]), axis=axis, keepdims=0)
    kind = np.dtype(builder.tensor(operator.outputs[0]).dtype)
    builder.write(operator.outputs[0], builder.emit("Cast", value, to=_number(kind)))


def _number(kind: np.dtype[Any]) -> int:
    import onnx

    return onnx.helper.np_dtype_to_tensor_dtype(kind)
