"""Writes ONNX for a TFLite graph: one value of floats for every tensor, with its pair where the file has integers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.frontend.tflite.file import File, Operator, Tensor

OPSET = 20
CHANNELS_FIRST = (0, 3, 1, 2)
CHANNELS_LAST = (0, 2, 3, 1)

Turn = Callable[[NDArray[Any]], NDArray[Any]]


class Builder:
    """The ONNX nodes so far. A quantised tensor is an integer value under the tensor's name and a DequantizeLinear."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._floats: dict[int, str] = {}
        self._taken: set[str] = set()
        self._names = [self._fresh(tensor.name) for tensor in file.tensors]

    def tensor(self, index: int) -> Tensor:
        """A tensor of the file."""
        return self.file.tensors[index]

    def has(self, operator: Operator, place: int) -> bool:
        """Whether an operator has this input."""
        return len(operator.inputs) > place and operator.inputs[place] >= 0

    def data(self, operator: Operator, place: int) -> NDArray[Any]:
        """A constant input. Raises LithifyError where it is computed."""
        found = self.tensor(operator.inputs[place]).data
        if found is None:
            raise LithifyError(
                f"{operator.name} of '{self.file.source}' computes its input "
                f"'{self.tensor(operator.inputs[place]).name}'; Lithify takes a constant there. "
                "Change the network so that it is known."
            )
        return found

    def emit(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A new node; the name of its output, or a list of names where `outputs` is not 1."""
        names = [self._fresh(kind.lower()) for _ in range(outputs)]
        node = onnx.helper.make_node(kind, list(inputs), names, name=self._fresh(f"node_{kind.lower()}"), **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def constant(self, data: NDArray[Any], name: str = "constant") -> str:
        """The name of a new constant."""
        name = self._fresh(name)
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(data, order="C"), name))
        return name

    def integers(self, *numbers: int) -> str:
        """A constant list of int64."""
        return self.constant(np.array(numbers, np.int64))

    def read(self, index: int) -> str:
        """The tensor's real numbers (or its integers, where they stand for themselves)."""
        if index not in self._floats:
            if self.tensor(index).variable:
                raise LithifyError(
                    f"'{self.file.source}' reads '{self.tensor(index).name}', which keeps its state between calls; "
                    "Lithify takes that of a sequence LSTM alone. Make it an input and an output of the network."
                )
            if self.tensor(index).data is None:
                raise LithifyError(f"'{self.file.source}' reads '{self.tensor(index).name}', which nothing makes.")
            self._floats[index] = self.weights(index)
        return self._floats[index]

    def scaled(self, index: int, factor: float) -> str:
        """`factor` times the tensor's real numbers; of integers their scale takes it up."""
        value, tensor = self.read(index), self.tensor(index)
        if factor == 1:
            return value
        own = tensor.quantization
        if own is None or tensor.data is not None or tensor.dtype not in ("int8", "uint8"):
            return str(self.emit("Mul", value, self.constant(np.array(factor, np.float32))))
        wider = replace(own, scale=own.scale * np.float32(factor))
        return self._dequantized(self._names[index], replace(tensor, quantization=wider))

    def weights(self, index: int, turn: Turn = lambda data: data, axis: int | None = None) -> str:
        """The real numbers of a constant whose stored numbers are turned first. axis: of its scales, after it."""
        tensor = self.tensor(index)
        assert tensor.data is not None
        data = turn(tensor.data)
        if tensor.quantization is None:
            return self.constant(data.astype(np.float32) if data.dtype == np.float16 else data, tensor.name)
        return self._dequantized(self.constant(data, tensor.name), tensor, axis)

    def write(self, index: int, value: str) -> None:
        """Gives the tensor this value, the output of the node that was emitted last, quantised as the tensor is."""
        tensor, name = self.tensor(index), self._names[index]
        if tensor.quantization is None or tensor.dtype not in ("int8", "uint8"):
            assert self.nodes[-1].output[0] == value or value in self.nodes[-1].output
            self.rename(value, name)
            self._floats[index] = name
        else:
            self._quantized(value, tensor, name)
            self._floats[index] = self._dequantized(name, tensor)

    def again(self, index: int, value: str) -> str:
        """The value rounded to the steps of a quantised tensor, for what only moves values after it."""
        tensor = self.tensor(index)
        if tensor.quantization is None:
            return value
        name = self._fresh(f"{tensor.name}_before")
        self._quantized(value, tensor, name)
        return self._dequantized(name, tensor)

    def rename(self, value: str, name: str) -> None:
        """Gives the value of the last node another name."""
        outputs = self.nodes[-1].output
        outputs[list(outputs).index(value)] = name

    def input(self, index: int) -> onnx.ValueInfoProto:
        """The tensor as an input of the network."""
        tensor, name = self.tensor(index), self._names[index]
        quantized = tensor.quantization is not None and tensor.dtype in ("int8", "uint8")
        self._floats[index] = self._dequantized(name, tensor) if quantized else name
        return self._port(index)

    def output(self, index: int) -> onnx.ValueInfoProto:
        """The tensor as an output of the network."""
        self.read(index)
        return self._port(index)

    def image(self, index: int) -> str:
        """A tensor [N, H, W, C] as [N, C, H, W]."""
        return str(self.emit("Transpose", self.read(index), perm=CHANNELS_FIRST))

    def back(self, value: str) -> str:
        """[N, C, H, W] as [N, H, W, C]."""
        return str(self.emit("Transpose", value, perm=CHANNELS_LAST))

    def _port(self, index: int) -> onnx.ValueInfoProto:
        tensor = self.tensor(index)
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
        return onnx.helper.make_tensor_value_info(self._names[index], kind, tensor.shape)

    def _parameters(self, tensor: Tensor) -> tuple[str, str]:
        own = tensor.quantization
        assert own is not None
        scale, zero = own.scale, own.zero_point.astype(tensor.dtype)
        if scale.size == 1:
            scale, zero = scale.reshape(()), zero.reshape(())
        return self.constant(scale, f"{tensor.name}_scale"), self.constant(zero, f"{tensor.name}_zero_point")

    def _quantized(self, value: str, tensor: Tensor, name: str) -> None:
        node = onnx.helper.make_node(
            "QuantizeLinear", [value, *self._parameters(tensor)], [name], name=self._fresh(f"node_{tensor.name}")
        )
        self.nodes.append(node)

    def _dequantized(self, name: str, tensor: Tensor, axis: int | None = None) -> str:
        own = tensor.quantization
        assert own is not None
        along = {} if own.scale.size == 1 else {"axis": own.axis if axis is None else axis}
        return str(self.emit("DequantizeLinear", name, *self._parameters(tensor), **along))

    def _fresh(self, name: str) -> str:
        wanted, number = name, 0
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def same_padding(
    size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """TensorFlow's SAME padding of an image of this (height, width): tops, lefts, bottoms, rights."""
    before, behind = [], []
    for n, taps, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-n // stride) - 1) * stride + (taps - 1) * dilation + 1 - n, 0)
        before.append(total // 2)
        behind.append(total - total // 2)
    return [*before, *behind]
