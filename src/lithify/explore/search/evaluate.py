"""One chip judged: what it takes, and what networks take on it. Cycles are exact, area and energy are modelled."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lithify.chip import Chip
from lithify.chip.area import area
from lithify.chip.gates import gate_count
from lithify.compiler.compile import Listener, compile_with_reasons, uncollected
from lithify.errors import LithifyError
from lithify.explore.search.point import Point, Ran
from lithify.explore.search.workload import Workload

if TYPE_CHECKING:
    from lithify.explore.search.settle import Rivals
    from lithify.program import Program


def bounded(number: int, values: Mapping[str, int], chip: Chip, workloads: Sequence[Workload], why: str) -> Point:
    """A point that is not compiled: its area, and the roofline's figures."""
    latency, joules = (sum(figures) for figures in zip(*(roof(work, chip) for work in workloads), strict=True))
    return Point(number, values, chip, gate_count(chip), area(chip).mm2, latency, joules, bound=why)


def roof(work: Workload, chip: Chip) -> tuple[float, float]:
    """Seconds and joules that no schedule can beat: each byte and each multiply-accumulate once."""
    from lithify.profile.energy import energy

    cycles = max(work.macs / chip.multipliers, work.bytes / chip.dram_bytes_per_cycle)
    return cycles / chip.clock_hz, energy(chip, cycles, work.macs // chip.multipliers, 0, work.bytes).total / 1e6


@uncollected()
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


def compiled(work: Workload, chip: Chip, listener: Listener | None = None) -> "Program":
    """The program of a workload, as `lithify compile` makes it of the quantised model."""
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
