"""Two linked nodes in RTL and in the simulators, and what they have to share."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

import lithify
from lithify.cluster.linked import History, run_in_rtl, run_in_simulators
from lithify.cluster.linked.pair import Work
from lithify.isa.peer import Wires
from lithify.program import Program

EXAMPLES = Path(__file__).parents[2] / "examples"
QUIET = Wires()
"""No errors, and the latency of `Cluster`'s links."""


def quantized(name: str) -> ir.Model:
    model = lithify.optimize(lithify.load(EXAMPLES / f"{name}.onnx"))
    return lithify.quantize(model, EXAMPLES / "digits.npz")


def images(count: int) -> list[dict[str, np.ndarray]]:
    return [{"input": image[None]} for image in np.load(EXAMPLES / "digits.npz")["images_32"][:count]]


def in_both(work: Work, wires: Wires, library: Path) -> tuple[History, History]:
    """RTL and simulators, equal in every word on the link, every retirement, every counter and every byte of DRAM."""
    hard = run_in_rtl(work, wires, library=library)
    soft = run_in_simulators(work, wires, [node.start for node in hard.nodes])
    for one, other in zip(hard.nodes, soft.nodes, strict=True):
        assert one.elapsed == other.elapsed and one.counters == other.counters
        assert one.words == other.words
        assert np.array_equal(one.queue, other.queue) and np.array_equal(one.cycle, other.cycle)
        assert np.array_equal(one.memory, other.memory)
    assert hard.cycles == soft.cycles
    return hard, soft


@functools.lru_cache(maxsize=2)
def on_one_chip(model: ir.Model) -> Program:
    """The whole network, compiled once for the tests of a module."""
    return lithify.compile(model, "tiny")


def of_one_chip(model: ir.Model, work: Work, history: History, requests: Sequence[dict[str, np.ndarray]]) -> int:
    """Asserts that the answers are those of the whole network on one chip; the cycles that it takes for one."""
    whole = on_one_chip(model)
    found = work.outputs(history.memories)
    assert len(found) == len(requests)
    for request, outputs in zip(requests, found, strict=True):
        expected = whole.run(*request.values())
        assert all(np.array_equal(a, b) for a, b in zip(outputs, expected, strict=True))
    return whole.simulate().cycles
