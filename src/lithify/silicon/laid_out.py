"""A layout project's own figures, and those of LibreLane's run in it, where there is one."""

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lithify.errors import LithifyError
from lithify.silicon.route.run import Routed, read_routed

FILE = "layout.json"
"""The project's own figures, in its folder."""

PICTURE = "floorplan.svg"

SCHEMA = 1


@dataclass(frozen=True)
class Planned:
    """What a layout project plans: before any tool of layout has run. Lengths in micrometres, areas in mm2.

    cell_mm2: standard cells as synthesised; macro_mm2, macros: of memory macros, and how many.
    """

    chip: str
    kit: str
    clock_hz: int
    width_um: float
    height_um: float
    cell_mm2: float
    macro_mm2: float
    macros: int

    @property
    def die_mm2(self) -> float:
        """The die."""
        return self.width_um * self.height_um / 1e6

    def to_text(self) -> str:
        """The text of layout.json."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n"


@dataclass(frozen=True)
class Figure:
    """A figure of a finished run. key: LibreLane's name of it; text: with its unit."""

    name: str
    key: str
    value: float
    text: str


@dataclass(frozen=True)
class LaidOut:
    """A layout project, and the results of LibreLane's newest run in it. run: its name, None where there is none.

    routed: modules that `lithify layout --route` placed and routed.
    """

    planned: Planned
    run: str | None
    figures: tuple[Figure, ...]
    routed: tuple[Routed, ...] = ()

    def figure(self, key: str) -> float | None:
        """A figure by LibreLane's name, None where the run does not state it."""
        return next((figure.value for figure in self.figures if figure.key == key), None)

    @property
    def faults(self) -> tuple[Figure, ...]:
        """Figures that must be 0 and are not, and slacks below 0."""
        return tuple(
            figure for figure in self.figures
            if (figure.key in _SLACKS and figure.value < 0) or (figure.key in _COUNTS and figure.value > 0)
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and texts."""
        results = {figure.key: figure.value for figure in self.figures}
        return {
            **asdict(self.planned), "die_mm2": self.planned.die_mm2, "run": self.run, "results": results,
            "routed": {entry.module: entry.to_json() for entry in self.routed},
        }  # fmt: skip


_AREAS = {
    "design__die__area": "die",
    "design__core__area": "core",
    "design__instance__area__stdcell": "standard cells",
    "design__instance__area__macros": "memory macros",
}
_SLACKS = {
    "timing__setup__ws": "worst setup slack, all corners",
    "timing__hold__ws": "worst hold slack, all corners",
}
_COUNTS = {
    "timing__setup_vio__count": "paths that miss setup",
    "timing__hold_vio__count": "paths that miss hold",
    "route__drc_errors": "routing rule violations",
    "magic__drc_error__count": "design rule violations (Magic)",
    "klayout__drc_error__count": "design rule violations (KLayout)",
    "design__lvs_error__count": "differences of layout and netlist",
    "antenna__violating__nets": "nets that violate antenna rules",
}


def read_layout(folder: Path) -> LaidOut:
    """A layout project and the newest finished run in it (`runs/*/final/metrics.json`, or `.csv`).

    Errors: LithifyError where the folder is no layout project, or a file of it cannot be read.
    """
    path = folder / FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        schema = table.pop("schema")
        planned = Planned(**table)
    except OSError as error:
        raise LithifyError(f"There is no '{path}': give the folder that `lithify layout` wrote.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LithifyError(f"'{path}' is none that `lithify layout` wrote; write the project again.") from error
    if schema != SCHEMA:
        raise LithifyError(f"'{path}' is of schema {schema!r}, this version reads {SCHEMA}; write the project again.")
    finished = [file for file in (*folder.glob("runs/*/final/metrics.json"), *folder.glob("runs/*/final/metrics.csv"))]
    if not finished:
        return LaidOut(planned, None, (), read_routed(folder))
    newest = max(finished, key=lambda file: (file.stat().st_mtime_ns, file.suffix == ".json"))
    return LaidOut(planned, newest.parents[1].name, _figures(_metrics(newest)), read_routed(folder))


def floorplan_of(folder: Path) -> str:
    """The picture of a project's floorplan, SVG; LithifyError where it is missing."""
    path = folder / PICTURE
    if not path.is_file():
        raise LithifyError(f"There is no '{path}': write the layout project again.")
    return path.read_text(encoding="utf-8")


def _metrics(path: Path) -> dict[str, float]:
    """The numbers of a run by LibreLane's names."""
    try:
        if path.suffix == ".json":
            rows = list(json.loads(path.read_text(encoding="utf-8")).items())
        else:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [(row[0], row[1]) for row in csv.reader(file) if len(row) == 2 and row[0] != "Metric"]
    except (OSError, ValueError, AttributeError) as error:
        raise LithifyError(f"'{path}' is not a result of LibreLane: {error}.") from error
    found = {}
    for key, value in rows:
        try:
            found[key] = float(value)
        except (TypeError, ValueError):
            continue  # metrics that are no numbers, such as a list of files
    return found


def _figures(metrics: dict[str, float]) -> tuple[Figure, ...]:
    found = [Figure(name, key, metrics[key], f"{metrics[key] / 1e6:.3f} mm2") for key, name in _AREAS.items()
             if key in metrics]  # fmt: skip
    if "design__instance__utilization" in metrics:
        share = metrics["design__instance__utilization"]
        found.append(Figure("share of the core that is filled", "design__instance__utilization", share, f"{share:.1%}"))
    for key, name in _SLACKS.items():
        if key in metrics:
            found.append(Figure(name, key, metrics[key], f"{metrics[key]:+.3f} ns"))
    if "power__total" in metrics:
        power = metrics["power__total"]
        found.append(Figure("power, switching assumed", "power__total", power, f"{power * 1e3:.1f} mW"))
    if "route__wirelength" in metrics:
        length = metrics["route__wirelength"]
        found.append(Figure("wires", "route__wirelength", length, f"{length / 1e6:.2f} m"))
    for key, name in _COUNTS.items():
        if key in metrics:
            found.append(Figure(name, key, metrics[key], f"{metrics[key]:,.0f}"))
    return tuple(found)
