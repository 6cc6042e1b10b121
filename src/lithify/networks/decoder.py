"""A small decoder-only transformer (GPT, Radford et al., 2019) that takes its next tokens and keeps its own caches.

Keys and values of earlier tokens are inputs and outputs, [1, tokens at most, width], to which TensorScatter adds the
new ones at `position`, the number of tokens that are there; columns behind a token's own are masked.
"""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 24
IR_VERSION = 11

_SHARPNESS = 2.0
"""Gain of queries and keys: at 1 an untrained network attends to everything alike."""


def decoder(
    layers: int = 2,
    width: int = 32,
    heads: int = 2,
    length: int = 64,
    vocabulary: int = 96,
    tokens: int = 1,
    seed: int = 0,
) -> ir.Model:
    """float32, weights drawn with `seed`, the scores of the next token for each that is given.

    length: tokens at most. tokens: of a run. Inputs: `tokens` int64 [1, tokens], `position` int64 [1], and for each
    layer `past_key_n` and `past_value_n`, float32 [1, length, width]; outputs: `scores` [1, tokens, vocabulary],
    `present_key_n` and `present_value_n`.
    """
    net = _Writer(seed)
    depth = width // heads
    own = net.constant("own", np.arange(tokens))
    places = "position" if tokens == 1 else net.add("Add", ["position", own], "places")
    x = net.add("Gather", [net.weights("tokens_table", vocabulary, width, 1.0), "tokens"], "embedded")
    where = net.add("Gather", [net.weights("places_table", length, width, 1.0), places], "placed")
    x = net.add("Add", [x, where], "x")
    columns = net.constant("columns", np.arange(length))
    limits = net.add("Add", ["position", net.constant("rows", np.arange(tokens)[:, None])], "limits")
    seen = net.add("LessOrEqual", [columns, limits], "seen")
    far, scale = net.constant("far", np.float32(-1e9)), net.constant("scale", np.float32(depth**-0.5))
    inputs = [_value("tokens", (1, tokens), TensorProto.INT64), _value("position", (1,), TensorProto.INT64)]
    outputs = [_value("scores", (1, tokens, vocabulary))]

    def split(value: str, count: int, order: tuple[int, ...]) -> str:
        shape = net.constant(f"heads_of_{count}", np.array([1, count, heads, depth]))
        return net.add(
            "Transpose", [net.add("Reshape", [value, shape], f"{value}.apart")], f"{value}.heads", perm=order
        )

    for layer in range(layers):
        name = f"layer{layer}"
        y = net.norm(x, f"{name}.norm", width)
        query = net.linear(y, f"{name}.query", width, width, _SHARPNESS)
        held = {}
        for part, gain in (("key", _SHARPNESS), ("value", 1.0)):
            new = net.linear(y, f"{name}.{part}", width, width, gain)
            past, present = f"past_{part}_{layer}", f"present_{part}_{layer}"
            inputs.append(_value(past, (1, length, width)))
            held[part] = net.add("TensorScatter", [past, new, "position"], present, axis=1)
            outputs.append(_value(present, (1, length, width)))
        keys, values = split(held["key"], length, (0, 2, 3, 1)), split(held["value"], length, (0, 2, 1, 3))
        scores = net.add("MatMul", [split(query, tokens, (0, 2, 1, 3)), keys], f"{name}.products")
        scores = net.add("Where", [seen, net.add("Mul", [scores, scale], f"{name}.scaled"), far], f"{name}.masked")
        mixed = net.add("MatMul", [net.add("Softmax", [scores], f"{name}.shares", axis=-1), values], f"{name}.mixed")
        mixed = net.add("Transpose", [mixed], f"{name}.tokens", perm=(0, 2, 1, 3))
        joined = net.constant("joined", np.array([1, tokens, width]))
        mixed = net.linear(net.add("Reshape", [mixed, joined], f"{name}.joined"), f"{name}.out", width, width)
        x = net.add("Add", [x, mixed], f"{name}.attended")
        y = net.norm(x, f"{name}.norm2", width)
        y = net.add("Gelu", [net.linear(y, f"{name}.wide", width, 4 * width)], f"{name}.gelu")
        x = net.add("Add", [x, net.linear(y, f"{name}.narrow", 4 * width, width)], f"{name}.result")
    net.linear(net.norm(x, "norm", width), "scores", width, vocabulary)
    graph = helper.make_graph(net.nodes, "decoder", inputs, outputs, list(net.constants.values()))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto))


def states(layers: int = 2) -> dict[str, str]:
    """The caches, input -> output."""
    return {f"past_{part}_{layer}": f"present_{part}_{layer}" for layer in range(layers) for part in ("key", "value")}


class _Writer:
    """Nodes and constants so far; constants of one name are one."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._random = np.random.default_rng(seed)

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, data: NDArray[Any] | np.float32) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.asarray(data), name))
        return name

    def weights(self, name: str, rows: int, columns: int, deviation: float) -> str:
        return self.constant(name, self._random.normal(0, deviation, (rows, columns)).astype(np.float32))

    def linear(self, x: str, name: str, inputs: int, outputs: int, gain: float = 1.0) -> str:
        return self.add("MatMul", [x, self.weights(f"{name}.w", inputs, outputs, (gain / inputs) ** 0.5)], name)

    def norm(self, x: str, name: str, width: int) -> str:
        scale = self.constant(f"{name}.scale", np.ones(width, np.float32))
        bias = self.constant(f"{name}.bias", np.zeros(width, np.float32))
        return self.add("LayerNormalization", [x, scale, bias], name, axis=-1, epsilon=1e-5)


def _value(name: str, shape: tuple[int, ...], dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)
