"""Where the cycles of an inference go, layer by layer and unit by unit, what limits each layer, and what would help."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lithify.chip import Chip
from lithify.isa import Queue
from lithify.isa.addresses import result_count
from lithify.isa.program import Base, ChipSegment
from lithify.isa.sequence import instruction_layers
from lithify.profile.energy import SOURCE, Energy, inference_energy
from lithify.profile.explain import why
from lithify.profile.roofline import Roofline, roofline
from lithify.profile.scratchpad import KINDS, Use, scratchpad_use
from lithify.profile.traffic import WEIGHTS as WEIGHT_TRAFFIC
from lithify.profile.traffic import Moved, Traffic, by_kind, by_tensor, moves
from lithify.profile.what_if import Change, Helped, changes, helped
from lithify.program import Program
from lithify.progress import Progress, Silent, Stages
from lithify.sim.cost import SPENT, TRANSFERS, LayerCost
from lithify.sim.inference import SegmentRun, Simulation, costs, moved_by, run_segments, spent_cycles

STRETCHES = 240
"""Points of the curves over time."""

FOR_WEIGHTS, FOR_INPUT, FOR_ACTIVATIONS = "weights", "input", "activations"
FOR_STORES, FOR_PROGRAM = "stores", "instructions"
WAITED = (FOR_WEIGHTS, FOR_INPUT, FOR_ACTIVATIONS, FOR_STORES, FOR_PROGRAM)
"""What the cycles of `transfers` were spent waiting for: weights from DRAM; the network's input, or what the host made;
activations that had left the chip; a store to finish; the instruction itself: its fetch, its place in a queue, its
start.
"""

UNITS = ("array", "post", "dma")


@dataclass(frozen=True)
class LayerProfile:
    """A layer: its cost, and more. waited: `transfers` by WAITED. busy: cycles in which a unit works, by UNITS: the
    array takes a word, post-processing makes results, the memory port moves bytes (of any layer) meanwhile.
    weight_bytes, activation_bytes: DRAM traffic of its loads, whenever they ran, and stores. why: a few sentences.
    useful: share of the multipliers that make a product of the network, in the cycles in which the array takes a word.
    helped: the layer's cycles under each change of `Profile.helped`.
    """

    cost: LayerCost
    waited: Mapping[str, int]
    busy: Mapping[str, int]
    weight_bytes: int
    activation_bytes: int
    why: str
    useful: float
    helped: Mapping[str, int]

    @property
    def lost(self) -> int:
        """Cycles beyond those that the layer's multiplications need if every multiplier works."""
        return round(self.cost.cycles * (1 - self.cost.utilisation))

    def to_json(self) -> dict[str, Any]:
        """The layer as JSON values."""
        cost = asdict(self.cost)
        del cost["dram_bytes"]  # of the instructions in its stretch; here its weights count wherever they are loaded
        own = {name: value for name, value in asdict(self).items() if name != "cost"}
        return {**cost, "dram_bytes": self.weight_bytes + self.activation_bytes, "lost": self.lost, **own}


@dataclass(frozen=True)
class Curves:
    """Over time, in stretches of equal length. cycle: the first of each; weights, activations: scratchpad bytes in use,
    where they are most; dram: share of the memory port's bytes that move, from 0 to 1.
    """

    cycle: tuple[int, ...]
    weights: tuple[int, ...]
    activations: tuple[int, ...]
    dram: tuple[float, ...]


@dataclass(frozen=True)
class Profile:
    """What `lithify profile` found of one inference. layers: in the order of the program; traffic: largest first."""

    simulation: Simulation
    array_cycles: int
    roofline: Roofline
    energy: Energy
    layers: tuple[LayerProfile, ...]
    traffic: tuple[Traffic, ...]
    curves: Curves
    helped: tuple[Helped, ...]
    host_nodes: tuple[str, ...]

    @property
    def cycles(self) -> int:
        """Cycles of the inference on the chip."""
        return self.simulation.cycles

    def spent(self) -> dict[str, int]:
        """Cycles of all layers by SPENT."""
        return {name: sum(layer.cost.spent[name] for layer in self.layers) for name in SPENT}

    def waited(self) -> dict[str, int]:
        """The cycles of `transfers` by WAITED."""
        return {name: sum(layer.waited[name] for layer in self.layers) for name in WAITED}

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON values."""
        found = self.simulation
        totals = found.to_json()
        del totals["layers"]
        return {
            **totals,
            "clock_hz": found.chip.clock_hz,
            "multipliers": found.chip.multipliers,
            "scratchpad_bytes": found.chip.scratchpad_bytes,
            "dram_bytes_per_cycle": found.chip.dram_bytes_per_cycle,
            "macs": found.macs,
            "array_cycles": self.array_cycles,
            "roofline": self.roofline.to_json(),
            "energy_uj": self.energy.to_json(),
            "spent": self.spent(),
            "waited": self.waited(),
            "what_helps": [change.to_json() for change in self.helped],
            "layers": [layer.to_json() for layer in self.layers],
            "traffic": [asdict(row) for row in self.traffic],
            "traffic_by_kind": dict(by_kind(self.traffic)),
            "curves": asdict(self.curves),
            "host_nodes": list(self.host_nodes),
            "obtained": {
                "cycles": "timing simulator, which is exactly the RTL's count",
                "dram_bytes": "timing simulator: every beat of the bus, instructions included",
                "roofline": self.roofline.obtained,
                "energy_uj": SOURCE,
                "what_helps": "timing simulator on the same program, where a method does not say otherwise",
            },
        }

    def _repr_html_(self) -> str:
        """The page of this profile, for a notebook."""
        from lithify.profile.page import embedded

        return embedded(self)


def profile_program(
    program: Program, progress: Progress | None = None, runs: Sequence[SegmentRun] | None = None
) -> Profile:
    """Simulates the timing of one inference and of each change that could help, and shares out cycles and bytes.

    runs: what `run_segments` found, where that is known already.
    """
    chip = program.chip
    tried = changes(chip)
    stage = Stages(progress or Silent(), 2 + len(tried))
    with stage("simulate the timing"):
        runs = run_segments(program) if runs is None else runs
        found = costs(program, runs)
    with stage("follow the memory"):
        segments = [segment for segment in program.segments if isinstance(segment, ChipSegment)]
        uses = [_use(chip, run) for run in runs]
        moved = [
            move
            for segment, run, use in zip(segments, runs, uses, strict=True)
            for move in moves(program, segment, run, use)
        ]
    other: dict[str, Simulation] = {}
    for change in tried:
        with stage(f"try {change.name}"):
            other[change.name] = _changed(program, change)
    rows = tuple(helped(found, tried, other))
    fetched = found.dram_bytes - sum(move.bytes for move in moved)
    traffic = by_tensor(moved, fetched)
    array_cycles = sum(run.timing.array_cycles for run in runs)
    return Profile(
        simulation=found,
        array_cycles=array_cycles,
        roofline=roofline(program, found),
        energy=inference_energy(chip, runs, found.dram_bytes),
        layers=tuple(_layers(program, runs, found, moved, rows, other)),
        traffic=traffic,
        curves=_curves(chip, runs, uses),
        helped=rows,
        host_nodes=program.host_nodes,
    )


def _changed(program: Program, change: Change) -> Simulation:
    return costs(program, run_segments(program, change.chip, change.latency), change.chip)


def _use(chip: Chip, run: SegmentRun) -> Use:
    """The scratchpad of a segment, with the times at which its instructions started and retired."""
    start, end = [0] * len(run.instructions), [0] * len(run.instructions)
    for queue in Queue:
        own = run.timing.queue == queue
        places = [index - run.first for index in run.indices(queue)]
        times = zip(places, run.timing.start[own].tolist(), run.timing.cycle[own].tolist(), strict=True)
        for place, first, last in times:
            start[place], end[place] = first, last
    return scratchpad_use(chip, run.instructions, start, end)


def _layers(
    program: Program,
    runs: Sequence[SegmentRun],
    found: Simulation,
    moved: Sequence[Moved],
    rows: Sequence[Helped],
    other: Mapping[str, Simulation],
) -> list[LayerProfile]:
    layers = instruction_layers(program)
    chip = program.chip
    waited: dict[str, Counter[str]] = {layer.name: Counter() for layer in found.layers}
    busy: dict[str, Counter[str]] = {layer.name: Counter() for layer in found.layers}
    for run in runs:
        spent = spent_cycles(run)
        causes = _causes(run)
        ends = [issue.feed[1] + 1 for issue in run.issues]
        moved_beats = np.diff(np.interp([0, *ends], *moved_by(run.timing.bursts))).tolist()
        for index, issue, beats in zip(run.indices(Queue.COMPUTE), run.issues, moved_beats, strict=True):
            name = layers.get(index)
            if name not in busy:
                continue
            entry = run.instructions[index - run.first]
            waited[name][causes[index]] += spent[index][TRANSFERS]
            busy[name]["array"] += issue.fires
            busy[name]["post"] += result_count(entry) * chip.word_beats
            busy[name]["dma"] += round(beats * chip.bus_bytes / chip.dram_bytes_per_cycle)
    result = []
    for place, cost in enumerate(found.layers):
        own = [move for move in moved if move.layer == cost.name]
        weights = sum(move.bytes for move in own if move.kind == WEIGHT_TRAFFIC)
        wait = {name: waited[cost.name][name] for name in WAITED}
        changed = {row.name: other[row.name].layers[place].cycles for row in rows if row.name in other}
        taken = busy[cost.name]["array"] * chip.multipliers
        useful = cost.macs / taken if taken else 0.0
        result.append(
            LayerProfile(
                cost=cost,
                waited=wait,
                busy={name: busy[cost.name][name] for name in UNITS},
                weight_bytes=weights,
                activation_bytes=sum(move.bytes for move in own) - weights,
                why=why(cost, wait, useful, chip, changed),
                useful=useful,
                helped=changed,
            )
        )
    return result


def _causes(run: SegmentRun) -> dict[int, str]:
    """What each compute instruction waited for last before it started, by WAITED: the token that came in the cycle
    before, else the instruction itself.
    """
    own = run.timing.queue == Queue.COMPUTE
    started = dict(zip(run.indices(Queue.COMPUTE), run.timing.start[own].tolist(), strict=True))
    given: dict[Queue, list[tuple[int, str]]] = {}
    for queue in (Queue.LOAD, Queue.STORE):
        retired = run.timing.cycle[run.timing.queue == queue].tolist()
        given[queue] = []
        for index, cycle in zip(run.indices(queue), retired, strict=True):
            entry = run.instructions[index - run.first]
            if not entry.integer("signal") >> Queue.COMPUTE & 1:
                continue
            kind = FOR_STORES if queue is Queue.STORE else _LOADED.get(Base(entry.integer("base")), FOR_ACTIVATIONS)
            given[queue].append((cycle + 1, kind))
    causes = {}
    taken = dict.fromkeys(given, 0)
    for index, start in started.items():
        causes[index] = FOR_PROGRAM
        wait = run.instructions[index - run.first].integer("wait")
        for queue, tokens in given.items():
            if wait >> queue & 1:
                cycle, kind = tokens[taken[queue]]
                taken[queue] += 1
                if cycle == start:
                    causes[index] = kind
    return causes


_LOADED = {Base.CONSTANTS: FOR_WEIGHTS, Base.INPUTS: FOR_INPUT}


def _curves(chip: Chip, runs: Sequence[SegmentRun], uses: Sequence[Use]) -> Curves:
    total = max(1, sum(run.timing.cycles for run in runs))
    cycle: list[int] = []
    words: list[list[int]] = [[] for _ in KINDS]
    dram: list[float] = []
    before = 0
    for run, use in zip(runs, uses, strict=True):
        count = max(1, round(STRETCHES * run.timing.cycles / total))
        edges, held = use.occupancy.peaks(count, run.timing.cycles)
        beats = np.diff(np.interp([*edges, run.timing.cycles], *moved_by(run.timing.bursts)))
        lengths = np.maximum(np.diff([*edges, run.timing.cycles]), 1)
        dram += np.minimum(beats * chip.bus_bytes / (lengths * chip.dram_bytes_per_cycle), 1).round(4).tolist()
        cycle += [before + edge for edge in edges]
        for kind, values in zip(words, held, strict=True):
            kind += [value * chip.word_bytes for value in values]
        before += run.timing.cycles
    return Curves(tuple(cycle), tuple(words[0]), tuple(words[1]), tuple(dram))
