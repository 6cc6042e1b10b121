"""ONNX Runtime as the judge of the definitions: a one-node quantised graph becomes a QDQ model and is run.

The model is run twice: `fused`, as ONNX Runtime optimises it (QLinearConv, QLinearAdd and so on), and `plain`, with
optimisation off: dequantise, the float operator, quantise.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lithify.reference.graph import Graph, Node, Tensor
from lithify.reference.operators import make_node

from .onnx_form import OPSET, Form, onnx_form

Array = NDArray[Any]
LEVELS = {
    "fused": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "plain": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


def run(graph: Graph, x: dict[str, Array], level: str, kernel: str | None = None, form: Form | None = None) -> Array:
    """The first output of ONNX Runtime for a graph of one node, see `run_all`."""
    return run_all(graph, x, level, kernel, form)[0]


def run_all(
    graph: Graph, x: dict[str, Array], level: str, kernel: str | None = None, form: Form | None = None
) -> list[Array]:
    """The outputs of ONNX Runtime for a graph of one node.

    kernel: the operator that must have run, if given. form: how ONNX writes the node, where that is not to be derived.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = LEVELS[level]
    options.add_session_config_entry("session.qdqisint8allowed", "1")  # or int8 activations become uint8
    model = qdq_model(graph, form).SerializeToString()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        if kernel is not None:
            options.optimized_model_filepath = str(path)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        if kernel is not None:
            ran = [node.op_type for node in onnx.load(path).graph.node]
            assert kernel in ran, f"{kernel} was to be the judge, but ONNX Runtime ran {ran}"
    return session.run(None, x)


def weight_limit() -> int:
    """128, or 64 on an x86 processor without VNNI.

    There ONNX Runtime's kernels add two products in 16 bits and saturate, so only weights of 7 bits can be judged.
    """
    extremes = np.full((1, 2, 1, 1), 127, np.int8)
    tensors = {
        "x": Tensor("x", (1, 2, 1, 1), "int8", np.array(1, np.float32), -128),
        "w": Tensor("w", (1, 2, 1, 1), "int8", np.array(1, np.float32)),
        "y": Tensor("y", (1, 1, 1, 1), "int8", np.array(1024, np.float32)),
    }
    node = make_node("probe", "Conv", ("x", "w", ""), ("y",))
    graph = Graph("probe", ("x",), ("y",), tensors, {"w": extremes}, (node,))
    return 128 if run(graph, {"x": extremes}, "fused")[0, 0, 0, 0] == round(2 * 255 * 127 / 1024) else 64


def qdq_model(graph: Graph, form: Form | None = None) -> onnx.ModelProto:
    """DequantizeLinear -> operator -> QuantizeLinear for a graph of one node."""
    (node,) = graph.nodes
    builder = _Builder(graph)
    if node.operator in ("Quantize", "Dequantize"):
        {"Quantize": _quantize, "Dequantize": _dequantize}[node.operator](builder, node)
    else:
        _float_operator(builder, node, form or onnx_form(graph))
    inputs = [_info(graph.tensors[name]) for name in graph.inputs]
    outputs = [_info(graph.tensors[name]) for name in graph.outputs]
    body = helper.make_graph(builder.nodes, "judge", inputs, outputs, builder.initializers)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", form.opset if form else OPSET)], ir_version=9)


def _info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        tensor.name, helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)), tensor.shape
    )


@dataclass
class _Builder:
    graph: Graph
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: Array) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def scales(self, tensor: Tensor, dtype: type = np.int8) -> list[str]:
        scale = np.asarray(tensor.scale, np.float32)
        zero = np.full(scale.shape, tensor.zero_point, dtype)
        return [self.constant(f"{tensor.name}_scale", scale), self.constant(f"{tensor.name}_zero", zero)]

    def dequantized(self, name: str, axis: int = 0, transposed: bool = False) -> str:
        tensor = self.graph.tensors[name]
        if name in self.graph.constants:
            value = self.graph.constants[name]
            self.constant(name, np.ascontiguousarray(value.swapaxes(-1, -2)) if transposed else value)
        attributes = {"axis": axis} if np.ndim(tensor.scale) else {}
        return self.add("DequantizeLinear", [name, *self.scales(tensor)], f"{name}_float", **attributes)

    def bias(self, name: str, x: Tensor, w: Tensor) -> str:
        self.constant(name, self.graph.constants[name])
        scale = np.broadcast_to(np.multiply(x.scale, w.scale), self.graph.tensors[name].shape).astype(np.float32)
        scales = [self.constant(f"{name}_scale", scale), self.constant(f"{name}_zero", np.zeros(scale.shape, np.int32))]
        return self.add("DequantizeLinear", [name, *scales], f"{name}_float", axis=0)


def _quantize(builder: _Builder, node: Node) -> None:
    builder.add("QuantizeLinear", [node.inputs[0], *builder.scales(builder.graph.tensors[node.outputs[0]])], "y")


def _dequantize(builder: _Builder, node: Node) -> None:
    builder.add("DequantizeLinear", [node.inputs[0], *builder.scales(builder.graph.tensors[node.inputs[0]])], "y")


def _float_operator(builder: _Builder, node: Node, form: Form) -> None:
    tensors = builder.graph.tensors
    limits = node.attributes.get("minimum", -128), node.attributes.get("maximum", 127)
    y = tensors[node.outputs[0]]
    operator, attributes = form.operator, form.attributes
    floats = [builder.dequantized(node.inputs[0])]
    if node.operator in ("Conv", "Gemm"):
        # A Gemm without bias is written as MatMul, whose weights are [K, N].
        matmul = operator == "Gemm" and not node.inputs[2]
        floats.append(builder.dequantized(node.inputs[1], axis=1 if matmul else 0, transposed=matmul))
        if node.inputs[2]:
            floats.append(builder.bias(node.inputs[2], tensors[node.inputs[0]], tensors[node.inputs[1]]))
        if operator == "Gemm":
            operator, attributes = ("MatMul", {}) if matmul else ("Gemm", {"transB": 1})
    elif node.operator == "MatMul":
        floats.append(builder.dequantized(node.inputs[1], transposed=True))
    elif node.operator == "ConvTranspose":
        # With groups ONNX's layout has no axis of output channels, so the weights are given in float.
        w = tensors[node.inputs[1]]
        weights = builder.graph.constants[w.name] * np.asarray(w.scale).reshape(-1, *(1 for _ in w.shape[1:]))
        group = node.attributes["group"]
        parts = weights.astype(np.float32).reshape(group, w.shape[0] // group, *w.shape[1:]).swapaxes(1, 2)
        floats.append(builder.constant("w_float", parts.reshape(-1, w.shape[0] // group, *w.shape[2:])))
        if node.inputs[2]:
            floats.append(builder.bias(node.inputs[2], tensors[node.inputs[0]], w))
    else:
        floats += [builder.dequantized(name) for name in node.inputs[1:]]
    floats += [builder.constant(name, value) if value is not None else "" for name, value in form.inputs.items()]
    results = [f"{name}_float" for name in node.outputs]
    builder.nodes.append(helper.make_node(operator, floats, results, domain=form.domain, **attributes))
    if operator != "Clip" and "minimum" in node.attributes and limits == (y.zero_point, 127):
        results = [builder.add("Relu", results, "y_relu")]
    for result, name in zip(results, node.outputs, strict=True):
        builder.add("QuantizeLinear", [result, *builder.scales(tensors[name])], name)


@dataclass
class Tally:
    """How often the reference and ONNX Runtime differ, by row: (operator, scales, judge)."""

    compared: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    different: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    largest: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, row: tuple[str, str, str], ours: Array, theirs: Array) -> Array:
        """Counts one comparison of int8 arrays; returns where they differ."""
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        distance = np.abs(ours.astype(np.int32) - theirs.astype(np.int32))
        self.compared[row] += distance.size
        self.different[row] += int(np.count_nonzero(distance))
        self.largest[row] = max(self.largest[row], int(distance.max()))
        return distance > 0

    def rate(self, row: tuple[str, str, str]) -> float:
        """Share of the values compared that differ."""
        return self.different[row] / self.compared[row]

    def __str__(self) -> str:
        lines = [
            f"{'operator':<18} {'scales':<14} {'judge':<6} {'compared':>10} {'different':>10} {'per million':>12} step"
        ]
        for row in sorted(self.compared):
            lines.append(
                f"{row[0]:<18} {row[1]:<14} {row[2]:<6} {self.compared[row]:>10,} {self.different[row]:>10,} "
                f"{1e6 * self.rate(row):>12.1f} {self.largest[row]:>4}"
            )
        return "\n".join(lines)
