"""What one more of each resource would buy, and what one less would cost: every change compiled for, cycles exact."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.explore.compare.processor import cores
from lithify.explore.model import named_model
from lithify.explore.search.evaluate import evaluate
from lithify.explore.search.point import Point
from lithify.explore.search.pool import Task, pool
from lithify.explore.search.workload import renamed, source
from lithify.progress import Progress, Silent, Stages

if TYPE_CHECKING:
    import onnx_ir as ir

MATTERS = 0.01
"""A change that saves a smaller part of the time is said not to help; one that costs less is not missed."""

Update = Mapping[str, int]
"""Keys of a chip description and their new values."""


@dataclass(frozen=True)
class Resource:
    """Something that a chip has more or less of. more, less: what changes; empty where there is none left to change.
    array: a bigger array comes of more of it.
    """

    name: str
    title: str
    more: Callable[[Chip], Update]
    less: Callable[[Chip], Update]
    array: bool = False


def _rows(chip: Chip, rows: int) -> Update:
    """Words as wide as the rows; memory, lanes and columns stay as near as they can."""
    words = max(2, chip.bank_words * chip.rows // rows)
    columns = max(chip.columns // rows, 1) * rows
    bus = min(chip.bus_bytes, rows)
    return {
        "rows": rows,
        "columns": columns,
        "lanes": min(chip.lanes, rows),
        "scratchpad_bytes": words * chip.scratchpad_banks * rows,
        "bus_bytes": bus,
        "dram_bytes_per_cycle": min(chip.dram_bytes_per_cycle, bus),
        "vector_lanes": min(chip.vector_lanes, rows // 4 if chip.vector_lanes else 0),
    }


def _dram(chip: Chip, rate: int) -> Update:
    """A bus that is wide enough, as far as a scratchpad word is."""
    bus = chip.bus_bytes
    while bus < min(rate, chip.rows):
        bus *= 2
    return {"dram_bytes_per_cycle": min(rate, bus), "bus_bytes": bus}


RESOURCES: tuple[Resource, ...] = (
    Resource("rows", "rows of the array", lambda c: _rows(c, 2 * c.rows), lambda c: _rows(c, c.rows // 2), array=True),
    Resource("columns", "columns of the array", lambda c: {"columns": 2 * c.columns},
             lambda c: {"columns": c.columns // 2}, array=True),
    Resource("accumulators", "accumulators", lambda c: {"accumulators": min(2 * c.accumulators, 128)},
             lambda c: {"accumulators": c.accumulators // 2}),
    Resource("lanes", "post-processing lanes", lambda c: {"lanes": min(2 * c.lanes, c.rows)},
             lambda c: {"lanes": max(c.lanes // 2, 1)}),
    Resource("bank_words", "words of each bank", lambda c: {"scratchpad_bytes": 2 * c.scratchpad_bytes},
             lambda c: {"scratchpad_bytes": c.scratchpad_bytes // 2}),
    Resource("scratchpad_banks", "banks", lambda c: _banks(c, c.scratchpad_banks * 5 // 4 + 1),
             lambda c: _banks(c, max(5, c.scratchpad_banks * 3 // 4))),
    Resource("dram", "bandwidth of the memory beside the chip", lambda c: _dram(c, 2 * c.dram_bytes_per_cycle),
             lambda c: {"dram_bytes_per_cycle": max(c.dram_bytes_per_cycle // 2, 1)}),
    Resource("activation_ports", "words that a window takes", lambda c: {"activation_ports": c.activation_ports + 1},
             lambda c: {"activation_ports": c.activation_ports - 1}),
    Resource("weight_ports", "words of weights a cycle", lambda c: {"weight_ports": c.weight_ports + 1},
             lambda c: {"weight_ports": c.weight_ports - 1}),
    Resource("queue_depth", "instructions in a queue", lambda c: {"queue_depth": min(2 * c.queue_depth, 64)},
             lambda c: {"queue_depth": c.queue_depth // 2}),
    Resource("vector_lanes", "lanes of the vector unit", lambda c: {"vector_lanes": 2 * c.vector_lanes or 2},
             lambda c: {"vector_lanes": c.vector_lanes // 2 if c.vector_lanes > 2 else 0}),
)  # fmt: skip
"""What is changed, one at a time. Of rows, memory keeps its bytes; of the memory beside the chip, the bus widens."""


def _banks(chip: Chip, count: int) -> Update:
    return {"scratchpad_banks": count, "scratchpad_bytes": count * chip.bank_words * chip.rows}


@dataclass(frozen=True)
class Change:
    """A resource changed. more: or less of it. text: from what to what. point: the chip judged; error: why there is
    none, where no chip can be so.
    """

    resource: str
    title: str
    more: bool
    array: bool
    text: str
    point: Point | None
    error: str = ""


@dataclass(frozen=True)
class Sensitivity:
    """What changes do to networks. base: the chip as it is. least: cycles that no schedule beats, by network, and
    whether its multiply-accumulates or its bytes make them.
    """

    networks: tuple[str, ...]
    base: Point
    changes: tuple[Change, ...]
    least: Mapping[str, tuple[int, str]]
    spent: Mapping[str, Mapping[str, int]] = field(repr=False)

    def saved(self, change: Change) -> float:
        """The part of the time of one inference of each network that a change saves; below 0 where it costs."""
        assert change.point is not None
        return 1 - change.point.latency / self.base.latency

    def mm2(self, change: Change) -> float:
        """Square millimetres that a change adds, modelled."""
        assert change.point is not None
        return change.point.mm2 - self.base.mm2

    def verdict(self, change: Change) -> str:
        """What to think of a change, in a few words."""
        if change.point is None:
            return f"cannot be: {change.error}"
        if change.point.error:
            return f"does not fit: {change.point.error}"
        saved = self.saved(change)
        if change.more:
            return "helps" if saved >= MATTERS else "does not help" if saved > -MATTERS else "makes it slower"
        return "not missed" if saved > -MATTERS else "missed"

    def bottleneck(self, network: str) -> str:
        """What holds a network up on the chip as it is, in a sentence."""
        (run,) = [run for run in self.base.runs if run.network == network]
        spent, (least, of) = self.spent[network], self.least[network]
        first, *others = sorted((part for part in spent.items() if part[1]), key=lambda part: -part[1])
        more = "".join(f", {100 * many / run.cycles:.0f} % to {name}" for name, many in others[:2])
        return (
            f"{network}: {run.cycles:,} cycles, {100 * first[1] / run.cycles:.0f} % of them go to {first[0]}{more}; "
            f"no schedule takes fewer than {least:,}, for its {of}."
        )

    def sentences(self) -> list[str]:
        """The bottleneck of each network; what helps most; what does not."""
        said = [self.bottleneck(network) for network in self.networks]
        real = [change for change in self.changes if change.point is not None and change.point.compiled]
        helps = sorted((c for c in real if c.more and self.verdict(c) == "helps"), key=lambda c: -self.saved(c))
        for change in helps[:3]:
            said.append(f"More {change.title} ({change.text}): {self._effect(change)}.")
        if not helps:
            said.append("One more of any resource does not help.")
        arrays = [change for change in real if change.more and change.array and self.verdict(change) != "helps"]
        for change in arrays:
            said.append(
                f"A bigger array does not help: {change.title}, {change.text}: {self._effect(change)}."
            )  # fmt: skip
        spare = [c for c in real if not c.more and self.verdict(c) == "not missed" and self.mm2(c) < 0]
        for change in sorted(spare, key=self.mm2)[:3]:
            said.append(f"Fewer {change.title} ({change.text}) would not be missed: {self._effect(change)}.")
        return said

    def _effect(self, change: Change) -> str:
        return f"{100 * (0.0 - self.saved(change)):+.1f} % time, {self.mm2(change):+.2f} mm2"

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        rows = []
        for change in self.changes:
            row: dict[str, Any] = {
                "resource": change.resource,
                "more": change.more,
                "change": change.text,
                "verdict": self.verdict(change),
            }
            if change.point is not None and change.point.compiled:
                row |= {
                    "saved": self.saved(change),
                    "mm2": self.mm2(change),
                    "energy_j": change.point.joules - self.base.joules,
                    "cycles": {run.network: run.cycles for run in change.point.runs},
                }
            rows.append(row)
        return {
            "networks": list(self.networks),
            "chip": self.base.to_json(),
            "least_cycles": {name: {"cycles": cycles, "for": of} for name, (cycles, of) in self.least.items()},
            "spent": {name: dict(parts) for name, parts in self.spent.items()},
            "changes": rows,
            "sentences": self.sentences(),
            "obtained": {
                "cycles": "timing simulator of the program compiled for the changed chip",
                "mm2": "modelled: gates fitted to synthesis on IHP SG13G2, memory macros by a formula",
            },
        }


def sensitivity(
    *models: "str | Path | ir.Model",
    chip: "str | Path | Chip" = "edge",
    data: str | Path | None = None,
    shape: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
    jobs: int | None = 1,
    progress: Progress | None = None,
) -> Sensitivity:
    """What more or less of each resource of a chip does to networks.

    models: files, models, or names of standard networks. jobs: processes; None: one a core.
    Raises LithifyError for what a step refuses, and for a network that the chip does not take.
    """
    if not models:
        raise LithifyError("No network was given; name at least one.")
    described = load_chip(chip)
    stage = Stages(progress or Silent(), 3)
    with stage("load and quantise"):
        named = [named_model(model, shape, seed) for model in models]
        workloads = [
            entry.workload for entry in renamed([source(name, model, data, seed=seed) for name, model in named])
        ]
    with stage(f"compile for {described.name}"):
        base = evaluate(0, {}, described, workloads, {})
        if base.error:
            raise LithifyError(base.error)
    known = {(run.network, *run.host): run.host_seconds for run in base.runs if run.host}
    changed = _changed(described)
    tasks = [
        Task(number, {}, change.point.chip) for number, change in enumerate(changed, 1) if change.point is not None
    ]
    found: dict[int, Point] = {}
    with stage("compile for changed chips") as watch, pool(workloads, jobs or cores(), None) as computes:
        for point in computes.compute(tasks, known):
            found[point.number] = point
            watch.update(len(found), len(tasks), "chips")
    return Sensitivity(
        tuple(work.name for work in workloads),
        base,
        tuple(_with(change, found.get(number)) for number, change in enumerate(changed, 1)),
        {work.name: _least(work.macs, work.bytes, described) for work in workloads},
        {run.network: run.spent for run in base.runs},
    )


def _least(macs: int, moved: int, chip: Chip) -> tuple[int, str]:
    compute, memory = -(-macs // chip.multipliers), -(-moved // chip.dram_bytes_per_cycle)
    return (compute, "multiply-accumulates") if compute >= memory else (memory, "bytes from memory")


def _changed(chip: Chip) -> list[Change]:
    """Every change, its point not judged yet."""
    made = []
    for resource in RESOURCES:
        for more in (True, False):
            update = resource.more(chip) if more else resource.less(chip)
            keys = {**chip.model_dump(by_alias=True), **update}
            text = ", ".join(
                f"{name} {getattr(chip, name):,} -> {value:,}"
                for name, value in update.items()
                if getattr(chip, name) != value
            )
            point, error = None, ""
            if not text:
                continue
            try:
                point = Point(0, {}, Chip.model_validate(keys), 0, 0.0, 0.0, 0.0)
            except ValidationError as failure:
                error = failure.errors()[0]["msg"].removeprefix("Value error, ").lower()
            made.append(Change(resource.name, resource.title, more, resource.array, text, point, error))
    return made


def _with(change: Change, point: Point | None) -> Change:
    return Change(change.resource, change.title, change.more, change.array, change.text, point, change.error)
