"""Tensors of any rank, and several images at once: on the chip, and on every tensor equal to the reference."""

import numpy as np
import pytest
from tests.compiler.test_host import LAYERS
from tests.reference import random_layers

from compiler.compiled import CHIPS, check
from compiler.random_graphs import Drawing
from lithify.reference.graph import Graph


@pytest.mark.parametrize("seed", [31, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (32, 33, 34))])
@pytest.mark.parametrize("name", LAYERS)
def test_random_layers_of_any_rank(name: str, seed: int) -> None:
    for number, random in enumerate(random_layers.layers(seed, 3)):
        graph = LAYERS[name](random)
        if any(tensor.dtype != "int8" for tensor in graph.tensors.values() if tensor.name in graph.inputs):
            continue
        check(graph, CHIPS[("tiny", "wide", "small")[number % 3]], random_layers.inputs(random, graph))


WINDOWS = {
    "Conv": {"pads": (1, 1, 1, 1)},
    "Conv with a stride": {"pads": (2, 0, 0, 1), "strides": (2, 3)},
    "Conv without pads": {"strides": (2, 1), "dilations": (2, 1)},
    "MaxPool": {"kernel_shape": (3, 2), "strides": (2, 1), "pads": (1, 0, 1, 1)},
    "MaxPool without pads": {"kernel_shape": (2, 2), "strides": (2, 2)},
    "AveragePool": {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)},
    "GlobalAveragePool": {},
    "SpaceToDepth": {"blocksize": 2},
    "Pad": {"pads": (0, 0, 1, 2, 0, 3, 1, 0), "value": 3},
    "Clip": {"minimum": -20},
    "ReduceMean": {"axes": (2, 3)},
    "ReduceSum": {"axes": (1, 2)},
    "ReduceMin": {"axes": (3,)},
    "ReduceMax": {"axes": (2, 3)},
    "Transpose": {"perm": (0, 1, 3, 2)},
    "Tile": {"repeats": (2, 1, 1, 3)},
    "DepthToSpace": {"blocksize": 2},
    "Slice": {"starts": (1, 1), "ends": (3, 6), "axes": (0, 2), "steps": (1, 2)},
}


@pytest.mark.parametrize("chip", ["tiny", *(pytest.param(c, marks=pytest.mark.slow) for c in ("small", "least"))])
@pytest.mark.parametrize("what", WINDOWS)
def test_several_images(what: str, chip: str) -> None:
    random = np.random.default_rng(5)
    drawing = Drawing(random)
    operator, attributes = what.partition(" ")[0], WINDOWS[what]
    x = drawing.tensor((3, 12, 6, 8))
    operands = (x.name, *drawing.products(9, 12, 3, 2)) if operator == "Conv" else (x.name,)
    scaled = operator in ("Conv", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum")
    drawing.add(operator, operands, not scaled, **attributes)
    made = check(_graph(drawing, x.name), CHIPS[chip], random_layers.inputs(random, _graph(drawing, x.name)))
    assert not made.reasons


def test_what_no_scratchpad_holds_at_once_is_compared_by_the_host() -> None:
    drawing = Drawing(np.random.default_rng(5))
    x = drawing.tensor((1, 12, 10, 10))
    drawing.add("ReduceMax", (x.name,), True, axes=(1, 2, 3))
    graph = _graph(drawing, x.name)
    assert not check(graph, CHIPS["small"], random_layers.inputs(drawing.random, graph)).reasons
    made = check(graph, CHIPS["least"], random_layers.inputs(drawing.random, graph))
    reason = "it compares 300 words at once, and the scratchpad of 'least' has 320"
    assert list(made.reasons.values()) == [reason]


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("count", [1, 2])
def test_joining_several_images(axis: int, count: int) -> None:
    random = np.random.default_rng(axis)
    drawing = Drawing(random)
    x = drawing.tensor((count, 5, 4, 3))
    other = drawing.add("Slice", (x.name,), True, starts=(0,), ends=(2,), axes=(axis,), steps=(1,))
    drawing.add("Concat", (x.name, other.name, x.name), True, axis=axis)
    graph = _graph(drawing, x.name)
    assert not check(graph, CHIPS["tiny"], random_layers.inputs(random, graph)).reasons


def test_a_network_over_several_images() -> None:
    """Windows, a sum, a table and a product, with everything on the chip and only a new shape on the host."""
    random = np.random.default_rng(8)
    drawing = Drawing(random)
    x = drawing.tensor((2, 6, 9, 7))
    first = drawing.add("Conv", (x.name, *drawing.products(10, 6, 3, 3)), pads=(1, 1, 1, 1))
    second = drawing.add("Conv", (first.name, *drawing.products(10, 10, 1, 1)), minimum=0)
    added = drawing.add("Add", (first.name, second.name))
    pooled = drawing.add("GlobalAveragePool", (added.name,))
    flat = drawing.add("Reshape", (pooled.name,), True, shape=(2, 10))
    drawing.add("Gemm", (flat.name, *drawing.products(4, 10)))
    graph = _graph(drawing, x.name)
    for chip in ("tiny", "edge", "small"):
        assert not check(graph, CHIPS[chip], random_layers.inputs(random, graph)).reasons


def _graph(drawing: Drawing, x: str) -> Graph:
    return Graph(
        "drawn", (x,), (drawing.nodes[-1].outputs[0],), drawing.tensors, drawing.constants, tuple(drawing.nodes)
    )
