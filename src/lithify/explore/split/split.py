"""Where to cut a network between a processor and a chip, what that gains, and whether frames are answered in time."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from lithify import flow
from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.explore.compare import processor
from lithify.explore.figure import MEASURED, MODELLED, SIMULATED, Figure
from lithify.explore.model import named_model
from lithify.explore.split.cut import Crossing, Unit, best_cut, reasons, seconds_of
from lithify.explore.split.found import BYTES_PER_S, CALL_S, Link, Split, Way, _ms
from lithify.explore.split.handover import Handover, handover
from lithify.explore.split.realtime import real_time
from lithify.explore.split.units import units_of
from lithify.isa.program import Base, ChipSegment
from lithify.progress import Progress, Silent, Stages

if TYPE_CHECKING:
    from lithify.program import Program


def split(
    model: str | Path | ir.Model,
    chip: "str | Path | Chip" = "edge",
    *,
    data: "str | Path | None" = None,
    shape: Mapping[str, Sequence[int]] | None = None,
    bytes_per_s: float | None = None,
    call_s: float | None = None,
    host: str = "cpu",
    threads: int | None = None,
    slower: float = 1.0,
    fps: float | None = None,
    batch: int = 1,
    deadline_s: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Split:
    """The best cut of a network between this machine's processor and a chip.

    host: "cpu", or "gpu" for the first that ONNX Runtime can use; threads: of the CPU, None for all cores; slower: how
    many times slower the product's processor is than this one. bytes_per_s, call_s: of the link. fps, batch,
    deadline_s: frames that come at a rate and are taken so many at once; the deadline is the time in which a batch
    gathers unless it is given.
    Raises LithifyError for what a step refuses, without networkx, for a model that is quantised
    already, and for numbers that are not above 0.
    """
    for name, number in (
        ("bandwidth", bytes_per_s),
        ("frame rate", fps),
        ("batch", batch),
        ("deadline", deadline_s),
        ("slowness", slower),
    ):
        if number is not None and not (number > 0 and isfinite(number)):
            raise LithifyError(f"The {name} was given as {number}; it must be above 0.")
    if call_s is not None and not (call_s >= 0 and isfinite(call_s)):
        raise LithifyError(f"The link's latency was given as {call_s}; it must be 0 or more.")
    from lithify.quantize import is_quantized

    provider, unit_name = _host(host)
    described = load_chip(chip)
    link = Link(
        BYTES_PER_S if bytes_per_s is None else bytes_per_s,
        CALL_S if call_s is None else call_s,
        bytes_per_s is not None or call_s is not None,
    )
    stage = Stages(progress or Silent(), 5)
    with stage("load and quantise"):
        network, loaded = named_model(model, shape, seed)
        if is_quantized(loaded):
            raise LithifyError(
                f"The model '{network}' is quantised already, and what stays on the processor of a cut computes in "
                "float32; give the float model."
            )
        optimized = flow.optimize(loaded)
        quantized = flow.quantize(optimized, data, seed=seed)
    with stage(f"compile for {described.name} and simulate"):
        program = flow.compile(quantized, described)
        feed = _feed(program, seed)
        layers, cycles = _layers(program)
    count = threads or processor.cores()
    with stage(f"measure {unit_name}"):
        whole, nodes = processor.profiled(optimized, _float_feed(optimized, seed), count, provider)
    hand = handover()
    hand = Handover(hand.conversion_s * slower, hand.number_s * slower, hand.call_s * slower)
    whole, nodes = whole * slower, {name: seconds * slower for name, seconds in nodes.items()}
    units, crossings = units_of(optimized, program, layers, nodes, link, hand)
    on_chip = best_cut(units, crossings)
    if whole <= seconds_of(units, crossings, on_chip):
        # All of it in one call, of which the sum for single operators knows nothing.
        on_chip = (False,) * len(units)
    with stage("compile the cut and run it"):
        ways = _ways(units, crossings, on_chip, program, cycles, feed, optimized, data, whole, slower, link, seed)
    why = reasons(units, crossings, on_chip)
    frames = None if fps is None else real_time(fps, batch, min(way.best_known for way in ways), deadline_s)
    return Split(network, described.name, unit_name, link, units, crossings, ways, why, frames)


def _host(name: str) -> tuple[str, str]:
    known = processor.processors()
    if name == "cpu":
        return processor.CPU, known[processor.CPU]
    found = next(((key, text) for key, text in known.items() if key != processor.CPU), None)
    if name != "gpu":
        raise LithifyError(f"There is no host '{name}'; it is cpu or gpu.")
    if found is None:
        raise LithifyError("ONNX Runtime can use no GPU here; install the build for it, or leave --host out.")
    return found


def _feed(program: "Program", seed: int) -> Mapping[str, Any]:
    from lithify.quantize import seeded

    return seeded(program.model_inputs, 1, seed)[0]


def _float_feed(model: ir.Model, seed: int) -> Mapping[str, Any]:
    from lithify.quantize import inputs_of, seeded

    return seeded(inputs_of(model), 1, seed)[0]


def _layers(program: "Program") -> tuple[dict[str, int], int]:
    """Cycles of each layer, and of all."""
    from lithify.sim.inference import costs, run_segments

    timing = costs(program, run_segments(program))
    found: dict[str, int] = {}
    for layer in timing.layers:
        found[layer.name] = found.get(layer.name, 0) + layer.cycles
    return found, timing.cycles


def _ways(
    units: Sequence[Unit],
    crossings: Sequence[Crossing],
    on_chip: tuple[bool, ...],
    program: "Program",
    cycles: int,
    feed: Mapping[str, Any],
    optimized: ir.Model,
    data: "str | Path | None",
    whole: float,
    slower: float,
    link: Link,
    seed: int,
) -> tuple[Way, ...]:
    """All on the processor, all that can be on the chip, the best cut; each as a sum and, where it has a chip, run."""
    none = (False,) * len(units)
    every = tuple(isfinite(unit.chip_s) for unit in units)
    told = "ONNX Runtime, float32, the whole network in one call" + (f", times {slower:g}" if slower != 1 else "")
    cpu = Way("all on the processor", none, Figure(whole, MEASURED if slower == 1 else MODELLED, told))

    def summed(where: tuple[bool, ...]) -> Figure:
        if where == none:
            return cpu.seconds
        said = "cycles simulated, operators, calls and conversions of the processor measured, the link's cost added"
        return Figure(seconds_of(units, crossings, where), MODELLED, said)

    ran = {every: _ran(program, cycles, feed, link, slower)}
    if on_chip not in (none, every):
        kept = [name for unit, there in zip(units, on_chip, strict=True) if not there for name in unit.members]
        cut = flow.compile(flow.quantize(optimized, data, keep_float=kept, seed=seed), program.chip)
        ran[on_chip] = _ran(cut, _layers(cut)[1], _feed(cut, seed), link, slower)
    return (
        cpu,
        Way("all on the chip that can be", every, summed(every), ran[every]),
        Way("the best cut", on_chip, summed(on_chip), cpu.seconds if on_chip == none else ran[on_chip]),
    )


def _ran(program: "Program", cycles: int, feed: Mapping[str, Any], link: Link, slower: float) -> Figure:
    """What a compiled program takes: its cycles, the host's operators as the runtime runs them, and its placements."""
    from lithify.runtime.host import host_milliseconds

    crossing = [
        placement
        for segment in program.segments
        if isinstance(segment, ChipSegment)
        for placement in (*segment.inputs, *segment.outputs)
        if placement.base not in (Base.STATE, Base.NEXT)
    ]
    moved = sum(link.seconds(placement.bytes) for placement in crossing)
    host = slower * host_milliseconds(program, feed) / 1000
    chip = cycles / program.chip.clock_hz
    said = (
        f"{cycles:,} cycles simulated ({_ms(chip)}), the host's operators and conversions measured one by one "
        f"({_ms(host)}), {len(crossing)} tensors over the link ({_ms(moved)})"
    )
    return Figure(chip + host + moved, SIMULATED, said)
