"""Operators along rows on the vector unit: the reference's bits, and in RTL its cycles too."""

from functools import cache

import numpy as np
import pytest

from compiler.compiled import CHIPS, check, make_chip
from lithify.chip import load_chip
from lithify.compiler import compile_graph
from lithify.compiler.compile import compile_with_reasons
from lithify.isa import Queue
from lithify.quantize.data import Input, seeded
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.runtime.chip import RtlDevice
from lithify.verify import verify
from reference import random_rows
from reference.random_layers import int8, layers

WITH_UNIT = {
    "edge": load_chip("edge").model_copy(update={"name": "edge_vector", "vector_lanes": 4}),
    "tiny": load_chip("tiny").model_copy(update={"name": "tiny_vector", "vector_lanes": 2}),
    # Rows must pass in blocks.
    "small": make_chip("small", 8, 8, 8, 4, 64, 8, 4, 2).model_copy(update={"vector_lanes": 2}),
}


@cache
def device(name: str) -> RtlDevice:
    return RtlDevice.of(WITH_UNIT[name], lambda note: None)


def inputs_of(graph: Graph) -> tuple[Input, ...]:
    return tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)


def softmax(*shape: int, scale: float = 0.1) -> Graph:
    x, y = (
        Tensor("x", shape, "int8", np.float32(scale), 3),
        Tensor("y", shape, "int8", np.float32(1 / 256), -128),
    )
    return Graph("g", ("x",), ("y",), {"x": x, "y": y}, {}, (make_node("softmax", "Softmax", ("x",), ("y",)),))


@pytest.mark.parametrize("operator", random_rows.ROWS)
@pytest.mark.parametrize("name", WITH_UNIT)
def test_random_rows(name: str, operator: str) -> None:
    for random in layers(41, 8):
        graph = random_rows.ROWS[operator](random)
        made = check(graph, WITH_UNIT[name], {"x": int8(random, graph.tensors["x"].shape)})
        steep = operator == "log softmax" and 255 * graph.tensors["x"].scale > 64
        assert bool(made.reasons) == bool(steep), made.reasons


@pytest.mark.parametrize(("name", "shape"), [("edge", (3, 700, 128)), ("small", (900, 60)), ("small", (1, 70, 9, 11))])
def test_rows_pass_in_blocks(name: str, shape: tuple[int, ...]) -> None:
    """A tensor that does not fit is loaded, worked on and stored block by block."""
    random = np.random.default_rng(3)
    made = check(softmax(*shape), WITH_UNIT[name], {"x": int8(random, shape)})
    assert sum(action.queue is Queue.VECTOR for action in made.segments[0].actions) > 1


def test_a_chip_without_the_unit_leaves_rows_to_the_host_by_name() -> None:
    random = np.random.default_rng(4)
    made = check(softmax(5, 10), CHIPS["edge"], {"x": int8(random, (5, 10))})
    assert made.reasons == {"softmax": "chip 'edge' is built without a vector unit; its vector_lanes is 0"}
    assert compile_with_reasons(softmax(5, 10), WITH_UNIT["edge"]).reasons == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "edge"])
def test_rows_in_rtl(name: str) -> None:
    """Softmax of several shapes, and some of every operator."""
    for shape, scale in (((4, 10), 0.1), ((2, 5, 128), 0.5), ((7, 197), 0.2), ((1, 40, 4, 3), 0.1)):
        graph = softmax(*shape, scale=scale)
        program = compile_graph(graph, WITH_UNIT[name])
        result = verify(program, graph, seeded(inputs_of(graph), 2), rtl="full", device=device(name))
        assert result.agreed, result
    for draw in random_rows.ROWS.values():
        for random in layers(43, 4):
            graph = draw(random)
            program = compile_graph(graph, WITH_UNIT[name])
            result = verify(program, graph, seeded(inputs_of(graph), 1), rtl="full", device=device(name))
            assert result.agreed, result
