"""A network shared out over two linked nodes (`cluster.sharding`): its parts, the pieces that they give each other.

A tensor that every chip needs whole lies in pieces, each as its chip made it, and the program that reads it puts them
together: so a piece is one stretch of bytes on its way over the link.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.cluster.exchange import Exchange
from lithify.cluster.linked.node import Node, Placed, same_place
from lithify.cluster.linked.pair import PATIENCE, Answer, Arrays, Work, host_segments, request_bytes
from lithify.cluster.sharding import Sharding, exchanged_name
from lithify.compiler.compile import compile_with_reasons
from lithify.errors import LithifyError
from lithify.isa.program import Base, Placement
from lithify.reference.graph import Graph
from lithify.reference.graph import Node as Operation
from lithify.sim.inference import simulate


def piece_name(name: str, chip: int) -> str:
    """Of the piece of a tensor that a chip made, where all pieces are needed."""
    return f"{name}#{chip}"


def gathered(graph: Graph, exchanges: Sequence[Exchange]) -> Graph:
    """A part's graph that takes the pieces of what was exchanged before it, and puts them together itself.

    Raises LithifyError for an exchange that is no all-gather.
    """
    tensors, inputs, joins = dict(graph.tensors), list(graph.inputs), []
    for exchange in exchanges:
        name, whole = exchange.tensor.name, exchanged_name(exchange.tensor.name, exchange.after)
        if not exchange.after.whole:
            raise LithifyError(
                f"The tensor '{name}' is exchanged from one axis to another; linked nodes give each other pieces of "
                "what both need whole. Share the network out along channels alone."
            )
        if whole not in inputs:
            continue
        names = [piece_name(name, chip) for chip in range(exchange.chips)]
        for chip, own in enumerate(names):
            tensors[own] = replace(tensors[whole], name=own, shape=exchange.before.shape(exchange.tensor.shape, chip))
        at = inputs.index(whole)
        inputs[at : at + 1] = names
        joins.append(Operation(f"{whole}_joined", "Concat", tuple(names), (whole,), {"axis": exchange.before.axis}))
    return replace(graph, inputs=tuple(inputs), tensors=tensors, nodes=(*joins, *graph.nodes))


@dataclass(frozen=True)
class _Stage:
    """A part on a node: its program, and where what it takes and makes lies. graph: what it computes."""

    placed: Placed
    graph: Graph
    inputs: int
    outputs: int

    @property
    def taken(self) -> Mapping[str, Placement]:
        """What the chip takes, by name."""
        return {place.tensor: place for place in self.placed.segment.inputs if place.base is Base.INPUTS}

    @property
    def made_bytes(self) -> int:
        """Of all that the chip makes."""
        return self.placed.program.base_bytes[Base.OUTPUTS]

    @property
    def made(self) -> Mapping[str, Placement]:
        """What the chip makes, by name."""
        return {place.tensor: place for place in self.placed.segment.outputs}


def sharded(sharding: Sharding, chip: Chip, requests: Sequence[Arrays]) -> Work:
    """The parts of a shared-out network, one after the other on both nodes, for each request.

    After a part every node sends its piece of what both need, and copies its own beside it. The answers are the first
    node's. Raises LithifyError for a network that two linked nodes cannot do so.
    """
    if sharding.chips != 2:
        raise LithifyError(f"Two linked nodes take a network shared out over 2 chips; this is over {sharding.chips}.")
    nodes = (Node(), Node())
    stages, exchanges = [], list[Exchange]()
    for part in sharding.parts:
        exchanges += part.exchanges
        graphs = [gathered(graph, exchanges) for graph in part.graphs]
        stages.append([_stage(node, graph, chip) for node, graph in zip(nodes, graphs, strict=True)])
    _check(sharding, stages)
    environment: Arrays = {}
    patience = PATIENCE + 2 * sum(simulate(stage.placed.program).cycles for pair in stages for stage in pair)
    answers = []
    for request in requests:
        last = [node.room(stage.made_bytes) for node, stage in zip(nodes, stages[-1], strict=True)]
        for number, pair in enumerate(stages):
            for own, (node, stage) in enumerate(zip(nodes, pair, strict=True)):
                inputs = stage.inputs
                if number == 0:
                    data, environment = request_bytes(stage.placed, request)
                    inputs = node.room(len(data), data)
                node.wait(_coming(stage, own), patience)
                node.run(stage.placed, inputs, last[own] if number == len(stages) - 1 else stage.outputs)
                _hand_on(nodes, stages, number, own)
        for node in nodes:  # what comes for the next request does not find the other still at this one
            node.send(0, 0, 0)
            node.wait(1, patience)
        answers.append(Answer(0, stages[-1][0].placed, last[0], environment))
    for node in nodes:
        node.stop()
    return Work(nodes, tuple(answers))


def _stage(node: Node, graph: Graph, chip: Chip) -> _Stage:
    program = compile_with_reasons(graph, chip, {}, None).program
    placed = node.place(program)
    rooms = [node.room(program.base_bytes.get(base, 0)) for base in (Base.INPUTS, Base.OUTPUTS)]
    return _Stage(placed, graph, *rooms)


def _check(sharding: Sharding, stages: Sequence[Sequence[_Stage]]) -> None:
    """The host computes before the first part and behind the last, and nowhere else."""
    for number, pair in enumerate(stages):
        before, after = host_segments(pair[0].placed.program)
        between = [*(before if number else ()), *(after if number < len(stages) - 1 else ())]
        if between:
            raise LithifyError(
                f"Between the parts the host would have to run '{between[0].name}'; share the network out otherwise."
            )
    for own in (0, 1):
        made = set[str]()
        for number, pair in enumerate(stages):
            names = {piece_name(name, chip) for name in made for chip in (0, 1)} | made
            if number and (unknown := [name for name in pair[own].taken if name not in names]):
                raise LithifyError(f"A later part takes '{unknown[0]}' from the host; share the network out otherwise.")
            made |= set(pair[own].made)
    outputs = stages[-1][0].placed.program.outputs
    missing = [name for name in sharding.graph.outputs if name not in outputs or not sharding.layouts[name].whole]
    if missing:
        raise LithifyError(f"The last part has to make all of '{missing[0]}' on every chip; share it out otherwise.")


def _coming(stage: _Stage, own: int) -> int:
    """Pieces that the other node sends for a stage."""
    return sum(name.endswith(piece_name("", 1 - own)) for name in stage.taken)


def _hand_on(nodes: Sequence[Node], stages: Sequence[Sequence[_Stage]], number: int, own: int) -> None:
    """What a stage made goes to the later stages that take it: here by a copy, there by a message.

    A message goes with the orders of the stage before the one that takes it, for it to be awaited in its turn.
    """
    for later in range(number + 1, len(stages)):
        here = stages[later][own]
        for name, source in stages[number][own].made.items():
            place = stages[number][own].outputs + source.offset
            for taken in (name, piece_name(name, own)):
                if taken in here.taken:
                    target = here.taken[taken]
                    chip = here.placed.program.chip
                    nodes[own].copy(chip, place, here.inputs + target.offset, same_place(source, target))
    for earlier in range(number + 1):
        if number + 1 == len(stages):
            return
        there = stages[number + 1][1 - own]
        for name, source in stages[earlier][own].made.items():
            taken = piece_name(name, own)
            if taken in there.taken:
                target = there.taken[taken]
                place = stages[earlier][own].outputs + source.offset
                nodes[own].send(place, there.inputs + target.offset, same_place(source, target))
