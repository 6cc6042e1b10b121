"""A network on chips, beside the processors of this machine and beside what others have published for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from lithify import flow
from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.explore.compare import processor
from lithify.explore.compare.published import Published, entries, standard_name
from lithify.explore.compare.speedup import TRAINING, alpha, amdahl_limit, beta, gamma, operations_per_cycle
from lithify.explore.figure import COUNTED, GIVEN, HOW, MEASURED, MODELLED, PUBLISHED, SIMULATED, Figure
from lithify.explore.model import named_model
from lithify.progress import Progress, Silent, Stages
from lithify.quantize.signed import activations_to_unsigned

if TYPE_CHECKING:
    from lithify.program import Program
    from lithify.quantize.data import Samples
    from lithify.report import Accuracy

COLUMNS: Mapping[str, tuple[str, str]] = {
    "latency": ("latency", "s"),
    "per_second": ("inferences a second", "1/s"),
    "operations_per_s": ("operations a second", "1/s"),
    "peak_operations_per_s": ("peak", "1/s"),
    "utilisation": ("of the peak", ""),
    "clock": ("clock", "Hz"),
    "operations_per_cycle": ("operations a cycle", ""),
    "alpha": ("alpha", ""),
    "beta": ("beta", ""),
    "gamma": ("gamma", ""),
    "energy": ("energy an inference", "J"),
    "per_joule": ("inferences a joule", "1/J"),
    "memory_bytes": ("memory traffic", "B"),
    "accuracy": ("accuracy", ""),
    "host_seconds": ("on the host", "s"),
    "amdahl_limit": ("Amdahl's limit", ""),
}
"""Figures of a row: what each is called, and its unit."""

SPEED = tuple(COLUMNS)[: tuple(COLUMNS).index("alpha")]
"""How fast; the others are what is gained, and what it takes."""


@dataclass(frozen=True)
class Contender:
    """One way to run the network. kind: processor, gpu, chip, accelerator, fpga or simulator. figures: by COLUMNS; one
    that is not there is not known. clock_hz: where it is known.
    """

    name: str
    kind: str
    figures: Mapping[str, Figure]
    clock_hz: float | None = None
    note: str = ""

    def value(self, name: str) -> float | None:
        """A figure's number; None if it is not known."""
        figure = self.figures.get(name)
        return None if figure is None else figure.value

    def to_json(self) -> dict[str, Any]:
        """Name, kind, note and every figure with how it was obtained."""
        figures = {name: figure.to_json() for name, figure in self.figures.items()}
        return {"name": self.name, "kind": self.kind, "clock_hz": self.clock_hz, "note": self.note, "figures": figures}


@dataclass(frozen=True)
class Comparison:
    """A network's contenders; the first is the original that beta and gamma refer to.

    unmeasured: accelerators of this machine that could not be measured, and why.
    operations: of one inference, two for a multiply-accumulate. standard: the name of the standard network that it has
    the size of, whose published figures are among the rows.
    """

    network: str
    operations: int
    parameters: int
    standard: str | None
    rows: tuple[Contender, ...] = field(repr=False)
    unmeasured: tuple[str, ...] = ()

    @property
    def original(self) -> Contender:
        """What speed-ups are counted from."""
        return self.rows[0]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, with the meaning of each word."""
        return {
            "network": self.network,
            "operations": self.operations,
            "parameters": self.parameters,
            "standard": self.standard,
            "original": self.original.name,
            "units": {name: unit for name, (_, unit) in COLUMNS.items()},
            "how": HOW,
            "rows": [row.to_json() for row in self.rows],
            "unmeasured": list(self.unmeasured),
        }


def compare(
    model: str | Path | ir.Model,
    chips: "Sequence[str | Path | Chip]" = ("edge",),
    *,
    data: "str | Path | None" = None,
    shape: Mapping[str, Sequence[int]] | None = None,
    cpu_watts: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Measures a model on this machine's processors, simulates it on chips, and finds what is published for it.

    model: a file, a model as `lithify.load` gives it, or the name of a standard network. data: samples to calibrate
    and judge with. cpu_watts: what the processor draws while it computes, where the machine does not count it.
    Raises LithifyError for what a step refuses, without a chip, and for a power that is not above 0.
    """
    from lithify.report.model import describe

    if cpu_watts is not None and not cpu_watts > 0:
        raise LithifyError(f"The processor's power was given as {cpu_watts} W; it must be above 0.")
    if not chips:
        raise LithifyError("No chip was given to compare with; name at least one, a preset or a description (.toml).")
    described = [load_chip(chip) for chip in chips]
    units = processor.processors()
    stage = Stages(progress or Silent(), 3 + len(units) + len(described))
    with stage("load and quantise"):
        name, loaded = named_model(model, shape, seed)
        optimized = flow.optimize(loaded)
        quantized = flow.quantize(optimized, data, seed=seed)
    with stage("compile"):
        programs = [flow.compile(quantized, chip) for chip in described]
    with stage("measure the accuracy") as watch:
        samples, accuracies = _accuracies(loaded, quantized, programs, data, watch)
    feed = _feed(programs, samples, seed)
    facts = describe(optimized)
    operations = 2 * facts.macs
    rows: list[Contender] = []
    for provider, unit in units.items():
        with stage(f"measure {unit}"):
            rows += _measured(provider, unit, optimized, quantized, feed, operations, cpu_watts, accuracies[0])
    original = rows[0]
    for program, accuracy in zip(programs, accuracies, strict=True):
        with stage(f"simulate {program.chip.name}"):
            rows.append(_on_chip(program, feed, operations, original, accuracy, cpu_watts))
    standard = standard_name(facts.macs, facts.parameters)
    rows += [_of_others(entry, operations) for entry in entries() if entry.network == standard]
    gained = tuple(_gained(row, original) for row in rows)
    return Comparison(name, operations, facts.parameters, standard, gained, processor.unmeasured())


def _accuracies(
    loaded: ir.Model,
    quantized: ir.Model,
    programs: "Sequence[Program]",
    data: "str | Path | None",
    progress: Progress,
) -> "tuple[Samples | None, list[Accuracy]]":
    """Of each program. Chips that leave the same to the host give the same bits, and are judged once."""
    from lithify.accuracy import measure
    from lithify.quantize.data import read
    from lithify.report import Accuracy

    first = programs[0]
    if data is None:
        return None, [Accuracy()] * len(programs)
    samples = read(data, first.model_inputs, preprocessing=first.pictures)
    found: dict[tuple[str, ...], Accuracy] = {}
    for program in programs:
        if _host_parts(program) not in found:
            found[_host_parts(program)] = measure(loaded, quantized, program, samples, progress)
    return samples, [found[_host_parts(program)] for program in programs]


def _host_parts(program: "Program") -> tuple[str, ...]:
    """The names of what the host computes: what the chip does beside it follows from them."""
    from lithify.isa.program import ChipSegment

    return tuple(segment.name for segment in program.segments if not isinstance(segment, ChipSegment))


def _feed(programs: "Sequence[Program]", samples: "Samples | None", seed: int) -> Mapping[str, Any]:
    from lithify.quantize import seeded

    return samples[0] if samples is not None and len(samples) else seeded(programs[0].model_inputs, 1, seed)[0]


def _measured(
    provider: str,
    unit: str,
    optimized: ir.Model,
    quantized: ir.Model,
    feed: Mapping[str, Any],
    operations: int,
    cpu_watts: float | None,
    accuracy: "Accuracy",
) -> list[Contender]:
    """ONNX Runtime with float32 and int8: one thread and all cores of the processor; a GPU also with half precision."""
    here = provider == processor.CPU
    # With uint8 activations, the same numbers, its int8 kernels are several times faster on x86.
    int8 = activations_to_unsigned(quantized)
    forms = {"float32": (optimized, accuracy.float_model), "int8": (int8, accuracy.int8)}
    if not here:
        forms["half"] = _half(optimized), None
    count = processor.cores()
    ways = [(1, "1 thread"), *([(count, f"{count} threads")] if count > 1 else [])] if here else [(1, "")]
    rows = []
    for form, (model, right) in forms.items():
        for threads, said in ways:
            timed = processor.timed(model, feed, threads, provider)
            source = f"ONNX Runtime, the least of {timed.runs} runs"
            figures = _speed(timed.seconds, operations, MEASURED, source)
            if timed.joules is not None and here:
                figures |= _energy(Figure(timed.joules, MEASURED, "the processor's own count"))
            elif cpu_watts is not None and here:
                figures |= _energy(Figure(cpu_watts * timed.seconds, GIVEN, f"{cpu_watts:g} W for the time it takes"))
            if right is not None:
                figures["accuracy"] = Figure(right, MEASURED, "share of labels that are met")
            name = ", ".join(part for part in (unit, form, said) if part)
            clock = processor.cpu_clock_hz() if here else None
            rows.append(Contender(name, "processor" if here else "gpu", figures, clock))
    return rows


def _half(model: ir.Model) -> ir.Model:
    from onnxruntime.transformers.float16 import convert_float_to_float16  # type: ignore[import-untyped]

    return ir.serde.deserialize_model(convert_float_to_float16(ir.serde.serialize_model(model), keep_io_types=True))


def _on_chip(
    program: "Program",
    feed: Mapping[str, Any],
    operations: int,
    original: Contender,
    accuracy: "Accuracy",
    cpu_watts: float | None,
) -> Contender:
    from lithify.profile.energy import SOURCE, inference_energy
    from lithify.runtime.host import host_milliseconds
    from lithify.sim.inference import costs, run_segments

    chip = program.chip
    runs = run_segments(program)
    timing = costs(program, runs)
    host = host_milliseconds(program, feed) / 1000
    on_host = ", ".join(dict.fromkeys(program.host_nodes))
    cycles = f"{timing.cycles:,} cycles at {chip.clock_hz / 1e6:g} MHz"
    seconds = timing.cycles / chip.clock_hz + (host if on_host else 0.0)
    said = f"{cycles}, and {1e3 * host:.3g} ms of this machine for {on_host}" if on_host else cycles
    figures = _speed(seconds, operations, SIMULATED, said)
    peak = 2 * chip.multipliers * chip.clock_hz
    figures["peak_operations_per_s"] = Figure(peak, COUNTED, "multipliers x 2 x clock")
    joules, source = inference_energy(chip, runs, timing.dram_bytes).total / 1e6, SOURCE
    if on_host and cpu_watts is not None:
        joules, source = joules + cpu_watts * host, f"{source}; and {cpu_watts:g} W while the host computes"
    elif on_host:
        source += "; without the host's, whose power was not given"
    figures |= _energy(Figure(joules, MODELLED, source))
    figures["memory_bytes"] = Figure(timing.dram_bytes, SIMULATED, "bytes of the bus beats")
    if accuracy.chip is not None:
        figures["accuracy"] = Figure(accuracy.chip, SIMULATED, f"{accuracy.chip_samples} samples, functional simulator")
    if on_host:
        figures["host_seconds"] = Figure(host, MEASURED, f"{on_host}, on this machine")
        before = original.value("latency")
        assert before is not None
        figures["amdahl_limit"] = Figure(amdahl_limit(before, host), MEASURED, "the original's time over the host's")
    note = "" if not on_host else f"on the host: {on_host}"
    if on_host and cpu_watts is None:
        note += "; its energy is not counted"
    return Contender(f"{chip.name} ({chip.multipliers})", "chip", figures, chip.clock_hz, note)


def _of_others(entry: Published, operations: int) -> Contender:
    source = f"{entry.source}, read in {entry.year}"
    figures = _speed(entry.seconds, operations, PUBLISHED, source)
    if entry.peak is not None:
        figures["peak_operations_per_s"] = Figure(entry.peak, PUBLISHED, source)
    if entry.watts is not None:
        figures |= _energy(Figure(entry.watts * entry.seconds, PUBLISHED, f"{entry.watts:g} W for the time it takes"))
    if entry.training_per_second is not None:
        # Against the original in _gained, where it is at hand.
        figures["alpha"] = Figure(entry.training_per_second, PUBLISHED, source)
    return Contender(entry.system, entry.kind, figures, entry.clock_hz, entry.note)


def _speed(seconds: float, operations: int, how: str, source: str) -> dict[str, Figure]:
    return {
        "latency": Figure(seconds, how, source),
        "per_second": Figure(1 / seconds, how, source),
        "operations_per_s": Figure(operations / seconds, how, source),
    }


def _energy(joules: Figure) -> dict[str, Figure]:
    return {"energy": joules, "per_joule": replace(joules, value=1 / joules.value)}


def _gained(row: Contender, original: Contender) -> Contender:
    """The row with its share of the peak, and what it gains over the original."""
    figures = dict(row.figures)
    latency, peak = figures["latency"], row.value("peak_operations_per_s")
    if peak is not None:
        figures["utilisation"] = replace(latency, value=figures["operations_per_s"].value / peak)
    before = original.figures["latency"]
    source = f"against {original.name}"
    figures["beta"] = Figure(beta(before.value, latency.value), latency.how, source)
    if "alpha" in figures:
        rate = figures["alpha"]
        said = f"{rate.value:g} images a second in training ({rate.source}), {source}: {TRAINING:g} times its inference"
        figures["alpha"] = Figure(alpha(TRAINING * before.value, 1 / rate.value), MODELLED, said)
    if row.clock_hz:
        how = COUNTED if row.kind == "chip" else MEASURED if row.kind == "processor" else PUBLISHED
        said = "of the chip's description" if row.kind == "chip" else "as it is stated"
        figures["clock"] = Figure(row.clock_hz, how if row.figures["latency"].how != PUBLISHED else PUBLISHED, said)
        each = figures["operations_per_s"].value / row.clock_hz
        figures["operations_per_cycle"] = Figure(each, latency.how, "operations a second over the clock")
    if row.clock_hz and original.clock_hz:
        operations = latency.value * figures["operations_per_s"].value
        ours = operations_per_cycle(operations, latency.value, row.clock_hz)
        theirs = operations_per_cycle(operations, before.value, original.clock_hz)
        figures["gamma"] = Figure(gamma(theirs, ours), latency.how, source)
    return replace(row, figures={name: figures[name] for name in COLUMNS if name in figures})
