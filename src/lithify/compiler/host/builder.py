"""A builder of host models: collects the ONNX nodes of one quantised node."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.window import Window, as_image

_OF_IMAGES = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool")
"""Operators that slide a window: a sequence is an image of height 1 to them."""

OPSET = 18
IR_VERSION = 9
_TYPES = {
    "int8": TensorProto.INT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "bool": TensorProto.BOOL,
}

Rule = Callable[["Builder"], str | tuple[str, ...]]
"""Makes an operator with a builder; returns the name of what it made, or several for Split."""


class Builder:
    """Collects the nodes of one model; each method returns the name of what it made."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.original = graph
        self.graph, self.node = graph, node
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def model(self, inputs: Sequence[str], rule: "Rule") -> bytes:
        """The serialised model of the node, whose inputs are these."""
        for name in dict.fromkeys(self.node.inputs):
            if name in self.graph.constants:
                self.initializers.append(numpy_helper.from_array(self.graph.constants[name], name))
        outputs = self.node.outputs
        sequence = len(self.tensor(0).shape) == 3 and self.node.operator in _OF_IMAGES
        if sequence:
            self._see_images()
        made = rule(self)
        for name, result in zip(outputs, (made,) if isinstance(made, str) else made, strict=True):
            if sequence:
                result = self.reshape(result, *self.original.tensors[name].shape)
            self.nodes.append(helper.make_node("Identity", [result], [name]))
        graph = helper.make_graph(
            self.nodes,
            self.node.name,
            [self._value(entry) for entry in inputs],
            [self._value(name) for name in outputs],
            self.initializers,
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        return bytes(proto.SerializeToString(deterministic=True))

    def _value(self, name: str) -> onnx.ValueInfoProto:
        tensor = self.original.tensors[name]
        return helper.make_tensor_value_info(name, _TYPES[tensor.dtype], tensor.shape)

    def _see_images(self) -> None:
        """Takes the sequences [N, C, L] of the node, its weights among them, as images [N, C, 1, L]."""
        graph, node = self.graph, self.node
        data, weights = node.inputs[0], node.inputs[1:2]
        tensors, constants = dict(graph.tensors), dict(graph.constants)
        for name in (data, *weights, *node.outputs):
            tensors[name] = replace(tensors[name], shape=as_image(tensors[name].shape))
        self.graph = replace(graph, tensors=tensors, constants=constants)
        for name in weights:
            constants[name] = constants[name].reshape(tensors[name].shape)
        image = self.reshape(data, *tensors[data].shape)
        tensors[image] = tensors[data]
        self.node = replace(node, inputs=(image, *node.inputs[1:]))

    def tensor(self, index: int) -> Tensor:
        return self.graph.tensors[self.node.inputs[index]]

    @property
    def y(self) -> Tensor:
        return self.graph.tensors[self.node.outputs[0]]

    def constant(self, value: NDArray[Any]) -> str:
        name = f"constant {len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"value {len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def cast(self, name: str, dtype: str) -> str:
        return self.op("Cast", name, to=_TYPES[dtype])

    def reshape(self, name: str, *shape: int) -> str:
        return self.op("Reshape", name, self.constant(np.array(shape, np.int64)))

    def centred(self, index: int) -> str:
        """Operand `index` less its zero point, int32."""
        name = self.cast(self.node.inputs[index], "int32")
        return self.op("Sub", name, self.constant(np.array(self.tensor(index).zero_point, np.int32)))

    def round(self, scaled: str, minimum: int, maximum: int) -> str:
        """clip(rint(scaled) + zero_point), int8; limits first, so that infinities stay in range."""
        zero = self.y.zero_point
        low = self.constant(np.array(minimum - zero, np.float32))
        high = self.constant(np.array(maximum - zero, np.float32))
        # Max before Min turns neither infinity into NaN; NaN cannot come up, as all multipliers are finite.
        limited = self.op("Min", self.op("Max", scaled, low), high)
        whole = self.cast(self.op("Round", limited), "int32")
        return self.cast(self.op("Add", whole, self.constant(np.array(zero, np.int32))), "int8")

    def requantize(self, total: str, multiplier: NDArray[np.float32], minimum: int, maximum: int) -> str:
        scaled = self.op("Mul", self.cast(total, "float32"), self.constant(multiplier))
        return self.round(scaled, minimum, maximum)

    def windows(self, name: str, window: Window, fill: int, dtype: str) -> tuple[str, int, int]:
        """[N, C, H, W] -> [N, C, out_h * out_w, taps] by gathering from the padded, flattened image."""
        return self.gathered(name, self.tensor(0).shape, window, fill, dtype)

    def gathered(
        self, name: str, shape: tuple[int, ...], window: Window, fill: int, dtype: str
    ) -> tuple[str, int, int]:
        """As `windows`, of an image of any shape."""
        batch, channels, height, width = shape
        top, left, _, _ = window.pads
        places_y, places_x = self.y.shape[2:]
        reach_y = max(height + top, (places_y - 1) * window.strides[0] + window.span[0])
        reach_x = max(width + left, (places_x - 1) * window.strides[1] + window.span[1])
        pads = np.array([0, 0, top, left, 0, 0, reach_y - height - top, reach_x - width - left], np.int64)
        padded = self.op("Pad", name, self.constant(pads), self.constant(np.array(fill, dtype)))
        flat = self.reshape(padded, batch, channels, reach_y * reach_x)
        y = np.arange(places_y)[:, None] * window.strides[0] + np.arange(window.kernel[0]) * window.dilations[0]
        x = np.arange(places_x)[:, None] * window.strides[1] + np.arange(window.kernel[1]) * window.dilations[1]
        index = y[:, None, :, None] * reach_x + x[None, :, None, :]
        taps = window.kernel[0] * window.kernel[1]
        gathered = self.op("Gather", flat, self.constant(index.reshape(-1, taps).astype(np.int64)), axis=2)
        return gathered, places_y, places_x
