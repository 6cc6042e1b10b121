"""A network on two linked nodes: its requests in their DRAM, the orders, and the answers afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.cluster.linked.node import Node, Placed, same_place
from lithify.errors import LithifyError
from lithify.isa.program import Base, ChipSegment, Placement, Program
from lithify.runtime.execute import check_inputs, run_on_host, value_of
from lithify.runtime.memory import pack, unpack
from lithify.sim.inference import simulate

PATIENCE = 100_000
"""Cycles that a node waits beyond what the others' work takes before it gives up."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """Where the outputs of a request will be. node: on which; address: of its chip's outputs; environment: what the
    host knew before.
    """

    node: int
    placed: Placed
    address: int
    environment: Arrays


@dataclass(frozen=True)
class Work:
    """What two linked nodes are given, and where the answers to the requests come."""

    nodes: tuple[Node, Node]
    answers: tuple[Answer, ...]

    @property
    def size(self) -> int:
        """Bytes of DRAM that each node needs."""
        return max(node.size for node in self.nodes)

    def memories(self) -> list[NDArray[np.uint8]]:
        """The DRAM of each node when the orders start."""
        return [node.memory(self.size) for node in self.nodes]

    def outputs(self, memories: Sequence[NDArray[np.uint8]]) -> list[list[NDArray[Any]]]:
        """Of every request, from the DRAM afterwards: the network's outputs, in its order."""
        found = []
        for answer in self.answers:
            program, segment = answer.placed.program, answer.placed.segment
            known = dict(answer.environment)
            block = memories[answer.node][answer.address :]
            for place in segment.outputs:
                known[place.tensor] = unpack(place, program.tensors[place.tensor].shape, block)
            for after in program.segments[program.segments.index(segment) + 1 :]:
                assert not isinstance(after, ChipSegment)
                known.update(run_on_host(program, after, known))
            found.append([value_of(program, known, name) for name in program.outputs])
        return found


def pipelined(programs: Sequence[Program], requests: Sequence[Arrays]) -> Work:
    """Two stages of a network (`cluster.stages`), each on a node, and requests one behind the other.

    Both work at once, on one request after the next: what crosses goes into one of two places, and a token says that
    its reader is done with it. A node that waits much longer than both stages take gives up. Raises LithifyError for
    stages that cannot be linked so.
    """
    if len(programs) != 2:
        raise LithifyError(f"Two linked nodes take two stages; {len(programs)} were given.")
    nodes = (Node(), Node())
    first, second = (node.place(program) for node, program in zip(nodes, programs, strict=True))
    _check(first.program, second.program)
    patience = PATIENCE + 2 * sum(simulate(placed.program).cycles for placed in (first, second))
    crossing = _crossing(first, second)
    taken = [nodes[0].room(_bytes(first, Base.INPUTS)) for _ in requests]
    made = [nodes[0].room(_bytes(first, Base.OUTPUTS)) for _ in range(2)]
    come = [nodes[1].room(_bytes(second, Base.INPUTS)) for _ in range(2)]
    answers = [nodes[1].room(_bytes(second, Base.OUTPUTS)) for _ in requests]
    found = []
    for number, request in enumerate(requests):
        turn = number % 2
        data, known = request_bytes(first, request)
        nodes[0].write(taken[number], data)
        # The reader of the request before the last is done: its places here and there are free.
        nodes[0].wait(1 if number >= 2 else 0, patience)
        nodes[0].run(first, taken[number], made[turn])
        for source, target in crossing:
            nodes[0].send(made[turn] + source.offset, come[turn] + target.offset, same_place(source, target))
        nodes[1].wait(len(crossing), patience)
        nodes[1].run(second, come[turn], answers[number])
        if number + 2 < len(requests):
            nodes[1].send(0, 0, 0)
        found.append(Answer(1, second, answers[number], known))
    for node in nodes:
        node.stop()
    return Work(nodes, tuple(found))


def _check(first: Program, second: Program) -> None:
    """Nothing for the host to do between the stages, and nothing that the user wants of the first."""
    between = [*host_segments(first)[1], *host_segments(second)[0]]
    if between:
        raise LithifyError(
            f"Between the stages the host would have to run '{between[0].name}'; cut the network where int8 tensors "
            "cross from chip to chip."
        )


def host_segments(program: Program) -> tuple[list[Any], list[Any]]:
    """The segments of the host before and behind the chip's."""
    chips = [index for index, segment in enumerate(program.segments) if isinstance(segment, ChipSegment)]
    return list(program.segments[: chips[0]]), list(program.segments[chips[-1] + 1 :])


def _crossing(first: Placed, second: Placed) -> list[tuple[Placement, Placement]]:
    """For each tensor that the second program takes: where the first leaves it, and where it is to be."""
    left = {place.tensor: place for place in first.segment.outputs}
    missing = [
        place.tensor for place in second.segment.inputs if place.base is Base.INPUTS and place.tensor not in left
    ]
    if missing:
        raise LithifyError(f"The second stage takes '{missing[0]}', which the first does not make; cut elsewhere.")
    return [(left[place.tensor], place) for place in second.segment.inputs if place.base is Base.INPUTS]


def _bytes(placed: Placed, base: Base) -> int:
    return placed.program.base_bytes.get(base, 0)


def request_bytes(placed: Placed, request: Arrays) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """A request as the chip takes it, behind Base.INPUTS; and what the host knows."""
    program = placed.program
    known: dict[str, NDArray[Any]] = dict(check_inputs(program, request))
    for segment in host_segments(program)[0]:
        known.update(run_on_host(program, segment, known))
    block = np.zeros(_bytes(placed, Base.INPUTS), np.uint8)
    for place in placed.segment.inputs:
        if place.base is Base.INPUTS:
            pack(value_of(program, known, place.tensor), place, block)
    return block.tobytes(), known
