"""Which way each node is shared out: the walk through the graph that takes the fewest cycles, exchanges counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import prod

from lithify.cluster.description import Cluster
from lithify.cluster.exchange import Exchange, bytes_of_tensor, exchange_steps
from lithify.cluster.layout import WHOLE, Layout
from lithify.cluster.rules import Way, ways
from lithify.reference.graph import Graph, Node

WIDTH = 128
"""How many ways to have come so far are kept beside each other."""

STARTING = 8
"""A part takes, beyond its work, about what filling this part of the scratchpad takes: its first weights and rows come,
and its last results go, with nothing beside them.
"""


@dataclass(frozen=True)
class _State:
    """So far. cycles: all; stage: exchanges one after the other; held: of each tensor that is still read its layouts,
    the one it was made in first, with the stage from which each is there.
    """

    cycles: float
    stage: int
    held: Mapping[str, tuple[tuple[Layout, int], ...]]
    before: "tuple[_State, Way] | None" = None


def choose(graph: Graph, cluster: Cluster, cycles: Mapping[str, int], channels_alone: bool = False) -> dict[str, Way]:
    """The way of each node by its name.

    cycles: of the nodes on one chip, by name; what is missing takes none. channels_alone: products with weights are
    cut along output channels, never along rows, so that no weight is on two chips.
    """
    chips, chip = cluster.chips, cluster.described
    starting = chip.scratchpad_bytes / STARTING / chip.dram_bytes_per_cycle
    last: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        last.update(dict.fromkeys((*node.inputs, *node.outputs), number))

    moved = _moved(graph)

    @cache
    def exchange(name: str, before: Layout, after: Layout) -> int:
        tensor = graph.tensors[name]
        steps = exchange_steps([Exchange(tensor, before, after, chips)], cluster)
        taken = max((step.busy + step.after for step in steps), default=0)
        if name in moved:
            channels = tensor.shape[-1]
            taken += prod(before.shape(tensor.shape, 0)) // channels * (-(-channels // chip.rows)) ** 2
        return taken

    states = [_State(0, 0, {})]
    for number, node in enumerate(graph.nodes):
        best: dict[tuple[object, ...], _State] = {}
        for way in ways(graph, node, chips, chip.rows):
            if channels_alone and _rows_of_weights(graph, node, way):
                continue
            work = _work(graph, node, way, cycles.get(node.name, 0), chip.dram_bytes_per_cycle, chips)
            for state in states:
                held, level, total = dict(state.held), 0, state.cycles + work
                for name, layout in zip(node.inputs, way.inputs, strict=True):
                    if not name or name in graph.constants:
                        continue
                    known = held.get(name, ())
                    found = next((stage for own, stage in known if own == layout), None)
                    if found is None and name in graph.inputs:
                        total += _host(graph, name, layout, cluster)
                        held[name] = (*known, (layout, 0))
                    elif found is None:
                        made, stage = known[0]
                        total += exchange(name, made, layout)
                        held[name] = (*known, (layout, stage + 1))
                        level = max(level, stage + 1)
                    else:
                        level = max(level, found)
                total += starting * max(0, level - state.stage)
                held.update(dict.fromkeys(node.outputs, ((way.output, level),)))
                held = {name: entry for name, entry in held.items() if last[name] > number}
                key = tuple(
                    (name, tuple(sorted(layout for layout, _ in entry))) for name, entry in sorted(held.items())
                )
                if key not in best or total < best[key].cycles:
                    best[key] = _State(total, max(level, state.stage), held, (state, way))
        states = sorted(best.values(), key=lambda state: state.cycles)[:WIDTH]
    chosen: dict[str, Way] = {}
    state = states[0]
    for node in reversed(graph.nodes):
        assert state.before is not None
        state, chosen[node.name] = state.before
    return dict(reversed(chosen.items()))


def _moved(graph: Graph) -> set[str]:
    """What Reshape and Transpose make, which costs nothing where a product reads it or a product of heads made it, but
    a product with the identity where it has to lie in memory.
    """
    found: set[str] = set()
    heads = {name for node in graph.nodes if node.operator == "MatMul" for name in node.outputs}
    for node in graph.nodes:
        if node.operator in ("Reshape", "Transpose"):
            if node.inputs[0] in heads:
                heads.update(node.outputs)
            elif node.operator == "Transpose" or node.inputs[0] in found:
                found.update(node.outputs)
            elif len(graph.tensors[node.outputs[0]].shape) > 3:
                found.update(node.outputs)
    return found


def _work(graph: Graph, node: Node, way: Way, cycles: int, rate: int, chips: int) -> float:
    """Of the chip with the largest share: its part of the cycles, or what its constants take to come from DRAM."""
    if way.output.whole:
        share = 1.0
    else:
        share = max(way.output.shares) / way.output.bounds[-1]
    size = 0
    for name, layout in zip(node.inputs, way.inputs, strict=True):
        if name in graph.constants:
            whole = graph.constants[name].nbytes
            size += whole if layout.whole else whole * max(layout.shares) // layout.bounds[-1]
    return max(cycles * share, size / rate)


def _rows_of_weights(graph: Graph, node: Node, way: Way) -> bool:
    """Whether every chip needs all weights of a product, and each does only a part of it."""
    weights = len(node.inputs) > 1 and node.operator in ("Gemm", "Conv", "ConvTranspose")
    return weights and node.inputs[1] in graph.constants and not way.output.whole and way.inputs[1] == WHOLE


def _host(graph: Graph, name: str, layout: Layout, cluster: Cluster) -> float:
    return bytes_of_tensor(graph.tensors[name]) * (cluster.chips if layout.whole else 1) / cluster.host_bytes_per_cycle
