"""Products of two activations: every zero point, tails of every length, several matrices, blocks, on all chips."""

import numpy as np
import pytest
from numpy.random import Generator

from compiler.compiled import CHIPS, check
from compiler.random_graphs import Drawing
from lithify.compiler import compile_graph
from lithify.compiler.lowering.matmul import summands
from lithify.isa.encoding import decode
from lithify.quantize.data import Input, seeded
from lithify.reference.evaluate import run
from lithify.reference.graph import Graph, Tensor
from lithify.runtime.chip import RtlDevice
from lithify.sim.inference import simulate
from lithify.verify import verify
from reference.random_layers import int8


def product(
    random: Generator,
    a: tuple[int, ...],
    b: tuple[int, ...],
    zero_points: tuple[int, int] | None = None,
    made: bool = False,
) -> Graph:
    """A MatMul of tensors of these shapes; a scale that saturates some results. made: the chip makes the second."""
    drawing = Drawing(random)
    names = [drawing.tensor(shape).name for shape in (a, b)]
    second = names[1]
    if made:
        second = drawing.add("Gemm", (second, *drawing.products(b[-1], b[-1]))).name
    for name, zero_point in zip((names[0], second), zero_points or (), strict=False):
        given = drawing.tensors[name]
        drawing.tensors[name] = Tensor(name, given.shape, given.dtype, given.scale, zero_point)
    y = drawing.add("MatMul", (names[0], second))
    scales = [float(np.asarray(drawing.tensors[name].scale)) for name in (names[0], second)]
    about = np.array(scales[0] * scales[1] * 75 * 75 * np.sqrt(a[-1]) / 60, np.float32)
    drawing.tensors[y.name] = Tensor(y.name, y.shape, y.dtype, about, y.zero_point)
    return Graph("product", tuple(names), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


def inputs_of(random: Generator, graph: Graph) -> dict[str, np.ndarray]:
    return {name: int8(random, graph.tensors[name].shape) for name in graph.inputs}


SHAPES = [
    ((8, 16), (8, 16)),
    ((5, 20), (11, 20)),
    ((33, 40), (37, 40)),
    ((3, 5, 16), (3, 9, 16)),
    ((3, 5, 17), (1, 9, 17)),
    ((5, 9), (4, 7, 9)),
    ((1, 5), (40, 5)),
]


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_products_are_the_reference(chip: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    if chip == "least" and shapes[0] == (33, 40):
        pytest.skip("every word is an instruction of its own there")
    random = np.random.default_rng((51, *shapes[0], *shapes[1]))
    for zero_points in ((0, 0), (-128, 3), (17, -128)):
        graph = product(random, *shapes, zero_points, made=len(shapes[1]) == 2)
        inputs = inputs_of(random, graph)
        compilation = check(graph, CHIPS[chip], inputs)
        assert not compilation.reasons
        values = run(graph, inputs)[graph.outputs[0]]
        assert np.unique(values).size > 8, "one value, or saturated ones alone, would prove little"


@pytest.mark.parametrize("chip", ["tiny", "small"])
def test_products_in_blocks(chip: str) -> None:
    random = np.random.default_rng(52)
    graph = product(random, (40, 130), (50, 130), (12, -1), made=True)
    assert not check(graph, CHIPS[chip], inputs_of(random, graph)).reasons


def test_a_matrix_with_itself() -> None:
    """One image is both operands: the array reads it from the scratchpad, and its rows come again as weights."""
    drawing = Drawing(np.random.default_rng(53))
    x = drawing.tensor((9, 24))
    made = drawing.add("Gemm", (x.name, *drawing.products(24, 24)))
    y = drawing.add("MatMul", (made.name, made.name))
    graph = Graph("gram", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    assert not check(graph, CHIPS["tiny"], inputs_of(drawing.random, graph)).reasons


def test_a_multiplier_that_the_lanes_cannot_take_goes_to_the_host() -> None:
    random = np.random.default_rng(54)
    graph = product(random, (3, 5, 9), (3, 4, 9))
    y = graph.tensors[graph.outputs[0]]
    graph = Graph(
        graph.name, graph.inputs, graph.outputs,
        {**graph.tensors, y.name: Tensor(y.name, y.shape, y.dtype, np.array(3e38, np.float32), 0)},
        graph.constants, graph.nodes,
    )  # fmt: skip
    (reason,) = check(graph, CHIPS["tiny"], inputs_of(random, graph)).reasons.values()
    assert "below the smallest normal float32" in reason


def test_a_product_without_zero_points_takes_no_more_cycles_than_one_with_weights() -> None:
    """The same sums from the same bytes of DRAM: by the timing simulator, however each of the two is cut."""
    random = np.random.default_rng(55)
    chip = CHIPS["edge"]
    graph = product(random, (64, 128), (64, 128), (0, 0))
    drawing = Drawing(random)
    x = drawing.tensor((64, 128))
    y = drawing.add("Gemm", (x.name, *drawing.products(64, 128)))
    dense = Graph("dense", (x.name,), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    cycles, words = [], []
    for made in (graph, dense):
        program = compile_graph(made, chip)
        computed = [entry for entry in decode(program.instructions) if entry.operation.name == "CONV"]
        fed = [
            (e.integer("out_height") * e.integer("out_width"), e.integer("chunks"), e.integer("groups"))
            for e in computed
        ]
        words.append(sum(positions * chunks * groups for positions, chunks, groups in fed))
        cycles.append(simulate(program).cycles)
    assert words[0] == words[1] == 64 * 8 * 4
    assert cycles[0] <= cycles[1]


@pytest.mark.parametrize("value", range(-128, 129))
def test_summands(value: int) -> None:
    parts = summands(value)
    assert sum(parts) == value and len(set(parts)) <= 1 and all(-128 <= part <= 127 for part in parts)
    assert len(parts) <= (2 if value == 128 else 1)


@pytest.mark.slow
def test_products_agree_in_rtl() -> None:
    """Reference, functional simulator and RTL, in bits and in cycles."""
    device = RtlDevice.of(CHIPS["tiny"], lambda note: None)
    random = np.random.default_rng(56)
    for zero_points, (a, b) in zip(((0, 0), (3, -7), (-128, 0), (-128, -128), None, None, (0, 5)), SHAPES, strict=True):
        graph = product(random, a, b, zero_points, made=len(b) == 2)
        program = compile_graph(graph, CHIPS["tiny"])
        inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
        result = verify(program, graph, seeded(inputs, 4), rtl="layers", device=device)
        assert result.agreed, result


@pytest.mark.parametrize("chip", ["tiny", "small", "wide", "least", "ports"])
def test_a_table_behind_a_product(chip: str) -> None:
    drawing = Drawing(np.random.default_rng(57))
    a, b = drawing.tensor((2, 9, 20)), drawing.tensor((2, 13, 20))
    product = drawing.add("MatMul", (a.name, b.name))
    table = drawing.constant(drawing.random.permutation(256).astype(np.uint8).view(np.int8), None)
    y = drawing.add("Lookup", (product.name, table))
    graph = Graph("table", (a.name, b.name), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    compilation = check(graph, CHIPS[chip], inputs_of(drawing.random, graph))
    assert not compilation.reasons and product.name in compilation.program.fused


@pytest.mark.parametrize("chip", ["tiny", "edge", "small"])
def test_what_is_added_to_a_product(chip: str) -> None:
    """One matrix: the addition is fused; several: it reads what they made."""
    for shape in ((9, 20), (2, 9, 20)):
        drawing = Drawing(np.random.default_rng(58))
        a, b = drawing.tensor(shape), drawing.tensor((*shape[:-2], 13, 20))
        product = drawing.add("MatMul", (a.name, b.name))
        mask = drawing.tensor(product.shape)
        y = drawing.add("Add", (product.name, mask.name))
        graph = Graph(
            "mask", (a.name, b.name, mask.name), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes)
        )
        compilation = check(graph, CHIPS[chip], inputs_of(drawing.random, graph))
        assert not compilation.reasons and (product.name in compilation.program.fused) == (len(shape) == 2)
