"""Linked nodes at work: in RTL, and in the simulators, which give the same bits in the same cycles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lithify.cluster.linked.node import Node
from lithify.cluster.linked.pair import Work
from lithify.errors import LithifyError
from lithify.isa import decode
from lithify.isa.layout import PAGE
from lithify.isa.peer import CAUSES, Wires
from lithify.isa.registers import BY_NAME
from lithify.rtl.simulation.nodes import Nodes, build_nodes
from lithify.rtl.simulation.orders import carry_out
from lithify.sim.functional import run_segment
from lithify.sim.timing import Timing, simulate
from lithify.sim.timing.compute import ComputeTiming
from lithify.sim.timing.peer.nodes import NodeTask, simulate_nodes

Words = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class NodeHistory:
    """What a node did. start: of its orders, a cycle of all nodes; elapsed: cycles that they took; words: each that it
    put on its link, cycle, kind and 16 bytes; queue, cycle: of each retirement of its chip (4: END); counters: of the
    link, by register; memory: its DRAM afterwards.
    """

    start: int
    elapsed: int
    counters: Mapping[str, int]
    words: Words
    queue: NDArray[np.uint32]
    cycle: NDArray[np.int64]
    memory: NDArray[np.uint8]


@dataclass(frozen=True)
class History:
    """What the nodes did. damaged: words that the links damaged or lost, where that was counted."""

    nodes: tuple[NodeHistory, ...]
    damaged: int = 0

    @property
    def cycles(self) -> int:
        """From the start of the first orders to the end of the last."""
        return max(node.start + node.elapsed for node in self.nodes) - min(node.start for node in self.nodes)

    @property
    def memories(self) -> list[NDArray[np.uint8]]:
        """The DRAM of each node."""
        return [node.memory for node in self.nodes]


def run_in_rtl(
    work: Work, wires: Wires, note: Callable[[str], None] | None = None, library: Path | None = None
) -> History:
    """The Verilog of the nodes in one simulation. note: hears what takes long; library: the simulator, where it is
    built already. Raises LithifyError where a node ended its orders early, by the cause.
    """
    chip = next(iter(work.nodes[0].codes.values())).chip
    memories = work.memories()
    path = build_nodes(chip, note).library if library is None else library
    with Nodes(path, memories, wires, bytes_per_cycle=chip.dram_bytes_per_cycle) as nodes:
        nodes.record()
        carried = carry_out(nodes, [node.orders for node in work.nodes])
        found = []
        for index, done in enumerate(carried):
            _check(index, done.causes)
            cycles, words = nodes.words(index)
            queue, retired = nodes.trace(index)
            found.append(
                NodeHistory(
                    done.start, done.elapsed, done.counters,
                    tuple(zip(cycles.tolist(), map(bytes, words), strict=True)),
                    queue, retired.astype(np.int64), memories[index],
                )
            )  # fmt: skip
        return History(tuple(found), nodes.damaged)


def run_in_simulators(work: Work, wires: Wires, starts: Sequence[int]) -> History:
    """The functional simulator's bits, the timing simulator's cycles, and the link's model. starts: the cycle in which
    the orders of each node are started. Raises LithifyError as `run_in_rtl`.
    """
    memories = work.memories()
    chips = [_Chip(node, memory) for node, memory in zip(work.nodes, memories, strict=True)]
    runs = simulate_nodes(
        [
            NodeTask(memory, node.orders, start, chip.launch)
            for memory, node, start, chip in zip(memories, work.nodes, starts, chips, strict=True)
        ],
        wires,
    )
    found = []
    for index, (run, chip) in enumerate(zip(runs, chips, strict=True)):
        _check(index, run.causes)
        queue = [timing.queue for timing in chip.launched]
        cycle = [timing.cycle + first for (first, _), timing in zip(run.runs, chip.launched, strict=True)]
        words = tuple((at, bytes([kind]) + data) for at, (kind, data) in run.words)
        found.append(
            NodeHistory(
                starts[index], run.elapsed, run.counters, words,
                np.concatenate([np.empty(0, np.uint32), *queue]), np.concatenate([np.empty(0, np.int64), *cycle]),
                memories[index],
            )
        )  # fmt: skip
    return History(tuple(found))


def _check(node: int, causes: Sequence[int]) -> None:
    if causes:
        raise LithifyError(f"Node {node} ended its orders early: {'; '.join(CAUSES[cause] for cause in causes)}.")


class _Chip:
    """A node's chip as its orders launch it."""

    def __init__(self, node: Node, memory: NDArray[np.uint8]) -> None:
        self._node, self._memory = node, memory
        self.launched: list[Timing] = []
        self._known: dict[tuple[int, tuple[tuple[int, int], ...]], Timing] = {}

    def launch(self, registers: Mapping[int, int]) -> int:
        """A run with these registers, by their offsets: changes the memory, and gives its cycles."""

        def value(name: str) -> int:
            return registers.get(BY_NAME[name].offset, 0)

        place, skip = value("PROGRAM_LOW"), value("SKIP")
        code = self._node.codes[place]
        bases = {base: value(f"BASE{int(base)}_LOW") for base in code.sizes}
        views = {int(base): self._memory[start : start + code.sizes[base]] for base, start in bases.items()}
        run_segment(code.chip, code.instructions, views, False, 0, skip)
        # Where in a page something lies decides how its bursts are cut, and nothing else of an address does.
        key = place, tuple((int(base), address % PAGE) for base, address in bases.items())
        if key not in self._known:
            entries = list(decode(code.instructions))
            self._known[key] = simulate(
                code.chip, entries, len(code.instructions), dict(key[1]), ComputeTiming(code.chip), skip=skip
            )
        self.launched.append(self._known[key])
        return self._known[key].cycles
