"""The chosen chip as a promise: its description is written, every network compiled for it and run in RTL, its area and
clock held against synthesis. What was promised and what was found stand side by side; a miss is a miss.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lithify import flow
from lithify.accuracy import measure
from lithify.chip import Chip, load_chip, write_chip
from lithify.chip.area import area
from lithify.chip.clock import clock_limit
from lithify.errors import LithifyError
from lithify.explore.search.evaluate import ran
from lithify.explore.search.exploration import Exploration
from lithify.explore.search.front import Judge
from lithify.explore.search.point import Point, Ran
from lithify.explore.search.workload import Source
from lithify.folder import whole_folder, write_text
from lithify.frontend import save
from lithify.program import Program
from lithify.progress import Progress, Silent, Stages
from lithify.quantize import seeded
from lithify.verify import verify

if TYPE_CHECKING:
    from lithify.silicon.asic import SynthesisReport

FILE = "explore.json"
CHIP = "chip.toml"

Slice = Literal["layers", "none"]


@dataclass(frozen=True)
class Check:
    """Something promised. promised, found: as a person reads them. kept: None where it could not be checked."""

    what: str
    promised: str
    found: str
    kept: bool | None
    how: str


@dataclass(frozen=True)
class Promise:
    """A chip whose figures were checked. folder: where it and the programs are."""

    point: Point
    folder: Path
    checks: tuple[Check, ...]

    @property
    def kept(self) -> bool:
        """No check failed."""
        return all(check.kept is not False for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The checks as JSON values."""
        checks = [asdict(check) for check in self.checks]
        return {"point": self.point.number, "folder": str(self.folder), "kept": self.kept, "checks": checks}


def keep(
    found: Exploration,
    folder: str | Path,
    *,
    rtl: Slice = "layers",
    pdk: str | Path | None = None,
    yosys: str | None = None,
    progress: Progress | None = None,
) -> Promise | None:
    """Writes the best point's chip and programs into a folder, and checks what was promised of it.

    That is the chosen point, or the closest where budgets are missed; None where no chip could be compiled for. rtl:
    "layers" runs one input through all layers in RTL, "none" nothing. pdk: a process kit's folder; without it the area
    stays modelled. yosys: a program in place of the wheel.
    Raises LithifyError as the steps do; the folder then stays as it was.
    """
    point = found.best
    if point is None:
        return None
    stage = Stages(progress or Silent(), len(found.sources) * (2 + (rtl != "none")) + 1)
    target = Path(folder)
    with whole_folder(target, last=FILE) as work:
        write_text(work / CHIP, write_chip(point.chip))
        chip = load_chip(work / CHIP)
        checks = [Check("chip file", point.chip.name, chip.name, chip == point.chip, f"{CHIP}, read again")]
        for source, promised in zip(found.sources, point.runs, strict=True):
            name = source.workload.name
            with stage(f"compile {name}"):
                program = flow.compile(source.quantized, chip)
                program.save(work / f"{name}.lith")
                save(source.quantized, work / f"{name}.onnx")
                again = ran(name, program, {(name, *promised.host): promised.host_seconds})
            checks.append(_same_cycles(name, promised, again))
            if rtl != "none":
                with stage(f"run {name} in RTL") as watch:
                    checks.append(_in_rtl(source, program, promised, watch))
            with stage(f"measure the accuracy of {name}") as watch:
                checks += _accuracy(source, program, found.judge, watch)
        with stage("check area and clock") as watch:
            checks += _area(point, chip, found.judge, pdk, yosys, watch)
        checks += _budgets(point, found.judge)
        promise = Promise(point, target, tuple(checks))
        write_text(work / FILE, json.dumps({**found.to_json(), "promise": promise.to_json()}, indent=2) + "\n")
    return promise


def _same_cycles(name: str, promised: Ran, found: Ran) -> Check:
    same = (promised.cycles, promised.host) == (found.cycles, found.host)
    text = f"{found.cycles:,} cycles" + (f", host: {', '.join(found.host)}" if found.host != promised.host else "")
    return Check(f"cycles of {name}", f"{promised.cycles:,} cycles", text, same, "compiled again from the chip file")


def _in_rtl(source: Source, program: Program, promised: Ran, progress: Progress) -> Check:
    samples = source.samples.first(1) if source.samples is not None else seeded(program.model_inputs, 1, 0)
    assert program.graph is not None
    what, said = f"{source.workload.name} in RTL", f"{promised.cycles:,} cycles, equal bits"
    how = "one input through all layers, Verilator"
    try:
        proof = verify(program, program.graph, samples, rtl="layers", progress=progress)
    except LithifyError as error:  # the chip itself may report a fault: that is a promise broken
        return Check(what, said, str(error), False, how)
    cycles = proof.summary.cycles_rtl
    differences = proof.summary.values_different + proof.summary.words_different
    text = f"{cycles:,} cycles, {differences} of {proof.summary.values_compared:,} values differ"
    if proof.summary.first_difference:
        text += f": {proof.summary.first_difference}"
    return Check(what, said, text, proof.agreed and cycles == promised.cycles, how)


def _accuracy(source: Source, program: Program, judge: Judge, progress: Progress) -> list[Check]:
    aims = [b for b in judge.budgets if b.quantity.name == "accuracy" and b.network in (None, source.workload.name)]
    measured = measure(source.loaded, source.quantized, program, source.samples, progress)
    if measured.chip is None or source.workload.accuracy is None:
        return []
    aim = max((budget.limit for budget in aims), default=None)
    # On fewer samples than the int8 model was judged by, the chip may be off by chance; it is told, and judged by the
    # samples that both saw only where those are all.
    whole = measured.chip_samples == measured.samples
    kept = measured.chip >= aim if aim is not None and whole else None
    said = f"{100 * measured.chip:.4g} % of {measured.chip_samples} samples"
    promised = f"{100 * (aim if aim is not None else source.workload.accuracy):.4g} %"
    return [Check(f"accuracy of {source.workload.name}", promised, said, kept, "functional simulator")]


def _area(
    point: Point, chip: Chip, judge: Judge, pdk: str | Path | None, yosys: str | None, progress: Progress
) -> list[Check]:
    modelled = area(chip)
    promised = f"{point.mm2:.2f} mm2 +- {100 * modelled.error:.0f} %"
    if pdk is None:
        return [Check("area", promised, "not synthesised", None, "name a process kit (--pdk) to check it by Yosys")]
    from lithify.silicon.asic import synthesize_chip
    from lithify.silicon.kit import load_kit

    report = synthesize_chip(chip, load_kit(Path(pdk)), corners=("typical",), program=yosys, progress=progress).report
    assert report.mm2 is not None
    off = report.mm2 / point.mm2 - 1
    text = f"{report.mm2:.2f} mm2, {100 * off:+.1f} %"
    found = [Check("area", promised, text, abs(off) <= modelled.error, f"Yosys, {report.kit}, before layout")]
    found.append(_clock(chip, report))
    for budget in judge.budgets:
        if budget.quantity.name == "mm2":
            found.append(Check("area budget", budget.text, text, report.mm2 <= budget.limit, "of the synthesised area"))
    return found


def _clock(chip: Chip, report: "SynthesisReport") -> Check:
    clock = report.clock()
    promised = f"{chip.clock_hz / 1e6:g} MHz ({clock_limit(chip).hz / 1e6:.0f} modelled)"
    if clock is None:
        return Check("clock", promised, "not timed", None, "install OpenSTA (`sta`) to check it")
    kept = 1e6 * clock.mhz_with_margin >= chip.clock_hz
    how = f"OpenSTA, {report.kit}, typical corner, a fifth more for wires"
    return Check("clock", promised, f"{clock.mhz_with_margin:.0f} MHz", kept, how)


def _budgets(point: Point, judge: Judge) -> list[Check]:
    said: Mapping[str, str] = {
        "mm2": "modelled area",
        "mw": "modelled energy x rate",
        "energy": "modelled",
        "accuracy": "int8 model on the samples",
    }
    return [
        Check(
            f"budget: {budget.quantity.title}" + (f" of {budget.network}" if budget.network else ""),
            budget.text,
            budget.quantity_text(judge.value(budget, point)),
            excess <= 0,
            said.get(budget.quantity.name, "exact cycles over the clock, and the host's part measured"),
        )
        for budget, excess in judge.excess(point).items()
    ]
