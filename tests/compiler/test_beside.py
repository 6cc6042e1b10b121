"""Array and vector unit side by side: the order of operations, their turns, and the banks of each."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from compiler.compiled import CHIPS, check, make_chip
from compiler.random_graphs import Drawing, draw
from compiler.test_rows import WITH_UNIT, device
from compiler.test_rows import inputs_of as inputs_in_rtl
from lithify import networks
from lithify.chip import Chip, load_chip
from lithify.compiler import Compilation, compile_graph, compile_with_reasons
from lithify.compiler.planning.beside import banks_for, last_uses
from lithify.isa import Queue
from lithify.isa.program import HostSegment
from lithify.networks.builder import Builder
from lithify.networks.transformer import bert
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.graph import Graph
from lithify.sim.inference import costs, run_segments
from lithify.verify import verify
from reference.random_layers import inputs

MAC256 = load_chip(Path(__file__).parents[2] / "benchmarks" / "chips" / "mac256.toml")
CHIP = MAC256.model_copy(update={"vector_lanes": 4})
EDGE = WITH_UNIT["edge"]


def compiled(tokens: int, width: int, heads: int, layers: int, chip: Chip) -> Compilation:
    """Layers of BERT of this size, compiled; every tensor equals the reference's."""
    net = Builder("encoder", (1, tokens, width), 0)
    model = optimize(net.model(bert(net, layers, heads)))
    graph = read(quantize(model, seeded(inputs_of(model), 2)))
    return check(graph, chip, {"input": networks.sample((1, tokens, width), seed=4)})


@pytest.fixture(scope="module")
def layer() -> Compilation:
    return compiled(128, 256, 4, 1, CHIP)


@pytest.mark.slow
def test_everything_is_on_the_chip(layer: Compilation) -> None:
    assert not layer.reasons
    assert not [segment for segment in layer.program.segments if isinstance(segment, HostSegment)]


def test_each_unit_keeps_to_its_banks_where_both_work(layer: Compilation) -> None:
    (segment,) = layer.segments
    assert segment.plan.apart
    beside = [operation for operation in segment.operations if operation.beside]
    assert {operation.program is not None for operation in beside} == {True, False}
    for action in segment.actions:
        operation = segment.operations[segment.steps[action.step].operation]
        if operation.beside and action.queue is Queue.VECTOR:
            first, end = banks_for(operation, CHIP)
            step = segment.steps[action.step]
            assert step.chunk is not None
            addresses = [step.chunk.address]
            if step.output.image not in segment.plan.homes:
                addresses.append(step.output.address)
            assert all(first <= address // CHIP.bank_words < end for address in addresses)


def test_vector_and_array_take_turns(layer: Compilation) -> None:
    (segment,) = layer.segments
    queues = [action.queue for action in segment.actions if action.queue in (Queue.COMPUTE, Queue.VECTOR)]
    assert sum(a is not b for a, b in pairwise(queues)) > 20


def test_halves_let_normalisation_begin_before_the_projection_ends(layer: Compilation) -> None:
    (segment,) = layer.segments
    norms = [operation for operation in segment.operations if operation.operator == "LayerNormalization"]
    assert [operation.region.width for operation in norms] == [64] * 6


def test_nothing_ends_before_what_may_begin_meanwhile(layer: Compilation) -> None:
    (segment,) = layer.segments
    until = last_uses(segment.operations)
    assert all(last >= index for index, last in enumerate(until))
    assert any(last > index for index, last in enumerate(until))


@pytest.mark.slow
def test_the_array_hardly_waits(layer: Compilation) -> None:
    """One after the other the two units would take as long as both together."""
    program = layer.program
    vector = sum(
        entry.integer("rows") * entry.integer("row_cycles")
        for action in layer.segments[0].actions
        if (entry := action.instruction).operation.queue is Queue.VECTOR
    )
    simulation = costs(program, run_segments(program))
    array = simulation.macs // CHIP.multipliers
    assert simulation.cycles < 0.9 * (array + vector)


@pytest.mark.slow
@pytest.mark.parametrize(("tokens", "width", "heads"), [(12, 32, 2), (40, 48, 3), (19, 40, 2)])
@pytest.mark.parametrize("chip", ["edge", "small", "wide"])
def test_small_encoders_on_small_chips(chip: str, tokens: int, width: int, heads: int) -> None:
    chosen = CHIPS[chip]
    lanes = min(4, chosen.word_bytes // 4)
    assert not compiled(tokens, width, heads, 2, chosen.model_copy(update={"vector_lanes": lanes})).reasons


def branches(tokens: int = 96, width: int = 48) -> Graph:
    """A softmax, and two dense layers that do not need it, one of them before it in the graph and one behind."""
    drawing = Drawing(np.random.default_rng(3))
    x = drawing.tensor((tokens, width))

    def dense(name: str) -> str:
        return drawing.add("Gemm", (name, *drawing.products(width, width))).name

    first = dense(x.name)
    early = dense(x.name)
    weights = drawing.add("Softmax", (first,)).name
    late = dense(dense(x.name))
    both = drawing.add("Add", (early, late)).name
    made = drawing.add("Mul", (weights, both))
    return Graph("branches", (x.name,), (made.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


def test_what_feeds_the_vector_unit_comes_first_and_the_rest_beside_it() -> None:
    graph = branches()
    made = check(graph, EDGE, inputs(np.random.default_rng(1), graph))
    (segment,) = made.segments
    assert "vector" in [operation.unit for operation in segment.operations][:3]
    assert segment.plan.apart
    (run,) = run_segments(made.program)
    queue, retired, start = run.timing.queue, run.timing.cycle, run.timing.start
    vector = np.flatnonzero(queue == Queue.VECTOR)
    beside = (queue == Queue.COMPUTE) & (retired > start[vector].min()) & (retired < retired[vector].max())
    assert beside.sum() >= 3, "the dense layers run while the softmax does"


def turned_scores(batch: int, heads: int, tokens: int, keys: int, width: int) -> Graph:
    """Scores of attention, where the keys of a head are turned twice and made one head after the other."""
    drawing = Drawing(np.random.default_rng(9))
    k, q = drawing.tensor((batch, heads, keys, width)), drawing.tensor((batch * heads, tokens, width))
    turned = drawing.add("Transpose", (k.name,), True, perm=(0, 1, 3, 2))
    flat = drawing.add("Reshape", (turned.name,), True, shape=(batch * heads, width, keys))
    back = drawing.add("Transpose", (flat.name,), True, perm=(0, 2, 1))
    y = drawing.add("Softmax", (drawing.add("MatMul", (q.name, back.name)).name,))
    return Graph("scores", (q.name, k.name), (y.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))


@pytest.mark.parametrize("chip", WITH_UNIT)
@pytest.mark.parametrize(("batch", "heads"), [(1, 3), (2, 4)])
def test_a_part_that_is_loaded_before_the_whole_is_made_was_stored(chip: str, batch: int, heads: int) -> None:
    graph = turned_scores(batch, heads, 8, 6, 16)
    assert not check(graph, WITH_UNIT[chip], inputs(np.random.default_rng(1), graph)).reasons


def test_without_vector_operations_the_order_stays() -> None:
    random = np.random.default_rng(8)
    graph = draw(random, 8)
    with_unit, without = (
        compile_with_reasons(graph, EDGE.model_copy(update={"vector_lanes": lanes})) for lanes in (4, 0)
    )
    assert with_unit.program.instructions == without.program.instructions


def check_graphs(first: int, end: int) -> None:
    chip = make_chip("big", 8, 8, 16, 8, 64, 24, 8, 4).model_copy(update={"vector_lanes": 2})
    for number in range(first, end):
        random = np.random.default_rng((18, number))
        graph = draw(random, int(random.integers(3, 12)), rows=True)
        check(graph, chip, inputs(random, graph))


def test_random_graphs() -> None:
    check_graphs(0, 2)


@pytest.mark.slow
def test_more_random_graphs() -> None:
    check_graphs(2, 20)


@pytest.mark.slow
def test_branches_in_rtl() -> None:
    """Every bit and every cycle, with the two units at work at once."""
    for graph in (branches(), branches(40, 100)):
        program = compile_graph(graph, EDGE)
        result = verify(program, graph, seeded(inputs_in_rtl(graph), 2), rtl="full", device=device("edge"))
        assert result.agreed, result


def test_a_product_stays_whole_where_its_weights_would_come_twice_and_late() -> None:
    """64 rows on `edge`: in halves of 32 the memory of 5 bytes a cycle would hold up the array for longer than the half
    of a normalisation that is hidden; a memory of 16 does not, nor do 128 rows.
    """
    edge = load_chip("edge")
    fast = edge.model_copy(update={"bus_bytes": 16, "dram_bytes_per_cycle": 16})

    def widths(tokens: int, chip: Chip) -> set[int]:
        net = Builder("part", (1, tokens, 512), 0)
        y = net.linear(net.layer_normalization(net.input, epsilon=1e-12), 1024)
        model = optimize(net.model([y]))
        (segment,) = compile_with_reasons(read(quantize(model, seeded(inputs_of(model), 2))), chip).segments
        return {operation.region.width for operation in segment.operations if operation.unit == "conv"}

    assert (widths(64, edge), widths(64, fast), widths(128, edge)) == ({64}, {32}, {64})
