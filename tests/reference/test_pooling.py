"""Pools against plain loops over Python integers and against ONNX Runtime's places, pads and counts."""

import itertools

import numpy as np
import pytest

from lithify.reference.evaluate import run
from lithify.reference.graph import Graph

from . import judge, random_layers
from .judge import Array


def naive_pool(graph: Graph, inputs: dict[str, Array]) -> Array:
    """MaxPool or AveragePool, one output at a time."""
    (node,) = graph.nodes
    x, y = graph.tensors["x"], graph.tensors["y"]
    attributes = node.attributes
    data, pads = inputs["x"].tolist(), attributes["pads"]
    result = np.zeros(y.shape, np.int8)
    for n, c, i, j in itertools.product(*map(range, y.shape)):
        seen, counted = [], 0
        for p, q in itertools.product(*map(range, attributes["kernel_shape"])):
            row = i * attributes["strides"][0] - pads[0] + p * attributes["dilations"][0]
            column = j * attributes["strides"][1] - pads[1] + q * attributes["dilations"][1]
            on_image = 0 <= row < x.shape[2] and 0 <= column < x.shape[3]
            on_padding = row < x.shape[2] + pads[2] and column < x.shape[3] + pads[3]
            if on_image:
                seen.append(data[n][c][row][column])
            counted += on_padding if attributes.get("count_include_pad") else on_image
        if node.operator == "MaxPool":
            result[n, c, i, j] = max(seen)
        else:
            multiplier = x.scale / (np.float32(counted) * y.scale)
            total = sum(value - x.zero_point for value in seen)
            mean = round(float(np.float32(total) * multiplier)) + y.zero_point
            result[n, c, i, j] = min(max(mean, -128), 127)
    return result


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_pools_are_the_naive_loop(operator: str) -> None:
    compared = 0
    for random in random_layers.layers(30, 60):
        graph = random_layers.pool(random, "any", operator, dilated=True, ceil_with_pad=True)
        if np.prod(graph.tensors["y"].shape) * np.prod(graph.nodes[0].attributes["kernel_shape"]) > 20_000:
            continue
        inputs = random_layers.inputs(random, graph)
        assert np.array_equal(run(graph, inputs)["y"], naive_pool(graph, inputs)), graph.nodes[0]
        compared += 1
    assert compared >= 10


def test_a_global_pool_is_an_average_pool_of_the_whole_image() -> None:
    for random in random_layers.layers(31, 10):
        graph = random_layers.pool(random, "equal", "GlobalAveragePool")
        x, y = graph.tensors["x"], graph.tensors["y"]
        kernel = {"kernel_shape": x.shape[2:]}
        whole = random_layers.one_node("AveragePool", [x], (y.scale, y.zero_point), {}, **kernel)
        inputs = random_layers.inputs(random, graph)
        assert np.array_equal(run(graph, inputs)["y"], run(whole, inputs)["y"])


def test_the_padding_never_wins_a_max_pool() -> None:
    x = random_layers.Tensor("x", (1, 1, 2, 2), "int8", np.array(1, np.float32), 100)
    graph = random_layers.one_node("MaxPool", [x], (x.scale, 100), {}, kernel_shape=(2, 2), pads=(1, 1, 1, 1))
    data = np.full((1, 1, 2, 2), -120, np.int8)
    assert np.array_equal(run(graph, {"x": data})["y"], np.full((1, 1, 3, 3), -120, np.int8))
    assert np.array_equal(judge.run(graph, {"x": data}, "plain"), np.full((1, 1, 3, 3), -120, np.int8))
