"""The array works on while the vector unit does: the order of operations, their banks, their cycles, and RTL."""

import numpy as np
import pytest

from compiler.compiled import CHIPS, check, make_chip
from compiler.random_graphs import Drawing, draw
from compiler.test_rows import WITH_UNIT, device, inputs_of
from lithify.compiler import compile_graph
from lithify.compiler.compile import compile_with_reasons
from lithify.isa import Queue
from lithify.quantize.data import seeded
from lithify.reference.graph import Graph
from lithify.sim.inference import run_segments
from lithify.verify import verify
from reference.random_layers import inputs

CHIP = WITH_UNIT["edge"]


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
    made = check(graph, CHIP, inputs(np.random.default_rng(1), graph))
    (segment,) = made.segments
    units = [operation.unit for operation in segment.operations]
    at = units.index("vector")
    assert at == 1 and segment.plan.flights == {1: len(units) - 1}
    (run,) = run_segments(made.program)
    queue, retired, start = run.timing.queue, run.timing.cycle, run.timing.start
    (vector,) = np.flatnonzero(queue == Queue.VECTOR)
    beside = (queue == Queue.COMPUTE) & (retired > start[vector]) & (retired < retired[vector])
    assert beside.sum() >= 3, "the dense layers run while the softmax does"


def test_a_vector_operation_in_flight_shares_no_bank_with_what_runs_beside_it() -> None:
    made = compile_with_reasons(branches(), CHIP)
    (segment,) = made.segments
    vector = [action for action in segment.actions if action.queue is Queue.VECTOR]
    ((flying, until),) = segment.plan.flights.items()
    others = [
        action
        for action in segment.actions
        if action.queue is Queue.COMPUTE and flying < segment.steps[action.step].operation < until
    ]
    assert others and not any(one.banks & other.banks for one in vector for other in others)


def test_without_vector_operations_the_order_stays() -> None:
    random = np.random.default_rng(8)
    graph = draw(random, 8)
    with_unit, without = (compile_with_reasons(graph, chip) for chip in (CHIP, CHIPS["edge"]))
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
    check_graphs(2, 40)


@pytest.mark.slow
def test_branches_in_rtl() -> None:
    """Every bit and every cycle, with the two units at work at once."""
    for graph in (branches(), branches(40, 100)):
        program = compile_graph(graph, CHIP)
        result = verify(program, graph, seeded(inputs_of(graph), 2), rtl="full", device=device("edge"))
        assert result.agreed, result
