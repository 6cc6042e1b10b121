"""Host models: exact ONNX models of quantised nodes that the chip cannot run, and of float nodes as they came.

Integer sums are taken by MatMul and ReduceSum over int32, which wrap and never round; the one float32 multiplication,
rounding and clamp are ONNX operators of the same single IEEE steps as the reference's.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lithify.compiler.host_operators import RULES
from lithify.compiler.host_rows import ROW_RULES
from lithify.reference.arithmetic import product_multiplier, scale_of
from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.pooling import counted_taps, mean_multiplier, pool_window
from lithify.reference.products import conv_window
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


def host_model(graph: Graph, node: Node) -> tuple[tuple[str, ...], tuple[str, ...], bytes]:
    """Operators as reports name them, inputs that are no constants, and the serialised model of a node."""
    inputs = tuple(dict.fromkeys(name for name in node.inputs if name and name not in graph.constants))
    constants = list(dict.fromkeys(name for name in node.inputs if name in graph.constants))
    if node.operator == "Host":
        model = onnx.ModelProto.FromString(node.attributes["model"])
        for name in constants:
            kept = [entry for entry in model.graph.input if entry.name != name]
            del model.graph.input[:]
            model.graph.input.extend(kept)
            model.graph.initializer.append(numpy_helper.from_array(graph.constants[name], name))
        operators = tuple(dict.fromkeys(entry.op_type for entry in model.graph.node))
        return operators, inputs, model.SerializeToString(deterministic=True)
    return (node.operator,), inputs, Builder(graph, node).model(inputs)


def constant_model(graph: Graph, name: str) -> bytes:
    """The serialised model of an output of the network that is a constant."""
    value = numpy_helper.from_array(graph.constants[name], name)
    made = helper.make_tensor_value_info(name, value.data_type, value.dims)
    graph_proto = helper.make_graph([helper.make_node("Constant", [], [name], value=value)], name, [], [made])
    proto = helper.make_model(graph_proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(proto.SerializeToString(deterministic=True))


class Builder:
    """Collects the nodes of one model; each method returns the name of what it made."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.original = graph
        self.graph, self.node = graph, node
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def model(self, inputs: Sequence[str]) -> bytes:
        """The serialised model of the node."""
        rules: dict[str, Callable[[], str | tuple[str, ...]]] = {
            "Conv": self.conv,
            "Gemm": self.gemm,
            "MatMul": self.matmul,
            "Add": self.add,
            "MaxPool": self.max_pool,
            "AveragePool": self.average_pool,
            "GlobalAveragePool": self.average_pool,
            "Clip": self.clip,
            "Lookup": self.lookup,
            **{name: partial(rule, self) for name, rule in (*RULES.items(), *ROW_RULES.items())},
        }
        for name in dict.fromkeys(self.node.inputs):
            if name in self.graph.constants:
                self.initializers.append(numpy_helper.from_array(self.graph.constants[name], name))
        outputs = self.node.outputs
        sequence = len(self.tensor(0).shape) == 3 and self.node.operator in _OF_IMAGES
        if sequence:
            self._see_images()
        made = rules[self.node.operator]()
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

    def conv(self) -> str:
        x, w = self.tensor(0), self.tensor(1)
        window = conv_window(self.node, (w.shape[2], w.shape[3]))
        return self.convolved(self.centred(0), x.shape, window, self.node.inputs[1])

    def convolved(self, image: str, shape: tuple[int, ...], window: Window, kernel: str) -> str:
        """The result of a Conv or ConvTranspose from an int32 image of this shape and int8 weights."""
        x, w = self.tensor(0), self.tensor(1)
        group = self.node.attributes["group"]
        outputs, per_group = w.shape[:2]
        batch, taps = shape[0], w.shape[2] * w.shape[3]
        gathered, height, width = self.gathered(image, shape, window, 0, "int32")
        # [N, C, places, taps] -> [N, group, C / group * taps, places]
        columns = self.reshape(
            self.op("Transpose", gathered, perm=[0, 1, 3, 2]), batch, group, per_group * taps, height * width
        )
        weights = self.reshape(self.cast(kernel, "int32"), 1, group, outputs // group, per_group * taps)
        total = self.reshape(self.op("MatMul", weights, columns), batch, outputs, height, width)
        if self.node.inputs[2]:
            total = self.op("Add", total, self.reshape(self.node.inputs[2], outputs, 1, 1))
        multiplier = product_multiplier(x, w, self.y).reshape(-1, 1, 1)
        return self.requantize(total, multiplier, self.node.attributes["minimum"], self.node.attributes["maximum"])

    def gemm(self) -> str:
        weights = self.op("Transpose", self.cast(self.node.inputs[1], "int32"), perm=[1, 0])
        total = self.op("MatMul", self.centred(0), weights)
        if self.node.inputs[2]:
            total = self.op("Add", total, self.node.inputs[2])
        multiplier = product_multiplier(self.tensor(0), self.tensor(1), self.y)
        return self.requantize(total, multiplier, self.node.attributes["minimum"], self.node.attributes["maximum"])

    def matmul(self) -> str:
        rank = len(self.tensor(1).shape)
        turned = self.op("Transpose", self.centred(1), perm=[*range(rank - 2), rank - 1, rank - 2])
        total = self.op("MatMul", self.centred(0), turned)
        multiplier = product_multiplier(self.tensor(0), self.tensor(1), self.y)
        return self.requantize(total, multiplier, self.node.attributes["minimum"], self.node.attributes["maximum"])

    def add(self) -> str:
        terms = []
        for index in (0, 1):
            multiplier = np.divide(scale_of(self.tensor(index)), scale_of(self.y))
            terms.append(self.op("Mul", self.cast(self.centred(index), "float32"), self.constant(multiplier)))
        limits = self.node.attributes["minimum"], self.node.attributes["maximum"]
        return self.round(self.op("Add", *terms), *limits)

    def max_pool(self) -> str:
        gathered, height, width = self.windows(
            self.cast(self.node.inputs[0], "int32"), pool_window(self.node), -128, "int32"
        )
        largest = self.op("ReduceMax", gathered, self.constant(np.array([3], np.int64)), keepdims=0)
        return self.cast(self.reshape(largest, *self.y.shape[:2], height, width), "int8")

    def average_pool(self) -> str:
        x = self.tensor(0)
        if self.node.operator == "GlobalAveragePool":
            window = Window((x.shape[2], x.shape[3]), (1, 1), (0, 0, 0, 0), (1, 1))
            counted: NDArray[np.int64] = np.array([[x.shape[2] * x.shape[3]]])
        else:
            window, counted = pool_window(self.node), counted_taps(self.node, x)
        gathered, height, width = self.windows(self.centred(0), window, 0, "int32")
        total = self.op("ReduceSum", gathered, self.constant(np.array([3], np.int64)), keepdims=0)
        total = self.reshape(total, *self.y.shape[:2], height, width)
        return self.requantize(total, mean_multiplier(counted, x, self.y), -128, 127)

    def clip(self) -> str:
        name = self.cast(self.node.inputs[0], "int32")
        low = self.constant(np.array(self.node.attributes["minimum"], np.int32))
        high = self.constant(np.array(self.node.attributes["maximum"], np.int32))
        return self.cast(self.op("Min", self.op("Max", name, low), high), "int8")

    def lookup(self) -> str:
        index = self.op("Add", self.cast(self.node.inputs[0], "int32"), self.constant(np.array(128, np.int32)))
        return self.op("Gather", self.node.inputs[1], index)
