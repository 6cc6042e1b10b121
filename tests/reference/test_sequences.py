"""A sequence [N, C, L] is the image [N, C, 1, L], for every operator that slides or resizes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from numpy.random import Generator

from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Node
from lithify.reference.window import as_image

from . import random_layers, random_resize

LAYERS: dict[str, Callable[[Generator], Graph]] = {
    "Conv": lambda random: random_layers.conv(random, "any", False, sequence=True),
    "ConvTranspose": lambda random: random_layers.conv_transpose(random, "any"),
    "MaxPool": lambda random: random_layers.pool(random, "any", "MaxPool", sequence=True),
    "AveragePool": lambda random: random_layers.pool(
        random, "any", "AveragePool", dilated=True, ceil_with_pad=True, sequence=True
    ),
    "GlobalAveragePool": lambda random: random_layers.pool(random, "any", "GlobalAveragePool", sequence=True),
    "ResizeNearest": lambda random: random_resize.nearest(random)[0],
    "ResizeLinear": lambda random: random_resize.linear(random, "any")[0],
}


def sequences(operator: str) -> Iterator[tuple[Generator, Graph, Node]]:
    for random in random_layers.layers(27, 40):
        graph = LAYERS[operator](random)
        if len(graph.tensors["x"].shape) == 3:
            yield random, graph, graph.nodes[0]


@pytest.mark.parametrize("operator", LAYERS)
def test_a_sequence_is_an_image_of_height_1(operator: str) -> None:
    compared = 0
    for random, graph, node in sequences(operator):
        inputs = random_layers.inputs(random, graph)
        tensors = {name: replace(tensor, shape=as_image(tensor.shape)) for name, tensor in graph.tensors.items()}
        constants = {name: value.reshape(as_image(value.shape)) for name, value in graph.constants.items()}
        image = Graph("image", graph.inputs, graph.outputs, tensors, constants, (node,))
        expected = run(image, {"x": inputs["x"].reshape(tensors["x"].shape)})["y"]
        assert expected.shape[2] == 1
        assert run(graph, inputs)["y"].tolist() == expected[:, :, 0].tolist()
        compared += 1
    assert compared >= 5
