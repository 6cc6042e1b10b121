"""Dense layers on tokens read and give them as they are stacked, and say the same as flattened."""

import onnx_ir as ir

from lithify.networks.builder import Builder
from lithify.networks.transformer import feed_forward
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, seeded
from lithify.reference.graph import Graph

from .judge import agree


def _read(net: Builder, *outputs: ir.Value) -> Graph:
    """The quantised graph, which gives what ONNX Runtime gives for the flattened one."""
    model = optimize(net.model(outputs))
    return agree(quantize(model, seeded(inputs_of(model), 2)))


def test_no_reshape_is_left_around_dense_layers() -> None:
    net = Builder("tokens", (1, 6, 8), 0)
    graph = _read(net, feed_forward(net, net.input))
    assert [node.operator for node in graph.nodes] == ["Quantize", "Gemm", "Lookup", "Gemm", "Dequantize"]
    assert all(graph.tensors[node.outputs[0]].shape[:2] == (1, 6) for node in graph.nodes)


def test_several_layers_read_the_same_rows() -> None:
    net = Builder("tokens", (1, 6, 8), 0)
    x = net.linear(net.input, 8)
    graph = _read(net, net.linear(x, 4), net.linear(x, 12))
    assert [node.operator for node in graph.nodes].count("Gemm") == 3
    assert not [node for node in graph.nodes if node.operator == "Reshape"]


def test_rows_that_are_flattened_for_another_reason_stay() -> None:
    net = Builder("tokens", (1, 6, 8), 0)
    graph = _read(net, net.dense(net.reshape(net.linear(net.input, 8), (48,)), 4))
    assert [graph.tensors[node.outputs[0]].shape for node in graph.nodes if node.operator == "Gemm"][-1] == (1, 4)
