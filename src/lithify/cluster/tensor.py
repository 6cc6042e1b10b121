"""Tensor parallelism: every layer's work on all chips at once, what they need of each other exchanged between parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
from numpy.typing import NDArray

from lithify.cluster.description import Cluster
from lithify.cluster.exchange import bytes_of_tensor, exchange_steps
from lithify.cluster.parallel import WINDOW, Plan, Whole, whole_of
from lithify.cluster.port import held_up, room
from lithify.cluster.schedule import Phase, Step
from lithify.cluster.search import choose
from lithify.cluster.sharding import Arrays, Sharding, made_name, shard
from lithify.errors import LithifyError
from lithify.isa.operations import Queue
from lithify.isa.sequence import all_instructions, instruction_layers
from lithify.reference.graph import Graph
from lithify.runtime import run
from lithify.sim.timing.vector import retirement

if TYPE_CHECKING:
    from lithify.program import Program

SMALL = 1024
"""Bytes of a constant up to which its values may decide what the compiler makes of a node: a table, a zero."""


@dataclass(frozen=True)
class TensorPlan(Plan):
    """A network whose layers are shared out. sharding: its parts; part_cycles: of each part, those of every chip.

    Parts are compiled as networks of their own (`program_of`), when they are run for the first time.
    """

    sharding: Sharding
    part_cycles: tuple[tuple[int, ...], ...]
    loaded: int
    compiled: dict[tuple[int, int], "Program"] = field(default_factory=dict, compare=False, repr=False)

    @property
    def network(self) -> str:
        return self.sharding.graph.name

    @property
    def window(self) -> int:
        return WINDOW

    @property
    def constant_bytes(self) -> int:
        return self.loaded

    def program_of(self, part: int, chip: int) -> "Program":
        """What a chip runs in a part."""
        if (part, chip) not in self.compiled:
            graph = self.sharding.parts[part].graphs[chip]
            self.compiled[part, chip] = program_of(graph, self.cluster)
        return self.compiled[part, chip]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's outputs, part after part, by the functional simulator: the bits of one chip."""

        def work(part: int, chip: int, given: Arrays) -> Arrays:
            program = self.program_of(part, chip)
            return dict(zip(program.outputs, run(program, given).outputs, strict=True))

        made = self.sharding.run(inputs, work)
        return [made[name] for name in self.outputs]

    def requests(self, count: int) -> list[list[Phase]]:
        given, made = self._given(), self._size(self.outputs)
        # What comes for the next request and goes of the last, as if all of it were one chip's.
        held = [held_up(self.cluster.described, given + made, free) for free in self.rooms]
        phases: list[Phase] = [self._host(given)]
        for number, (part, cycles) in enumerate(zip(self.sharding.parts, self.part_cycles, strict=True)):
            exchange = exchange_steps(part.exchanges, self.cluster)
            if exchange:
                phases.append(exchange)
            stands = held if number == 0 else [0] * len(cycles)
            phases.append(tuple(Step(f"chip {chip}", busy + stands[chip]) for chip, busy in enumerate(cycles)))
        phases.append(self._host(made))
        return [phases] * count

    def _given(self) -> int:
        """Bytes of inputs that the host sends: to each chip what it needs."""
        graph, size = self.sharding.graph, 0
        for part in self.sharding.parts:
            for shards in part.graphs:
                size += sum(
                    bytes_of_tensor(shards.tensors[name])
                    for name in shards.inputs
                    if name in graph.inputs or made_name(name) in graph.inputs
                )
        return size

    def _alone(self) -> list[Phase]:
        given = self._size(self.sharding.graph.inputs)
        return self._one(0, given, self.single, self.single_room, self._size(self.outputs))

    def _size(self, names: tuple[str, ...]) -> int:
        tensors = self.sharding.graph.tensors
        return sum(bytes_of_tensor(tensors[name]) for name in names)

    def to_json(self) -> dict[str, Any]:
        """As of any plan, and what is exchanged."""
        steps = [exchange_steps(part.exchanges, self.cluster) for part in self.sharding.parts]
        return {
            **super().to_json(),
            "parts": len(self.sharding.parts),
            "exchanged_bytes": sum(
                move.bytes
                for part in self.sharding.parts
                for exchange in part.exchanges
                for move in exchange.moves
                if move.source != move.target
            ),
            "exchange_cycles": sum(max((step.busy + step.after for step in phase), default=0) for phase in steps),
            "shared_out": self.shared_out(),
        }

    def shared_out(self) -> dict[str, int]:
        """How many products and normalisations are shared out how."""
        found: dict[str, int] = {}
        for node in self.sharding.graph.nodes:
            way = self.sharding.ways[node.name]
            if node.operator not in ("Gemm", "Conv", "MatMul", "ConvTranspose"):
                continue
            rank = len(self.sharding.graph.tensors[node.outputs[0]].shape)
            channels = way.output.axis == (1 if rank == 4 else rank - 1)
            heads = node.operator == "MatMul" and way.output.axis == 0
            how = "whole" if way.output.whole else "heads" if heads else "output channels" if channels else "rows"
            found[how] = found.get(how, 0) + 1
        return found


def tensor_parallel(
    model: ir.Model, cluster: Cluster, whole: Whole | None = None, channels_alone: bool = False
) -> TensorPlan:
    """Every chip does its share of each layer: of its output channels, its heads or its rows, whichever, exchanges
    counted, is done first.

    model: quantised. whole: the same on one chip, where that is known. channels_alone: products with weights never
    along rows, so that each weight is on one chip.
    Raises LithifyError for a network with states, and as `lithify.compile`.
    """
    from lithify.compiler.fold import fold_constants
    from lithify.quantize import read
    from lithify.quantize.states import states_of

    if states_of(model):
        raise LithifyError(
            f"The network keeps states between runs ({', '.join(states_of(model))}), which lie on one chip; take data "
            "parallelism, or leave the states out."
        )
    one = whole or whole_of(model, cluster)
    single = one.simulation
    graph = fold_constants(read(model))
    cycles = {layer.name: layer.cycles for layer in single.layers}
    for name, busy in vector_cycles(one.program).items():
        # Beside the array it may cost one chip nothing; whether it does in parts nobody knows yet.
        cycles[name] = max(cycles.get(name, 0), busy)
    sharding = shard(graph, cluster.chips, choose(graph, cluster, cycles, channels_alone))
    known: dict[Any, tuple[int, int, int]] = {}

    def counted(shards: Graph) -> tuple[int, int, int]:
        """Cycles, the room for links beside them, and bytes that are loaded."""
        key = _likeness(shards)
        if key not in known:
            program = program_of(shards, cluster)
            run = program.simulate()
            known[key] = run.cycles, room(run), len(program.constants) + len(program.instructions)
        return known[key]

    found = [[counted(shards) for shards in part.graphs] for part in sharding.parts]
    return TensorPlan(
        cluster,
        "tensor",
        (),
        tuple(sum(part[chip][0] for part in found) for chip in range(cluster.chips)),
        tuple(sum(part[chip][1] for part in found) for chip in range(cluster.chips)),
        (),
        single.cycles,
        room(single),
        cluster.chips,
        one.program.outputs,
        sharding,
        tuple(tuple(cycles for cycles, _, _ in part) for part in found),
        sum(size for part in found for _, _, size in part),
    )


def vector_cycles(program: "Program") -> dict[str, int]:
    """How long the vector unit works for each layer."""
    found: dict[str, int] = {}
    entries = all_instructions(program)
    for index, name in instruction_layers(program).items():
        if entries[index].operation.queue is Queue.VECTOR:
            found[name] = found.get(name, 0) + retirement(entries[index])
    return found


def program_of(graph: Graph, cluster: Cluster) -> "Program":
    """The program of a chip's graph."""
    from lithify.compiler.compile import compile_with_reasons
    from lithify.program import from_compiled

    compiled = compile_with_reasons(graph, cluster.described)
    return from_compiled(compiled.program, graph, compiled.reasons)


def _likeness(graph: Graph) -> Any:
    """What graphs have in common that take the same cycles: everything but the values of large constants, and their
    scales; no cycle depends on data.
    """
    tensors = tuple(
        (name, entry.shape, entry.dtype, entry.zero_point, None if entry.scale is None else entry.scale.tobytes())
        if name not in graph.constants
        else (name, entry.shape, entry.dtype)
        for name, entry in graph.tensors.items()
    )
    constants = tuple(
        (name, data.tobytes() if data.nbytes <= SMALL and data.dtype.name == "int8" else b"")
        for name, data in graph.constants.items()
    )
    nodes = tuple(
        (node.operator, node.inputs, node.outputs, repr(sorted(node.attributes.items()))) for node in graph.nodes
    )
    return graph.inputs, graph.outputs, tensors, constants, nodes
