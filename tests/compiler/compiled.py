"""Compile, run on the functional simulator, and compare every tensor with the reference."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip, load_chip, parse_chip
from lithify.compiler import Compilation, compile_with_reasons
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.reference.evaluate import run as run_reference
from lithify.reference.graph import Graph
from lithify.runtime import run
from lithify.runtime.results import scatter
from lithify.sim.functional.order import check_order


def make_chip(
    name: str,
    rows: int,
    columns: int,
    accumulators: int,
    lanes: int,
    bank_words: int,
    banks: int,
    bus_bytes: int,
    queue_depth: int = 4,
    units: tuple[str, ...] = ("depthwise", "add", "max_pool", "lookup", "multiply", "gather"),
) -> Chip:
    """A chip of the given sizes."""
    text = f"""schema = 1
        name = "{name}"
        clock_hz = 200_000_000
        rows = {rows}
        columns = {columns}
        accumulators = {accumulators}
        lanes = {lanes}
        scratchpad_bytes = {bank_words * banks * rows}
        scratchpad_banks = {banks}
        bus_bytes = {bus_bytes}
        dram_bytes_per_cycle = {max(1, bus_bytes // 2)}
        queue_depth = {queue_depth}
        units = {list(units)}"""
    return parse_chip(text, name)


CHIPS = {
    "tiny": load_chip("tiny"),
    "edge": load_chip("edge"),
    "wide": make_chip("wide", 8, 32, 16, 4, 1024, 8, 8),
    # Everything must be tiled, and reductions split.
    "small": make_chip("small", 8, 8, 8, 4, 64, 8, 4, 2),
    "least": make_chip("least", 4, 8, 4, 1, 64, 5, 4, 2),
    # No optional unit.
    "bare": make_chip("bare", 8, 8, 16, 8, 512, 6, 8, 4, ()),
    # Two words of weights a cycle, from two banks.
    "ports": make_chip("ports", 8, 16, 8, 4, 64, 16, 4, 2).model_copy(update={"weight_ports": 2}),
}


def check(graph: Graph, chip: Chip, inputs: Mapping[str, NDArray[Any]]) -> Compilation:
    """Compiles and runs; every tensor the chip writes, every border and every output must equal the reference."""
    compilation = compile_with_reasons(graph, chip)
    program = compilation.program
    for segment in chip_segments(program):
        check_order(chip, segment_instructions(program, segment))
    outcome = run(program, inputs)
    expected = run_reference(graph, inputs)
    written = set()
    for segment in outcome.segments:
        assert segment.result.results is not None
        for name, scattered in scatter(program, segment.segment, segment.result.results).items():
            assert scattered.covered.all(), f"parts of '{name}' are written by no instruction"
            assert np.array_equal(scattered.data, expected[name]), f"'{name}' differs"
            written.add(name)
    for name, value in outcome.environment.items():
        assert np.array_equal(value, expected[name], equal_nan=True), f"'{name}' differs at a border"
    for name, value in zip(graph.outputs, outcome.outputs, strict=True):
        assert np.array_equal(value, expected[name], equal_nan=True)
    made = {name for node in graph.nodes for name in node.outputs}
    known = written | set(outcome.environment) | set(program.aliases) | set(program.fused)
    assert made <= known, "a tensor is neither written, nor at a border, nor fused"
    return compilation
