"""A network on the chips of a cluster: every chip a whole network (data), or a stage of it (pipeline)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lithify import flow
from lithify.cluster.description import Cluster
from lithify.cluster.port import held_up, room, transfer_cycles
from lithify.cluster.schedule import HOST, Phase, Schedule, Step, schedule
from lithify.cluster.stages import Cut, Stages
from lithify.errors import LithifyError
from lithify.isa.program import TensorInfo
from lithify.runtime import run

if TYPE_CHECKING:
    from lithify.program import Program
    from lithify.sim.inference import Simulation

REQUESTS = 64
"""For each chip, of which the rate is read off."""

WINDOW = 2
"""Requests on their way for each chip: one is computed while the next one's tensors come."""

ROUNDS = 8
"""How often the cuts are moved after a stage was counted."""


@dataclass(frozen=True)
class Plan:
    """A network on a cluster. parallelism: "data" (programs: the one that every chip runs) or "pipeline" (programs: one
    for each chip, in order); of others see `tensor.py` and `task.py`. cycles: of each program by itself; rooms: bytes
    that links move beside it (`port.room`). crossing: bytes behind each stage but the last. single, single_room: of one
    chip that runs the whole network; chips: how many work.
    """

    cluster: Cluster
    parallelism: Literal["data", "pipeline", "tensor", "task"]
    programs: tuple["Program", ...]
    cycles: tuple[int, ...]
    rooms: tuple[int, ...]
    crossing: tuple[int, ...]
    single: int
    single_room: int
    chips: int
    outputs: tuple[str, ...]
    timing: Schedule = field(init=False)

    def __post_init__(self) -> None:
        timing = schedule(self.requests(REQUESTS * self.chips), self.window)
        object.__setattr__(self, "timing", timing)

    @property
    def network(self) -> str:
        """Its name; stages have it with their number."""
        name = self.programs[0].name
        return name.rsplit("_", 1)[0] if self.parallelism == "pipeline" else name

    @property
    def window(self) -> int:
        """Requests that are on their way at once."""
        return WINDOW * self.chips

    @property
    def period(self) -> Fraction:
        """Cycles from answer to answer."""
        return self.rated(self.timing)

    @property
    def latency(self) -> int:
        """Cycles from request to answer of one that is alone on the cluster."""
        return schedule(self.requests(1)[:1]).latency

    def rated(self, timing: Schedule) -> Fraction:
        """Cycles from answer to answer of a run."""
        return timing.period

    @property
    def speed_up(self) -> float:
        """Throughput over that of one chip alone, its host's link counted as here."""
        return float(self.rated(self._timing_of_one) / self.period)

    @property
    def latency_speed_up(self) -> float:
        """Latency of one chip alone over that of a request that nothing holds up, the host's link in both."""
        return schedule(self._requests_of_one[:1]).latency / self.latency

    @property
    def constant_bytes(self) -> int:
        """Of weights and instructions that the host loads before the first request, over all chips."""
        loaded = sum(len(program.constants) + len(program.instructions) for program in self.programs)
        return loaded * (self.chips if self.parallelism == "data" else 1)

    @property
    def _timing_of_one(self) -> Schedule:
        requests = self._requests_of_one
        return schedule(requests * (REQUESTS // len(requests) + 1), WINDOW)

    @property
    def _requests_of_one(self) -> list[list[Phase]]:
        """What one chip alone is given, again and again."""
        return [self._alone()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The network's outputs, stage after stage, by the functional simulator: the bits of one chip."""
        if self.parallelism == "data":
            return list(run(self.programs[0], inputs).outputs)
        known = dict(inputs)
        for program in self.programs:
            made = run(program, {name: known[name] for name in program.inputs}).outputs
            known.update(zip(program.outputs, made, strict=True))
        return [known[name] for name in self.outputs]

    def requests(self, count: int) -> list[list[Phase]]:
        """What so many requests need, one after the other."""
        if self.parallelism == "data":
            return [self._whole(index % self.chips) for index in range(count)]
        return [self._staged()] * count

    def _alone(self) -> list[Phase]:
        first, last = self.programs[0], self.programs[-1]
        given, made = bytes_of(first, first.inputs), bytes_of(last, self.outputs)
        return self._one(0, given, self.single, self.single_room, made)

    def _whole(self, chip: int) -> list[Phase]:
        return self._on(chip, 0)

    def _on(self, chip: int, number: int) -> list[Phase]:
        """A whole network, the program of this number, on a chip."""
        program = self.programs[number]
        given, made = bytes_of(program, program.inputs), bytes_of(program, program.outputs)
        return self._one(chip, given, self.cycles[number], self.rooms[number], made)

    def _one(self, chip: int, given: int, cycles: int, free: int, made: int) -> list[Phase]:
        busy = cycles + held_up(self.cluster.described, given + made, free)
        return [self._host(given), Step(f"chip {chip}", busy), self._host(made)]

    def _staged(self) -> list[Phase]:
        sizes = [
            bytes_of(self.programs[0], self.programs[0].inputs),
            *self.crossing,
            bytes_of(self.programs[-1], self.outputs),
        ]
        steps: list[Phase] = [self._host(sizes[0])]
        for number, cycles in enumerate(self.cycles):
            held = held_up(self.cluster.described, sizes[number] + sizes[number + 1], self.rooms[number])
            steps.append(Step(f"chip {number}", cycles + held))
            if number < len(self.crossing):
                steps += self._across(number, self.crossing[number])
        return [*steps, self._host(sizes[-1])]

    def _across(self, number: int, size: int) -> list[Phase]:
        cluster = self.cluster
        if cluster.topology == "host":
            return [self._host(size), self._host(size)]
        return [self._moved(f"link {number} to {number + 1}", size, cluster.link_bytes_per_cycle, cluster.link_latency)]

    def _host(self, size: int) -> Step:
        return self._moved(HOST, size, self.cluster.host_bytes_per_cycle, self.cluster.host_latency)

    def _moved(self, link: str, size: int, rate: int, latency: int) -> Step:
        """A tensor over a link; it is there when the memory at its end, which may be slower, has it."""
        busy = -(-size // rate)
        return Step(link, busy, latency + max(0, transfer_cycles(self.cluster.described, size) - busy))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        timing = self.timing
        return {
            "network": self.network,
            "chip": self.cluster.chip_name,
            "chips": self.chips,
            "parallelism": self.parallelism,
            "topology": self.cluster.topology,
            "cycles_of_one": self.single,
            "stage_cycles": list(self.cycles),
            "crossing_bytes": list(self.crossing),
            "room_bytes": list(self.rooms),
            "period_cycles": float(self.period),
            "latency_cycles": self.latency,
            "speed_up": round(self.speed_up, 3),
            "latency_speed_up": round(self.latency_speed_up, 3),
            "limit": timing.limit,
            "busy": {name: round(cycles / timing.cycles, 4) for name, cycles in sorted(timing.busy.items())},
        }


@dataclass(frozen=True)
class Whole:
    """A network, or a stage of one, on one chip."""

    program: "Program"
    simulation: "Simulation"


def whole_of(model: ir.Model, cluster: Cluster) -> Whole:
    """The network on one of the cluster's chips; LithifyError as `lithify.compile`."""
    program = flow.compile(model, cluster.described)
    return Whole(program, program.simulate())


def data_parallel(model: ir.Model, cluster: Cluster, whole: Whole | None = None) -> Plan:
    """Every chip runs the whole network, on requests of its own.

    model: quantised. whole: the same on one chip, where that is known. Raises LithifyError as `lithify.compile`.
    """
    one = whole or whole_of(model, cluster)
    cycles, free = one.simulation.cycles, room(one.simulation)
    outputs = one.program.outputs
    return Plan(cluster, "data", (one.program,), (cycles,), (free,), (), cycles, free, cluster.chips, outputs)


def pipeline(model: ir.Model, cluster: Cluster, whole: Whole | None = None) -> Plan:
    """Each chip runs a stage of the network. Cuts begin where the layers' cycles are shared evenly, and are moved as
    long as the longest stage, counted exactly and with what links move beside it, becomes shorter.

    model: quantised. whole: the same on one chip, where that is known.
    Raises LithifyError where the network cannot be cut into so many stages, and as `lithify.compile`.
    """
    one = whole or whole_of(model, cluster)
    single = one.simulation
    stages = Stages(model)
    cuts = stages.cuts
    if len(cuts) < cluster.chips - 1:
        raise LithifyError(
            f"The network can be cut in {len(cuts)} places, so into at most {len(cuts) + 1} stages, and the cluster "
            f"has {cluster.chips} chips; name fewer chips, or take data parallelism."
        )
    known: dict[tuple[int, int], Whole] = {}

    def counted(first: int, end: int) -> Whole:
        """The stage between two cuts, by their indices (-1: the beginning; len(cuts): the end)."""
        if (first, end) not in known:
            chosen = [cuts[index] for index in (first, end) if 0 <= index < len(cuts)]
            made = stages.models(chosen)[1 if first >= 0 else 0]
            known[first, end] = whole_of(made, cluster)
        return known[first, end]

    def busy(first: int, end: int) -> int:
        """Its cycles, with those in which what comes and goes beside it holds it up."""
        stage = counted(first, end)
        given = cuts[first].bytes if first >= 0 else bytes_of(stage.program, stage.program.inputs)
        made = cuts[end].bytes if end < len(cuts) else bytes_of(stage.program, one.program.outputs)
        return stage.simulation.cycles + held_up(cluster.described, given + made, room(stage.simulation))

    estimate = _before(stages, cuts, {layer.name: layer.cycles for layer in single.layers})
    best = _moved(
        _even(estimate, cluster.chips),
        len(cuts),
        lambda places: [busy(first, end) for first, end in _stretches(places, len(cuts))],
    )
    parts = [counted(first, end) for first, end in _stretches(best, len(cuts))]
    return Plan(
        cluster,
        "pipeline",
        tuple(part.program for part in parts),
        tuple(part.simulation.cycles for part in parts),
        tuple(room(part.simulation) for part in parts),
        tuple(cuts[index].bytes for index in best),
        single.cycles,
        room(single),
        cluster.chips,
        one.program.outputs,
    )


def _stretches(places: Sequence[int], count: int) -> list[tuple[int, int]]:
    """From cut to cut: pairs of indices, -1 for the beginning and `count` for the end."""
    return list(zip((-1, *places), (*places, count), strict=True))


def _before(stages: Stages, cuts: Sequence[Cut], cycles: Mapping[str, int]) -> list[int]:
    """Cycles of the layers before each cut, and in all."""
    total, found = 0, dict[int, int]()
    for position, node in enumerate(stages.nodes):
        found[position] = total
        total += cycles.get(node.name, 0)
    return [*(found[cut.position] for cut in cuts), total]


def _even(before: Sequence[int], count: int) -> tuple[int, ...]:
    """Indices of count - 1 cuts whose longest stretch is the shortest that there is, by dynamic programming.

    before: the cycles before each cut, and in all.
    """
    places = len(before) - 1
    # best[end]: the longest stretch of the best way to cut what is before `end`, and its last cut.
    best: list[list[tuple[int, int]]] = [[(cycles, -1) for cycles in before]]
    for stretch in range(1, count):
        row = []
        for end in range(places + 1):
            ways = [
                (max(best[-1][last][0], before[end] - before[last]), last)
                for last in range(stretch - 1, min(end, places))
            ]
            row.append(min(ways, default=(before[-1] + 1, -1)))
        best.append(row)
    chosen, end = list[int](), places
    for row in reversed(best[1:]):
        end = row[end][1]
        chosen.append(end)
    return tuple(reversed(chosen))


def _moved(chosen: tuple[int, ...], count: int, cost: Callable[[Sequence[int]], Sequence[int]]) -> tuple[int, ...]:
    """The cuts after those around the longest stretch were moved into it, one by one, as long as that pays."""
    costs = cost(chosen)
    for _ in range(ROUNDS):
        longest = max(range(len(costs)), key=lambda number: costs[number])
        tries = []
        for index, step in ((longest - 1, 1), (longest, -1)):
            if 0 <= index < len(chosen):
                moved = (*chosen[:index], chosen[index] + step, *chosen[index + 1 :])
                if all(first < end for first, end in _stretches(moved, count)):
                    tries.append((moved, cost(moved)))
        if not tries:
            break
        moved, after = min(tries, key=lambda entry: max(entry[1]))
        if max(after) >= max(costs):
            break
        chosen, costs = moved, after
    return chosen


def bytes_of(program: "Program", names: Sequence[str]) -> int:
    """Of the tensors of a program with these names, as the user gives and gets them."""
    return sum(_size(program.tensors[name]) for name in names)


def _size(info: TensorInfo) -> int:
    return prod(info.shape) * np.dtype(info.dtype).itemsize
