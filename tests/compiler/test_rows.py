"""Operators along rows on the vector unit: the reference's bits, and in RTL its cycles too."""

from functools import cache

import numpy as np
import pytest

from compiler.compiled import CHIPS, check, make_chip
from compiler.random_graphs import Drawing, draw
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
from reference.random_layers import inputs, int8, layers

WITH_UNIT = {
    "edge": CHIPS["edge"],
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
        assert not made.reasons


@pytest.mark.parametrize(("name", "shape"), [("edge", (3, 700, 128)), ("small", (900, 60)), ("small", (1, 70, 9, 11))])
def test_rows_pass_in_blocks(name: str, shape: tuple[int, ...]) -> None:
    """A tensor that does not fit is loaded, worked on and stored block by block."""
    random = np.random.default_rng(3)
    made = check(softmax(*shape), WITH_UNIT[name], {"x": int8(random, shape)})
    assert sum(action.queue is Queue.VECTOR for action in made.segments[0].actions) > 1


def test_what_does_not_fit_beside_a_row_is_left_to_the_host_by_name() -> None:
    """The table is left out first; two rows of float32 cannot be."""
    random, graph = np.random.default_rng(4), softmax(40, 100)
    few = make_chip("few", 8, 8, 8, 4, 16, 8, 8, 2).model_copy(update={"vector_lanes": 2})
    for chip, tables in ((WITH_UNIT["small"], 1), (few, 0)):
        made = check(graph, chip, {"x": int8(random, (40, 100))})
        (operation,) = made.segments[0].operations
        assert operation.program is not None and (operation.program.table is not None) == tables
    rows = {name: random.normal(size=100).astype(np.float32) for name in ("scale", "bias")}
    tensors = {**graph.tensors, **{name: Tensor(name, (100,), "float32") for name in rows}}
    norm = Graph("g", ("x",), ("y",), tensors, rows, (make_node("n", "LayerNormalization", ("x", *rows), ("y",)),))
    made = check(norm, few, {"x": int8(random, (40, 100))})
    assert made.reasons == {"n": "its program and one row do not fit in the 1024 bytes of scratchpad"}


def test_a_chip_without_the_unit_leaves_rows_to_the_host_by_name() -> None:
    random = np.random.default_rng(4)
    without = CHIPS["edge"].model_copy(update={"vector_lanes": 0})
    made = check(softmax(5, 10), without, {"x": int8(random, (5, 10))})
    assert made.reasons == {"softmax": "chip 'edge' is built without a vector unit; its vector_lanes is 0"}
    assert compile_with_reasons(softmax(5, 10), WITH_UNIT["edge"]).reasons == {}


def test_a_table_is_not_fused_behind_rows() -> None:
    """The vector unit has no table for its results, but for its inputs."""
    random, graph = np.random.default_rng(5), softmax(6, 20)
    tensors = {"z": Tensor("z", (6, 20), "int8", np.float32(0.1), 0), "t": Tensor("t", (256,), "int8")}
    nodes = *graph.nodes, make_node("function", "Lookup", ("y", "t"), ("z",))
    table = random.integers(-128, 128, 256).astype(np.int8)
    graph = Graph("g", ("x",), ("z",), {**graph.tensors, **tensors}, {"t": table}, nodes)
    for chip in WITH_UNIT.values():
        assert not check(graph, chip, {"x": int8(random, (6, 20))}).program.fused


def test_what_is_added_is_not_fused_behind_rows() -> None:
    """The vector unit has no residual stage."""
    random, graph = np.random.default_rng(5), softmax(6, 20)
    z = Tensor("z", (6, 20), "int8", np.float32(0.1), 0)
    nodes = *graph.nodes, make_node("add", "Add", ("y", "x"), ("z",))
    graph = Graph("g", ("x",), ("z",), {**graph.tensors, "z": z}, {}, nodes)
    assert not check(graph, WITH_UNIT["tiny"], {"x": int8(random, (6, 20))}).program.fused


def check_graphs(seed: int, first: int, end: int) -> None:
    for number in range(first, end):
        random = np.random.default_rng((seed, number))
        graph = draw(random, int(random.integers(2, 10)), rows=True)
        chip = list(WITH_UNIT.values())[number % 3]
        try:
            check(graph, chip, inputs(random, graph))
        except Exception as error:
            raise AssertionError(f"graph {number} of seed {seed} on '{chip.name}'") from error


@pytest.mark.slow
def test_random_graphs() -> None:
    """Beside convolutions, additions and all that moves."""
    check_graphs(7, 0, 8)


@pytest.mark.slow
def test_more_random_graphs() -> None:
    check_graphs(7, 8, 40)


@pytest.mark.slow
@pytest.mark.campaign
def test_many_random_graphs() -> None:
    check_graphs(8, 0, 1000)


@pytest.mark.slow
def test_random_graphs_in_rtl() -> None:
    for number in range(10):
        random = np.random.default_rng((9, number))
        graph = draw(random, int(random.integers(3, 9)), rows=True)
        program = compile_graph(graph, WITH_UNIT["tiny"])
        result = verify(program, graph, seeded(inputs_of(graph), 4), rtl="layers", device=device("tiny"))
        assert result.agreed, result


@pytest.mark.slow
def test_a_classifier_that_ends_in_int8_softmax_in_rtl() -> None:
    drawing = Drawing(np.random.default_rng(12))
    x = drawing.tensor((1, 3, 12, 12))
    image = drawing.add("Conv", (x.name, *drawing.products(16, 3, 3, 3)), pads=(1, 1, 1, 1))
    pooled = drawing.add("GlobalAveragePool", (image.name,))
    flat = drawing.add("Reshape", (pooled.name,), True, shape=(1, 16))
    scores = drawing.add("Gemm", (flat.name, *drawing.products(10, 16)))
    shares = Tensor("shares", (1, 10), "int8", np.float32(1 / 256), -128)
    nodes = *drawing.nodes, make_node("softmax", "Softmax", (scores.name,), ("shares",))
    graph = Graph("classifier", (x.name,), ("shares",), drawing.tensors | {"shares": shares}, drawing.constants, nodes)
    program = compile_graph(graph, WITH_UNIT["tiny"])
    assert [type(segment).__name__ for segment in program.segments] == ["ChipSegment"]
    result = verify(program, graph, seeded(inputs_of(graph), 3), rtl="full", device=device("tiny"))
    assert result.agreed, result


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "edge"])
def test_rows_in_rtl(name: str) -> None:
    """Softmax of several shapes, and some of every operator."""
    for shape, scale in (((4, 10), 0.1), ((2, 5, 128), 0.5), ((7, 197), 0.2), ((1, 40, 4, 3), 0.1)):
        graph = softmax(*shape, scale=scale)
        program = compile_graph(graph, WITH_UNIT[name])
        result = verify(program, graph, seeded(inputs_of(graph), 2), rtl="full", device=device(name))
        assert result.agreed, result
    for drawn in random_rows.ROWS.values():
        for random in layers(43, 4):
            graph = drawn(random)
            program = compile_graph(graph, WITH_UNIT[name])
            result = verify(program, graph, seeded(inputs_of(graph), 1), rtl="full", device=device(name))
            assert result.agreed, result
