"""A quantised graph shared out over chips: parts between exchanges, in each of them a graph of its own for every chip.

Of a node each chip's graph holds the piece that falls to the chip, under the node's own name, of tensors with their own
names; a tensor that comes in another layout than it was made in has its layout in its name (`exchanged_name`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from lithify.cluster.exchange import Exchange
from lithify.cluster.layout import Layout
from lithify.cluster.rules import Way
from lithify.reference.evaluate import run as evaluate
from lithify.reference.graph import Graph, Node, Tensor

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Part:
    """What the chips do between two exchanges. exchanges: before it; graphs: one for each chip; inputs, outputs: the
    tensors that they take and make, by their names in the graphs, with the layout of each.
    """

    exchanges: tuple[Exchange, ...]
    graphs: tuple[Graph, ...]
    inputs: Mapping[str, Layout]
    outputs: Mapping[str, Layout]


@dataclass(frozen=True)
class Sharding:
    """A graph on several chips. ways: how each node is shared out; layouts: in which each tensor is made."""

    graph: Graph
    chips: int
    parts: tuple[Part, ...]
    ways: Mapping[str, Way]
    layouts: Mapping[str, Layout]

    def run(self, inputs: Arrays, work: Callable[[int, int, Arrays], Arrays] | None = None) -> dict[str, NDArray[Any]]:
        """Every tensor that a part makes for others or for the user, whole.

        inputs: the graph's, whole. work: (part, chip, what it takes) -> what it makes; None: the reference, which then
        gives every tensor of the graph.
        """
        held: list[dict[str, NDArray[Any]]] = [{} for _ in range(self.chips)]
        for number, part in enumerate(self.parts):
            for exchange in part.exchanges:
                for chip, data in enumerate(exchanged(exchange, [pieces[exchange.tensor.name] for pieces in held])):
                    held[chip][exchanged_name(exchange.tensor.name, exchange.after)] = data
            for chip, graph in enumerate(part.graphs):
                own = held[chip]
                taken = {
                    name: own[name] if name in own else part.inputs[name].piece(_given(inputs, name), chip)
                    for name in graph.inputs
                }
                made = self._evaluated(graph, taken) if work is None else work(number, chip, taken)
                own.update(made)
        names = [name for name in self.layouts if all(name in pieces for pieces in held)]
        return {name: joined([pieces[name] for pieces in held], self.layouts[name]) for name in names}

    def _evaluated(self, graph: Graph, taken: Arrays) -> Arrays:
        values = evaluate(graph, taken)
        return {name: values[name] for node in graph.nodes for name in node.outputs}


def exchanged(exchange: Exchange, pieces: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """What every chip holds afterwards. pieces: what each holds before."""
    shape = exchange.tensor.shape
    found = [np.empty(exchange.after.shape(shape, chip), pieces[0].dtype) for chip in range(exchange.chips)]
    for move in exchange.moves:
        own = exchange.before.region(shape, move.source), exchange.after.region(shape, move.target)
        here, there = (
            tuple(slice(first - base, end - base) for (first, end), (base, _) in zip(move.region, region, strict=True))
            for region in own
        )
        found[move.target][there] = pieces[move.source][here]
    return found


def joined(pieces: Sequence[NDArray[Any]], layout: Layout) -> NDArray[Any]:
    """The whole tensor of what each chip holds."""
    return pieces[0] if layout.whole else np.concatenate(pieces, axis=layout.axis)


_SEPARATOR = "@"


def exchanged_name(name: str, layout: Layout) -> str:
    """Of a tensor in another layout than it was made in."""
    return f"{name}{_SEPARATOR}{'whole' if layout.whole else layout.axis}"


def _given(inputs: Arrays, name: str) -> NDArray[Any]:
    return inputs[name] if name in inputs else inputs[made_name(name)]


def made_name(name: str) -> str:
    """Of the tensor that `exchanged_name` was given."""
    return name.rsplit(_SEPARATOR, 1)[0]


def shard(graph: Graph, chips: int, ways: Mapping[str, Way]) -> Sharding:
    """The parts of a graph whose every node is done in the way given: as few as the exchanges leave, one after the
    other.
    """
    layouts = {name: ways[node.name].output for node in graph.nodes for name in node.outputs}
    stage: dict[str, int] = {}
    stages: dict[str, int] = {}
    for node in graph.nodes:
        level = 0
        for name, layout in _reads(graph, node, ways[node.name]):
            if name in stage:
                level = max(level, stage[name] + (layout != layouts[name]))
        stages[node.name] = level
        stage.update(dict.fromkeys(node.outputs, level))
    parts = [
        _part(graph, chips, ways, layouts, stages, stage, level)
        for level in range(max(stages.values(), default=-1) + 1)
    ]
    return Sharding(graph, chips, tuple(parts), dict(ways), layouts)


def _reads(graph: Graph, node: Node, way: Way) -> list[tuple[str, Layout]]:
    """What a node reads that is no constant, in which layout."""
    return [
        (name, layout)
        for name, layout in zip(node.inputs, way.inputs, strict=True)
        if name and name not in graph.constants
    ]


def _part(
    graph: Graph,
    chips: int,
    ways: Mapping[str, Way],
    layouts: Mapping[str, Layout],
    stages: Mapping[str, int],
    made_in: Mapping[str, int],
    level: int,
) -> Part:
    nodes = [node for node in graph.nodes if stages[node.name] == level]
    inside = {name for node in nodes for name in node.outputs}
    later = {
        name for node in graph.nodes if stages[node.name] > level for name, _ in _reads(graph, node, ways[node.name])
    }
    inputs: dict[str, Layout] = {}
    exchanges: dict[tuple[str, Layout], Exchange] = {}
    given: dict[str, set[Layout]] = {}
    for node in graph.nodes:
        for name, layout in _reads(graph, node, ways[node.name]):
            if name not in made_in:
                given.setdefault(name, set()).add(layout)
    names: dict[tuple[str, Layout], str] = {}
    for node in nodes:
        for name, layout in _reads(graph, node, ways[node.name]):
            if name in inside:
                continue
            if name not in made_in:
                # The host gives what is needed.
                own = name if len(given[name]) == 1 else exchanged_name(name, layout)
            elif layout == layouts[name]:
                own = name
            else:
                own = exchanged_name(name, layout)
                first = min(
                    stages[reader.name]
                    for reader in graph.nodes
                    if (name, layout) in _reads(graph, reader, ways[reader.name])
                )
                if first == level:
                    exchanges[name, layout] = Exchange(graph.tensors[name], layouts[name], layout, chips)
            names[name, layout] = own
            inputs[own] = layout
    outputs = {name: layouts[name] for name in layouts if name in inside and (name in later or name in graph.outputs)}
    graphs = tuple(_graph(graph, chip, nodes, ways, names, inputs, tuple(outputs), level) for chip in range(chips))
    return Part(tuple(exchanges.values()), graphs, inputs, outputs)


def _graph(
    graph: Graph,
    chip: int,
    nodes: Sequence[Node],
    ways: Mapping[str, Way],
    names: Mapping[tuple[str, Layout], str],
    inputs: Mapping[str, Layout],
    outputs: tuple[str, ...],
    level: int,
) -> Graph:
    tensors: dict[str, Tensor] = {}
    constants: dict[str, NDArray[Any]] = {}
    made = []
    for name, layout in inputs.items():
        whole = graph.tensors[name if name in graph.tensors else made_name(name)]
        tensors[name] = replace(whole, name=name, shape=layout.shape(whole.shape, chip))
    for node in nodes:
        way = ways[node.name]
        read = []
        for name, layout in zip(node.inputs, way.inputs, strict=True):
            if name in graph.constants:
                own = name if layout.whole else f"{name}{_SEPARATOR}{layout.axis}"
                constants[own] = np.ascontiguousarray(layout.piece(graph.constants[name], chip))
                tensors[own] = _constant(graph.tensors[name], own, layout, chip)
                read.append(own)
            else:
                read.append(names.get((name, layout), name))
        for name in node.outputs:
            tensors[name] = replace(graph.tensors[name], shape=way.output.shape(graph.tensors[name].shape, chip))
        attributes = _attributes(node, way, tensors, chip)
        if node.operator == "Host" and tuple(read) != node.inputs:
            attributes = {
                **attributes,
                "model": _renamed(attributes["model"], dict(zip(node.inputs, read, strict=True))),
            }
        made.append(replace(node, inputs=tuple(read), attributes=attributes))
    return Graph(f"{graph.name}.{level}.{chip}", tuple(inputs), outputs, tensors, constants, tuple(made))


def _constant(tensor: Tensor, name: str, layout: Layout, chip: int) -> Tensor:
    """The piece of a constant: with scales along its first axis where it has them."""
    scale = tensor.scale
    if scale is not None and scale.shape and layout.axis == 0:
        scale = np.ascontiguousarray(layout.piece(scale, chip))
    return replace(tensor, name=name, shape=layout.shape(tensor.shape, chip), scale=scale)


def _attributes(node: Node, way: Way, tensors: Mapping[str, Tensor], chip: int) -> Mapping[str, Any]:
    """With the sizes of the chip's piece."""
    if way.output.whole:
        return node.attributes
    if node.operator == "Reshape":
        return {**node.attributes, "shape": tensors[node.outputs[0]].shape}
    if node.operator in ("Conv", "ConvTranspose") and way.output.axis == 1 and node.attributes["group"] > 1:
        share = way.inputs[0].shares[chip]
        total = way.inputs[0].bounds[-1]
        return {**node.attributes, "group": node.attributes["group"] * share // total}
    return node.attributes


def _renamed(model: bytes, names: Mapping[str, str]) -> bytes:
    """The host's model with its inputs named anew."""
    proto = onnx.ModelProto.FromString(model)
    for entry in proto.graph.input:
        entry.name = names.get(entry.name, entry.name)
    for node in proto.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return bytes(proto.SerializeToString())
