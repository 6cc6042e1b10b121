"""Cycles of a program, and what each layer spends them on: from the timing simulator."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.chip.pipeline import DRAM_LATENCY
from lithify.isa.conditions import skip_of
from lithify.isa.encoding import Instruction
from lithify.isa.layout import dram_layout
from lithify.isa.lists import list_bytes
from lithify.isa.operations import Queue
from lithify.isa.program import ChipSegment, Layer, Program
from lithify.isa.sequence import all_instructions, first_instruction, instruction_layers, segment_instructions
from lithify.sim.cost import ARRAY, DRAIN, POST, RESULTS, SPENT, TRANSFERS, VECTOR, WEIGHTS, LayerCost
from lithify.sim.timing import Timing
from lithify.sim.timing import simulate as simulate_segment
from lithify.sim.timing.compute import ComputeTiming, Issue


@dataclass(frozen=True)
class Simulation:
    """The timing of one inference. segments: one per chip segment, in the order of execution; layers: in the program's
    order.

    dram_bytes: bytes of all bus beats, instructions included.
    """

    program: str
    chip: Chip
    macs: int
    cycles: int
    dram_bytes: int
    segments: tuple[Timing, ...]
    layers: tuple[LayerCost, ...]

    @property
    def milliseconds(self) -> float:
        """At the clock of the chip's description."""
        return self.cycles / self.chip.clock_hz * 1000

    @property
    def mac_utilisation(self) -> float:
        """Multiply-accumulates that the model asks of the chip, over those that its array could do in these cycles."""
        return self.macs / (self.cycles * self.chip.multipliers) if self.cycles else 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every retirement: `queue` (4: END), `cycle` within its segment, `segment`."""
        numbers = [np.full(len(timing.queue), index, np.int32) for index, timing in enumerate(self.segments)]
        empty = np.empty(0, np.int64)
        return {
            "queue": np.concatenate([empty, *(timing.queue for timing in self.segments)]),
            "cycle": np.concatenate([empty, *(timing.cycle for timing in self.segments)]),
            "segment": np.concatenate([empty, *numbers]),
        }

    def to_json(self) -> dict[str, Any]:
        """The totals and the layers as JSON values."""
        return {
            "program": self.program,
            "chip": self.chip.name,
            "cycles": self.cycles,
            "latency_ms": self.milliseconds,
            "mac_utilisation": self.mac_utilisation,
            "dram_bytes": self.dram_bytes,
            "layers": [asdict(layer) for layer in self.layers],
        }


def simulate(program: Program, samples: int | None = None, position: int | None = None) -> Simulation:
    """The cycles of one inference, segment by segment, and their share among the layers.

    samples: of a batch, as many as a run is given; None: all. position: rows of the caches that are there before the
    run; None: as many as leave room for those that it adds.
    """
    skip = 0 if samples is None else skip_of(samples, program.batch)
    rows = None if position is None or program.cache is None else position + program.cache.added
    return costs(program, run_segments(program, skip=skip, rows=rows))


@dataclass(frozen=True)
class SegmentRun:
    """A chip segment in time. first: index of its first instruction in the program's list; issues: what became of each
    compute instruction that was not passed over, in order; skip: the register SKIP.
    """

    first: int
    instructions: tuple[Instruction, ...]
    timing: Timing
    issues: tuple[Issue, ...]
    skip: int = 0

    def indices(self, queue: Queue) -> list[int]:
        """The instructions of a queue, in order, as indices of the program's list."""
        return [self.first + at for at, entry in enumerate(self.instructions) if entry.operation.queue is queue]

    def passed_over(self, index: int) -> bool:
        """Whether an instruction, by its index in the program's list, was passed over."""
        return bool((self.skip & ~1) >> self.instructions[index - self.first].integer("when") & 1)


def run_segments(
    program: Program,
    chip: Chip | None = None,
    latency: int = DRAM_LATENCY,
    ran: Callable[[int], None] | None = None,
    skip: int = 0,
    rows: int | None = None,
) -> tuple[SegmentRun, ...]:
    """The chip segments in the order of execution.

    chip: in place of the program's, a chip on which its instructions mean the same (other bandwidth, lanes or queues).
    ran: is told, after each segment, how many are done. skip: the register SKIP. rows: of the caches, after the run;
    None: all.
    """
    runs = []
    for segment in (segment.serving(rows) for segment in program.segments if isinstance(segment, ChipSegment)):
        bases = {int(base): address for base, address in dram_layout(program, segment).bases.items()}
        instructions = segment_instructions(program, segment)
        unit = _Recorder(chip or program.chip)
        timing = simulate_segment(
            chip or program.chip, instructions, segment.size, bases, unit, latency=latency, skip=skip
        )
        runs.append(SegmentRun(first_instruction(program, segment), instructions, timing, tuple(unit.issues), skip))
        if ran:
            ran(len(runs))
    return tuple(runs)


def costs(program: Program, runs: Sequence[SegmentRun], chip: Chip | None = None) -> Simulation:
    """What `run_segments` found, shared among the layers. chip: the one it was run for, as there."""
    chip = chip or program.chip
    timings = tuple(run.timing for run in runs)
    spent: dict[int, Counter[str]] = {}
    for run in runs:
        spent.update(spent_cycles(run))
    numbers: dict[str, list[int]] = {}
    ran = {index for run in runs for index in range(run.first, run.first + len(run.instructions))}
    for index, name in instruction_layers(program).items():
        if index in ran:
            numbers.setdefault(name, []).append(index)
    over = {index for run in runs for index in run.indices(Queue.LOAD) + run.indices(Queue.COMPUTE)
            + run.indices(Queue.STORE) + run.indices(Queue.VECTOR) if run.passed_over(index)}  # fmt: skip
    samples = max((run_samples(program, run.skip) for run in runs), default=program.batch)
    instructions = all_instructions(program)
    layers = tuple(
        _cost(
            instructions,
            chip,
            replace(layer, macs=layer.macs * samples // program.batch),
            [index for index in numbers.get(layer.name, []) if index not in over],
            spent,
        )
        for layer in program.layers
    )
    cycles = sum(timing.cycles for timing in timings)
    beats = sum(timing.read_beats + timing.write_beats for timing in timings)
    macs = sum(layer.macs for layer in layers)
    return Simulation(program.name, chip, macs, cycles, beats * chip.bus_bytes, timings, layers)


def run_samples(program: Program, skip: int) -> int:
    """How many samples a launch with this register SKIP works on."""
    return max(samples for samples in range(1, program.batch + 1) if skip_of(samples, program.batch) == skip)


class _Recorder(ComputeTiming):
    """The compute unit, remembering what became of each instruction."""

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self.issues: list[Issue] = []

    def issue(self, instruction: Instruction, cycle: int) -> Issue:
        """As the compute unit's."""
        issue = super().issue(instruction, cycle)
        self.issues.append(issue)
        return issue


def spent_cycles(run: SegmentRun) -> dict[int, Counter[str]]:
    """For each compute instruction, by its index in the program, what its cycles go to: see SPENT.

    The array waits for a vector instruction in those of its cycles in which it has nothing else to do, and which end
    after that has retired: they are the vector instruction's.
    """
    indices = [index for index in run.indices(Queue.COMPUTE) if not run.passed_over(index)]
    parts: dict[int, Counter[str]] = {}
    own = run.timing.queue == Queue.VECTOR
    times = zip(run.timing.start[own].tolist(), run.timing.cycle[own].tolist(), strict=True)
    vector = deque(zip(run.indices(Queue.VECTOR), times, strict=True))

    def waited(first: int, before: int, most: int) -> int:
        """Cycles of vector instructions between two, up to so many, shared among these."""
        found = 0
        while vector and vector[0][1][1] < before:
            index, (start, retired) = vector.popleft()
            cycles = min(max(0, retired + 1 - max(start, first)), most - found)
            parts[index] = Counter({VECTOR: cycles})
            found += cycles
        return found

    end = -1
    for index, issue in zip(indices, run.issues, strict=True):
        begin, last = issue.feed
        waits = issue.waits
        fed = last - begin + 1 - waits.weights - waits.accumulators
        idle = begin - 1 - end - waits.post - waits.serial
        idle -= waited(end + 1, begin, idle)
        parts[index] = Counter(
            {
                ARRAY: fed,
                WEIGHTS: waits.weights,
                POST: waits.accumulators + waits.post,
                RESULTS: waits.serial,
                TRANSFERS: idle,
            }
        )
        end = last
    if indices:
        idle = run.timing.cycles - 1 - end
        parts[indices[-1]][DRAIN] = idle - waited(end + 1, run.timing.cycles, idle)
    else:
        waited(0, run.timing.cycles, run.timing.cycles)
    return parts


def _cost(
    instructions: Sequence[Instruction],
    chip: Chip,
    layer: Layer,
    numbers: Sequence[int],
    spent: Mapping[int, Counter[str]],
) -> LayerCost:
    """instructions: all of the program; numbers: those that work for the layer."""
    total: Counter[str] = sum((spent[index] for index in numbers if index in spent), Counter())
    cycles = total.total()
    moved = sum(moved_bytes(chip, instructions[index]) for index in numbers)
    utilisation = layer.macs / (cycles * chip.multipliers) if cycles else 0.0
    limit = max(SPENT, key=lambda name: total[name])
    return LayerCost(
        layer.name, layer.operator, layer.macs, cycles, utilisation, moved, {name: total[name] for name in SPENT}, limit
    )


def moved_bytes(chip: Chip, instruction: Instruction) -> int:
    """Bytes of the bus beats of a LOAD or STORE; bases begin at multiples of the bus's width."""
    value = instruction.integer
    if instruction.operation.queue not in (Queue.LOAD, Queue.STORE):
        return 0
    listed = instruction.operation.name == "LOAD" and bool(value("listed"))
    # Planes that a list places are all cut as at the table's begin.
    step, row, bus = 0 if listed else value("plane_stride"), value("row_stride"), chip.bus_bytes
    first: int | NDArray[np.int64] = value("offset")
    count = value("planes") * value("rows")
    if count > 1 and (step % bus or row % bus):
        plane = np.arange(value("planes"), dtype=np.int64)[:, None] * step
        first, count = first + plane + np.arange(value("rows"), dtype=np.int64)[None, :] * row, 1
    # Else every row begins at the same place of a beat.
    beats = (first + value("row_bytes") - 1) // bus - first // bus + 1
    return int(np.sum(beats)) * count * bus + (list_bytes(chip) if listed else 0)


def moved_by(bursts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Beats that the memory has moved by a cycle, as the corners of a curve; even within a burst."""
    first, last, beats = bursts.T
    after = beats.cumsum()
    corners = np.stack([first, last + 1], axis=1).ravel()
    return np.concatenate([[0], corners]), np.concatenate([[0], np.stack([after - beats, after], axis=1).ravel()])
