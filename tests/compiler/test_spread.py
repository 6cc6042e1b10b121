"""Rows spread over banks: no two meet, neighbours never share a bank, and every tensor equals the reference's."""

import numpy as np
import pytest

from compiler.compiled import check, make_chip
from compiler.random_graphs import Drawing, draw
from lithify.compiler import compile_graph
from lithify.compiler.image import Image
from lithify.compiler.planning.spread import layout
from lithify.isa.sequence import all_instructions
from lithify.reference.graph import Graph
from reference.random_layers import inputs

CHIP = make_chip("spread", 16, 16, 16, 8, 128, 40, 8).model_copy(update={"activation_ports": 3})


@pytest.mark.parametrize("width", [1, 3, 7, 14, 20, 50, 70, 113])
@pytest.mark.parametrize("rows", [1, 4, 7, 23])
def test_rows_lie_apart(width: int, rows: int) -> None:
    where = layout(Image("x", 100, width, 16, spread=2), rows, CHIP)
    if where.pitch == width:
        pytest.skip("rows so long, and so many, are not spread")
    places = [{(row * where.pitch + word) % where.words for word in range(width)} for row in range(rows)]
    assert sum(map(len, places)) == len(set().union(*places)) == rows * width
    assert where.words == where.banks * CHIP.bank_words
    for word in range(width):
        for row in range(100 - 2):
            taps = [((row + tap) * where.pitch + word) % where.words // CHIP.bank_words for tap in range(3)]
            assert len(set(taps)) == 3


def depthwise_network() -> Graph:
    """An expansion, a depthwise layer with stride 2, a projection, twice."""
    drawing = Drawing(np.random.default_rng(4))
    x = drawing.tensor((1, 16, 17, 15))
    for _ in range(2):
        x = drawing.add("Conv", (x.name, *drawing.products(48, x.shape[1], 1, 1)))
        weights, bias = drawing.products(48, 1, 3, 3)
        x = drawing.add("Conv", (x.name, weights, bias), group=48, strides=(2, 2), pads=(1, 1, 1, 1))
        x = drawing.add("Conv", (x.name, *drawing.products(16, 48, 1, 1)))
    return Graph("mobile", ("t0",), (x.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


def test_taps_of_short_rows_are_read_at_once() -> None:
    graph = depthwise_network()
    check(graph, CHIP, inputs(np.random.default_rng(5), graph))
    entries = [entry for entry in all_instructions(compile_graph(graph, CHIP)) if entry.operation.name == "DEPTHWISE"]
    assert entries and all(entry.integer("taps_at_once") == 3 for entry in entries)


@pytest.mark.slow
def test_random_graphs_equal_the_reference() -> None:
    for number in range(12):
        random = np.random.default_rng((8, number))
        graph = draw(random, int(random.integers(4, 13)))
        check(graph, CHIP, inputs(random, graph))
