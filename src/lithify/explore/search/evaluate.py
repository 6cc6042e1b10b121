"""One chip judged: what it takes, and what networks take on it. Cycles are exact, area and energy are modelled."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lithify.chip import Chip
from lithify.chip.area import area
from lithify.chip.gates import gate_count
from lithify.errors import LithifyError
from lithify.explore.search.workload import Workload

if TYPE_CHECKING:
    from lithify.compiler.compile import Listener
    from lithify.explore.search.settle import Rivals
    from lithify.program import Program

NUMBERS = ("mm2", "latency", "joules")
"""What is made small: the axes of the front."""

TITLES = {"mm2": ("area", "mm2"), "latency": ("latency", "s"), "joules": ("energy", "J")}


@dataclass(frozen=True)
class Ran:
    """A network on a chip, one inference. cycles: exact. host_seconds: what stays on the host takes, measured.
    joules: modelled. spent: the cycles by what they go to (`lithify.sim.cost.SPENT`); limit: the most of them.
    """

    network: str
    cycles: int
    latency: float
    joules: float
    dram_bytes: int
    utilisation: float
    limit: str
    host: tuple[str, ...] = ()
    host_seconds: float = 0.0
    spent: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """A chip and what came of it. values: of the parameters it was made from. runs: one a network; empty where it was
    not compiled. error: why a network does not go on it. bound: latency and joules are the least possible; it was not
    compiled, or not to the end, for the reason given.
    """

    number: int
    values: Mapping[str, int]
    chip: Chip
    gates: int
    mm2: float
    latency: float
    joules: float
    runs: tuple[Ran, ...] = ()
    error: str = ""
    bound: str = ""

    @property
    def compiled(self) -> bool:
        """Whether all its figures are those of programs."""
        return not self.error and not self.bound

    @property
    def numbers(self) -> tuple[float, float, float]:
        """The figures of NUMBERS."""
        return self.mm2, self.latency, self.joules

    def short_json(self) -> dict[str, Any]:
        """What came of it as JSON values: its parameters and figures, and why it was not compiled to the end."""
        numbers = {"mm2": self.mm2, "latency_s": self.latency, "energy_j": self.joules}
        return {"number": self.number, "values": dict(self.values), **numbers, "error": self.error, "bound": self.bound}

    def to_json(self) -> dict[str, Any]:
        """The point as JSON values; the chip as its description has it."""
        return {
            "number": self.number,
            "values": dict(self.values),
            "chip": self.chip.model_dump(mode="json", by_alias=True),
            "gates": self.gates,
            "mm2": self.mm2,
            "latency_s": self.latency,
            "energy_j": self.joules,
            "networks": [asdict(run) | {"host": list(run.host)} for run in self.runs],
            "error": self.error,
            "bound": self.bound,
        }


def bounded(number: int, values: Mapping[str, int], chip: Chip, workloads: Sequence[Workload], why: str) -> Point:
    """A point that is not compiled: its area, and the roofline's figures."""
    latency, joules = (sum(figures) for figures in zip(*(roof(work, chip) for work in workloads), strict=True))
    return Point(number, values, chip, gate_count(chip), area(chip).mm2, latency, joules, bound=why)


def roof(work: Workload, chip: Chip) -> tuple[float, float]:
    """Seconds and joules that no schedule can beat: each byte and each multiply-accumulate once."""
    from lithify.profile.energy import energy

    cycles = max(work.macs / chip.multipliers, work.bytes / chip.dram_bytes_per_cycle)
    return cycles / chip.clock_hz, energy(chip, cycles, work.macs // chip.multipliers, 0, work.bytes).total / 1e6


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles of garbage: a program of a small chip is a million objects and more, none of them
    garbage, through which it would go again and again, a third of the time of a point.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@_uncollected()
def evaluate(
    number: int,
    values: Mapping[str, int],
    chip: Chip,
    workloads: Sequence[Workload],
    host_seconds: Mapping[tuple[str, ...], float],
    rivals: "Rivals | None" = None,
) -> Point:
    """Compiles every network for a chip and counts its cycles.

    host_seconds: what is known already of operators on the host; what is not is measured here. rivals: points that make
    it not worth while to go on, once it is sure that they are better.
    """
    from lithify.explore.search.settle import Settled, Watcher

    found = bounded(number, values, chip, workloads, "")
    figures = {work.name: roof(work, chip) for work in workloads}
    runs = []
    for work in workloads:
        watcher = None if rivals is None else Watcher(rivals, chip, found.mm2, work.name, figures)
        try:
            program = compiled(work, chip, watcher)
        except LithifyError as error:
            return replace(found, error=f"{work.name}: {error}")
        except Settled as settled:
            latency, joules = (sum(parts) for parts in zip(*settled.least.values(), strict=True))
            return replace(found, latency=latency, joules=joules, bound=settled.why)
        run = ran(work.name, program, host_seconds)
        figures[work.name] = run.latency - run.host_seconds, run.joules
        runs.append(run)
    latency, joules = sum(run.latency for run in runs), sum(run.joules for run in runs)
    return replace(found, runs=tuple(runs), latency=latency, joules=joules)


def compiled(work: Workload, chip: Chip, listener: "Listener | None" = None) -> "Program":
    """The program of a workload, as `lithify compile` makes it of the quantised model."""
    from lithify.compiler.compile import compile_with_reasons
    from lithify.program import from_compiled

    found = compile_with_reasons(work.graph, chip, work.states, listener=listener)
    return from_compiled(found.program, work.graph, found.reasons)


def ran(network: str, program: "Program", host_seconds: Mapping[tuple[str, ...], float]) -> Ran:
    """What a program takes: the timing simulator's cycles, and what the host takes beside them."""
    from lithify.profile.energy import inference_energy
    from lithify.quantize import seeded
    from lithify.runtime.host import host_milliseconds
    from lithify.sim.cost import SPENT
    from lithify.sim.inference import costs, run_segments

    chip = program.chip
    runs = run_segments(program)
    timing = costs(program, runs)
    spent = {name: sum(layer.spent[name] for layer in timing.layers) for name in SPENT}
    host = program.host_nodes
    seconds = 0.0
    if host and (network, *host) in host_seconds:
        seconds = host_seconds[network, *host]
    elif host:
        seconds = host_milliseconds(program, seeded(program.model_inputs, 1, 0)[0]) / 1000
    return Ran(
        network,
        timing.cycles,
        timing.cycles / chip.clock_hz + seconds,
        inference_energy(chip, runs, timing.dram_bytes).total / 1e6,
        timing.dram_bytes,
        timing.mac_utilisation,
        max(spent, key=lambda name: spent[name]) if timing.cycles else "",
        host,
        seconds,
        spent,
    )
