"""CPU, GPU, FPGA or a chip of one's own: what a product with a network costs, and which way keeps to what it asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from lithify import flow
from lithify.chip import Chip, load_chip
from lithify.chip.area import area
from lithify.errors import LithifyError
from lithify.explore.advise.assumptions import Assumptions, Stated, changed, load_assumptions, stated
from lithify.explore.advise.option import FIGURES, Facts, Needs, OnChip, Option, best_of, options
from lithify.explore.advise.risk import Circumstances, Note, notes
from lithify.explore.figure import HOW
from lithify.progress import Progress, Silent, Stages

if TYPE_CHECKING:
    from lithify.program import Program

FPGA_CHIP = "tiny"
"""The preset that an FPGA gets where the chip that was asked for is too large for it."""

SHAKEN = (0.5, 2.0)
"""What each assumption is multiplied by, one at a time, to see whether it decides."""

FIRM = ("volts", "wafer_mm")
"""Ends of the names of those that are not shaken: other voltages and wafers are other processes."""

RANGE = 10.0, 1e8
"""Pieces between which the cheapest way is looked for."""


@dataclass(frozen=True)
class Reach:
    """From which volume to which an option is the cheapest of those that keep to everything."""

    option: str
    first: float
    last: float


@dataclass(frozen=True)
class Turn:
    """An assumption that decides: with `value` in its place the advice would be `option`, None where nothing fits."""

    place: str
    value: float
    option: str | None


@dataclass(frozen=True)
class Advice:
    """What was found. cpu_s: of one inference on this machine's processor, int8, all cores, measured.

    options: cheapest in all first, those that keep to everything before the others.
    best: None where none keeps to everything; closest: then the one that misses by least. reaches: what is cheapest at
    which volume. turns: what would change the advice. stated: every assumption.
    """

    network: str
    needs: Needs
    operations: int
    parameters: int
    cpu_s: float
    options: tuple[Option, ...]
    best: Option | None
    closest: Option
    reaches: tuple[Reach, ...]
    turns: tuple[Turn, ...]
    notes: tuple[Note, ...]
    stated: tuple[Stated, ...] = field(repr=False)

    @property
    def asic(self) -> Option | None:
        """The chip of one's own that is cheapest in all and keeps to everything."""
        return next((option for option in self.options if option.kind == "asic" and option.fits), None)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, with the meaning of each word."""
        asic = self.asic
        pairs = {} if asic is None else {
            other.name: asic.from_volume(other) for other in self.options if other.kind != "asic"
        }  # fmt: skip
        return {
            "network": self.network,
            "needs": self.needs.to_json(),
            "operations": self.operations,
            "parameters": self.parameters,
            "this_machine_s": self.cpu_s,
            "advice": None if self.best is None else self.best.name,
            "closest": self.closest.name,
            "verdict": verdict(self),
            "options": [option.to_json() for option in self.options],
            "break_even": {name: volume if isfinite(volume) else None for name, volume in pairs.items()},
            "cheapest": [
                {"option": reach.option, "from": reach.first, "to": reach.last if isfinite(reach.last) else None}
                for reach in self.reaches
            ],
            "decisive": [{"place": turn.place, "value": turn.value, "advice": turn.option} for turn in self.turns],
            "notes": [note.to_json() for note in self.notes],
            "assumptions": [entry.to_json() for entry in self.stated],
            "units": {name: unit for name, (_, unit) in FIGURES.items()},
            "how": HOW,
        }


def advise(
    model: str | Path | ir.Model,
    volume: float,
    *,
    power_w: float | None = None,
    latency_s: float | None = None,
    chips: "Sequence[str | Path | Chip]" = ("tiny", "edge"),
    data: "str | Path | None" = None,
    shape: Mapping[str, Sequence[int]] | None = None,
    assumptions: "str | Path | Assumptions | None" = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Advice:
    """What to build a product with: a chip of one's own on each process, an FPGA, or a part that can be bought.

    model: a file, a model as `lithify.load` gives it, or the name of a standard network. volume: pieces; power_w,
    latency_s: what one may draw while it computes, and what one inference may take. chips: what an ASIC may be.
    assumptions: a file of what differs from the default ones.
    Raises LithifyError for what a step refuses, for needs that are not above 0, and for assumptions that do not fit.
    """
    from lithify.explore.model import named_model
    from lithify.report.model import describe

    for name, number in (("volume", volume), ("power", power_w), ("latency", latency_s)):
        if number is not None and not (number > 0 and isfinite(number)):
            raise LithifyError(f"The {name} was given as {number}; it must be above 0.")
    table = assumptions if isinstance(assumptions, Assumptions) else load_assumptions(assumptions)
    described = [load_chip(chip) for chip in chips]
    if not described:
        raise LithifyError("No chip was given; name at least one.")
    asked, smallest = len(described), load_chip(FPGA_CHIP)
    if all(chip.multipliers > smallest.multipliers for chip in described):
        described.append(smallest)
    stage = Stages(progress or Silent(), 2 + 2 * len(described))
    with stage("load and quantise"):
        network, loaded = named_model(model, shape, seed)
        optimized = flow.optimize(loaded)
        quantized = flow.quantize(optimized, data, seed=seed)
    facts = describe(optimized)
    programs, on_chip = [], []
    for entry in described:
        with stage(f"compile for {entry.name}"):
            programs.append(flow.compile(quantized, entry))
        with stage(f"simulate {entry.name}"):
            on_chip.append(_on_chip(programs[-1], seed))
    with stage("measure this machine's processor"):
        cpu = _cpu_seconds(programs[0], quantized, seed)
    found = Facts(
        2 * facts.macs,
        facts.parameters,
        tuple(on_chip[:asked]),
        tuple(sorted(on_chip, key=lambda chip: -chip.multipliers)),
        cpu,
        _published(facts.macs, facts.parameters),
    )
    around = Circumstances(facts.operators, programs[0].host_nodes, data is not None)
    return judged(network, facts.parameters, found, Needs(volume, power_w, latency_s), table, around)


def judged(
    network: str, parameters: int, facts: Facts, needs: Needs, table: Assumptions, around: Circumstances
) -> Advice:
    """The advice that follows from what is known, asked and assumed."""
    every = sorted(options(facts, needs, table), key=lambda option: (not option.fits, option.value("total")))
    best = best_of(tuple(every))
    closest = min(every, key=lambda option: (option.worst, option.value("total")))
    turns = _turns(facts, needs, table, best)
    found = notes(tuple(every), best, facts, needs, table, around)
    return Advice(
        network, needs, facts.operations, parameters, facts.cpu_s, tuple(every), best, closest,
        reaches(tuple(every)), turns, found, stated(table),
    )  # fmt: skip


def reaches(found: tuple[Option, ...]) -> tuple[Reach, ...]:
    """What is cheapest at which volume, of what keeps to everything: the lower envelope of straight lines, exactly."""
    fitting = [option for option in found if option.fits]
    if not fitting:
        return ()
    first, last = RANGE
    corners = {first, last}
    for option in fitting:
        for other in fitting:
            volume = option.from_volume(other)
            if first < volume < last:
                corners.add(volume)
    result: list[Reach] = []
    places = sorted(corners)
    for begin, end in pairwise(places):
        middle = (begin + end) / 2
        name = min(fitting, key=lambda option: option.at(middle)).name
        if result and result[-1].option == name:
            result[-1] = Reach(name, result[-1].first, end)
        else:
            result.append(Reach(name, begin, end))
    result[-1] = Reach(result[-1].option, result[-1].first, inf)
    return tuple(result)


def verdict(found: Advice) -> str:
    """The advice in a sentence or two."""
    from lithify.explore.advise.option import written

    best = found.best
    if best is None:
        near = found.closest
        least = [
            f"the least {name} of any is {written(option.value(name), FIGURES[name][1])} ({option.name})"
            for name, limit in (("latency", found.needs.latency_s), ("power", found.needs.power_w))
            if limit is not None
            for option in [min(found.options, key=lambda option: option.value(name))]
        ]
        return (
            f"Nothing here keeps to what is asked. The closest is {near.name}: it {' and '.join(near.misses)}; "
            f"{', '.join(least)}. Loosen what it misses, choose another chip (`lithify explore`), or change the "
            "assumptions."
        )
    figures = [f"{written(best.value('each'), '$')} a piece, its share of what is paid once in it"]
    for name, limit in (("latency", found.needs.latency_s), ("power", found.needs.power_w)):
        if limit is not None:
            unit = FIGURES[name][1]
            figures.append(f"{written(best.value(name), unit)} of {written(limit, unit)}")
    text = f"{best.name}: {', '.join(figures)}."
    asic = found.asic
    if best.kind == "asic":
        others = [option for option in found.options if option.fits and option.kind != "asic"]
        if others:
            volume = max(best.from_volume(other) for other in others)
            text += f" From {volume:,.0f} pieces it is cheaper than everything that can be bought."
        else:
            text += " Nothing that can be bought keeps to what is asked."
    elif asic is not None:
        volume = asic.from_volume(best)
        text += (
            f" A chip of one's own ({asic.name}) would be cheaper from {volume:,.0f} pieces."
            if isfinite(volume)
            else " A chip of one's own costs more at every volume."
        )
    return text


def _turns(facts: Facts, needs: Needs, table: Assumptions, best: Option | None) -> tuple[Turn, ...]:
    """The assumptions that change the advice when halved or doubled; a part stays at most 1."""
    name = None if best is None else best.name
    found = []
    for entry in stated(table):
        if entry.place.endswith(FIRM):
            continue
        for factor in SHAKEN:
            value = entry.value.value * factor
            if entry.place.endswith(("fill", "yield", "share", "price", "utilisation")):
                value = min(1.0, value)
            if value == entry.value.value:
                continue
            other = best_of(options(facts, needs, changed(table, entry.place, value)))
            if (None if other is None else other.name) != name:
                found.append(Turn(entry.place, value, None if other is None else other.name))
    return tuple(found)


def _on_chip(program: "Program", seed: int) -> OnChip:
    from lithify.profile.energy import inference_energy
    from lithify.quantize import seeded
    from lithify.runtime.host import host_milliseconds
    from lithify.sim.inference import costs, run_segments

    runs = run_segments(program)
    timing = costs(program, runs)
    energy = inference_energy(program.chip, runs, timing.dram_bytes)
    host = 0.0
    if program.host_nodes:
        host = host_milliseconds(program, seeded(program.model_inputs, 1, seed)[0]) / 1000
    chip = program.chip
    return OnChip(
        chip.name, chip.multipliers, chip.clock_hz, timing.cycles, energy.total - energy.dram, energy.dram, host,
        area(chip), chip.dram_bytes_per_cycle,
    )  # fmt: skip


def _cpu_seconds(program: "Program", quantized: ir.Model, seed: int) -> float:
    from lithify.explore.compare import processor
    from lithify.quantize import seeded
    from lithify.quantize.signed import activations_to_unsigned

    feed = seeded(program.model_inputs, 1, seed)[0]
    return processor.timed(activations_to_unsigned(quantized), feed, processor.cores()).seconds


def _published(macs: int, parameters: int) -> dict[str, float]:
    from lithify.explore.compare.published import entries, standard_name

    name = standard_name(macs, parameters)
    return {entry.system: entry.seconds for entry in entries() if entry.network == name}
