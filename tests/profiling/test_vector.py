"""Cycles in which the array waits for the vector unit are those of the vector unit's layers."""

import numpy as np

from compiler.random_graphs import Drawing
from compiler.test_rows import WITH_UNIT
from lithify.compiler import compile_graph
from lithify.isa import Queue
from lithify.reference.graph import Graph
from lithify.sim.cost import VECTOR
from lithify.sim.inference import run_segments, simulate


def test_a_softmax_that_everything_waits_for_has_all_its_cycles() -> None:
    drawing = Drawing(np.random.default_rng(3))
    x = drawing.tensor((40, 48))
    dense = drawing.add("Gemm", (x.name, *drawing.products(48, 48)))
    weights = drawing.add("Softmax", (dense.name,))
    made = drawing.add("Gemm", (weights.name, *drawing.products(48, 48)))
    graph = Graph("alone", (x.name,), (made.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    program = compile_graph(graph, WITH_UNIT["edge"])
    found = simulate(program)
    (cost,) = (layer for layer in found.layers if layer.operator == "Softmax")
    assert cost.limit == VECTOR and cost.spent[VECTOR] == cost.cycles
    assert sum(layer.cycles for layer in found.layers) == found.cycles
    (run,) = run_segments(program)
    own = run.timing.queue == Queue.VECTOR
    taken = int((run.timing.cycle[own] - run.timing.start[own]).sum())
    assert 0.95 * taken < cost.cycles <= taken + own.sum()


def test_a_program_of_the_vector_unit_alone() -> None:
    drawing = Drawing(np.random.default_rng(4))
    x = drawing.tensor((40, 48))
    made = drawing.add("Softmax", (x.name,))
    graph = Graph("softmax", (x.name,), (made.name,), drawing.tensors, drawing.constants, tuple(drawing.nodes))
    (cost,) = simulate(compile_graph(graph, WITH_UNIT["edge"])).layers
    assert cost.cycles == cost.spent[VECTOR] > 0
