"""A module of a synthesised chip, placed, routed, drawn, checked and timed."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lithify.chip.clock import MARGIN
from lithify.errors import LithifyError
from lithify.folder import whole_folder, write_text
from lithify.progress import Progress, Silent, Stages
from lithify.silicon.asic import Asic
from lithify.silicon.clock import sta_program
from lithify.silicon.kit import Kit, RouteNames
from lithify.silicon.netlist import read_netlist
from lithify.silicon.route.access import stubs
from lithify.silicon.route.check import connections, metal_rules
from lithify.silicon.route.coriolis import need_coriolis
from lithify.silicon.route.design import Design, flat_design
from lithify.silicon.route.drawing import draw, need_klayout, write_gds, write_picture
from lithify.silicon.route.flow import place_and_route
from lithify.silicon.route.lef import Outline, read_outlines
from lithify.silicon.route.parasitics import net_wires, spef
from lithify.silicon.route.physical import accesses
from lithify.silicon.route.repair import repair
from lithify.silicon.route.stack import kit_stack
from lithify.silicon.route.timing import netlist_text, pin_loads, time_layout

FOLDER = "routed"
"""Routed modules lie in this folder of a layout project, each in one of its own name."""

RESULT = "routed.json"

SCHEMA = 1

FILLED = 0.5
"""Share of the die that cells fill."""

NOTES = (
    "No clock tree: the clock is a net like others, and ideal in the timing.",
    "No power grid: the rails of the rows are drawn, but no straps join them.",
    "No cell was made stronger or added after placement.",
    "Checked: that every net is one piece of metal and touches no other, and width, spacing, area and enclosure by the "
    "kit's LEF above the cells. Not checked: the other design rules, antennas, densities, and the cells inside.",
    "Capacitances are those of the kit's LEF, without neighbours; temperature and voltage of the typical corner.",
)
"""What the figures leave out."""


@dataclass(frozen=True)
class Routed:
    """What a module became. Lengths in micrometres, areas in mm2, times in nanoseconds.

    cells, nets: how many, without fillers; filled: share of the die that the cells cover. wire_mm: of all nets; vias:
    without those to pins. again: nets that were led again after Coriolis; left: nets that have no way. broken, shorted:
    as found in the drawing. rules: rule -> violations, those that are violated. bare_ns: the slowest path between
    registers without wires, wired_ns: with those of the layout; None where OpenSTA is not installed or there is none.
    """

    module: str
    cells: int
    nets: int
    width_um: float
    height_um: float
    cell_mm2: float
    filled: float
    wire_mm: float
    vias: int
    wire_pf: float
    again: int
    left: tuple[str, ...]
    broken: tuple[str, ...]
    shorted: tuple[tuple[str, ...], ...]
    rules: Mapping[str, int]
    bare_ns: float | None
    wired_ns: float | None
    start: str
    end: str
    notes: tuple[str, ...]

    @property
    def wires(self) -> float | None:
        """What the wires add to the slowest path, as a share."""
        return None if self.bare_ns is None or self.wired_ns is None else self.wired_ns / self.bare_ns - 1.0

    @property
    def whole(self) -> bool:
        """Whether every net is routed, and no checked rule violated."""
        return not (self.left or self.broken or self.shorted or self.rules)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and texts."""
        return {"schema": SCHEMA, **asdict(self)}


def need_tools(kit: Kit) -> RouteNames:
    """What the kit says for routing; LithifyError where it says nothing, or a package is missing."""
    if kit.layout is None or kit.layout.route is None:
        raise LithifyError(f"The kit '{kit.name}' is not described for placement and routing; see docs/silicon.md.")
    for needed in (need_coriolis, need_klayout):
        needed()
    return kit.layout.route


def check_modules(asic: Asic, kit: Kit, modules: Sequence[str]) -> None:
    """Errors: LithifyError where one of the modules cannot be routed (`module_design`)."""
    if modules:
        names = need_tools(kit)
        outlines = read_outlines(kit.folder / names.outlines)
        for module in modules:
            module_design(asic, module, outlines)


def module_design(asic: Asic, module: str, outlines: Mapping[str, Outline]) -> Design:
    """The flat netlist of a module.

    Errors: LithifyError where the chip has no such module, or it holds memory macros.
    """
    modules = sorted(name.removesuffix(".v") for name in asic.job.files if name.endswith(".v"))
    if module not in modules:
        raise LithifyError(f"The chip has no module '{module}' to route; its modules are {', '.join(modules)}.")
    design = flat_design(module, read_netlist(asic.netlist.read_text(encoding="utf-8"), module, lambda kind: True))
    foreign = sorted({cell.kind for cell in design.cells.values()} - set(outlines))
    if foreign:
        raise LithifyError(
            f"The module '{module}' holds the memory macro '{foreign[0]}': modules of standard cells alone are routed "
            "here; LibreLane lays out whole chips."
        )
    if not design.cells:
        raise LithifyError(f"The module '{module}' has no cells to route; choose another.")
    return design


def route_module(asic: Asic, kit: Kit, module: str, folder: Path, progress: Progress | None = None) -> Routed:
    """Place and route a module, and write its GDS, netlist, wires, timing, picture and figures to `folder`.

    Errors: LithifyError as `need_tools` and `module_design`, and where Coriolis or OpenSTA fails.
    """
    names = need_tools(kit)
    outlines = read_outlines(kit.folder / names.outlines)
    return route_design(module_design(asic, module, outlines), kit, folder, progress)


def route_design(design: Design, kit: Kit, folder: Path, progress: Progress | None = None) -> Routed:
    """The same of a flat netlist of the kit's cells; its clock, if it has one, is the port `clk`."""
    names = need_tools(kit)
    stack = kit_stack(kit, names)
    outlines = read_outlines(kit.folder / names.outlines)
    module = design.name
    kinds = {cell.kind for cell in design.cells.values()}
    reach = {kind: stubs(outlines[kind], stack) for kind in sorted(kinds | set(names.fillers))}
    stages = Stages(Silent() if progress is None else progress, 5)
    with whole_folder(folder, last=RESULT) as work:
        with stages("Coriolis"), tempfile.TemporaryDirectory(prefix="lithify-") as scratch:
            raw = place_and_route(design, outlines, reach, stack, Path(scratch), filled=FILLED)
        with stages("nets led again"):
            reached = accesses(raw, reach, outlines)
            found = repair(raw, reached, stack)
            physical = found.physical
        with stages("drawing"):
            layout = draw(physical, reached, stack, [kit.folder / names.cells])
            write_gds(layout, work / f"{module}.gds")
            write_picture(work / f"{module}.gds", work / f"{module}.png")
        with stages("check"):
            joined = connections(layout, reached, physical.ports, stack)
            rules = {rule: count for rule, count in metal_rules(layout, stack).items() if count}
        wires = {
            net: net_wires(physical, net, reached[net], stack)
            for net in design.nets
            if len(reached[net]) + (net in design.ports) > 1
        }
        weights = spef(module, wires, outlines, physical)
        write_text(work / "netlist.v", netlist_text(design))
        write_text(work / "wires.spef", weights)
        bare = wired = None
        with stages("OpenSTA"):
            clocked = "clk" in design.ports and any("CLK" in cell.wires for cell in design.cells.values())
            if sta_program() is not None and clocked:
                loads = pin_loads(kit.cells("typical"))
                bare = time_layout(design, [kit.cells("typical")], None)
                heavy = spef(module, wires, outlines, physical, loads)
                wired = time_layout(design, [kit.cells("typical")], heavy)
                if wired is not None:
                    write_text(work / "path.txt", wired.report)
        area = sum(outlines[cell.kind].width * outlines[cell.kind].height for cell in design.cells.values())
        notes = NOTES if wired is not None else (
            *NOTES, "No clock: OpenSTA is not installed (apt-get install opensta), or no register leads to another.",
        )  # fmt: skip
        routed = Routed(
            module, len(design.cells), len(wires), physical.die[0] / 1e3, physical.die[1] / 1e3, area / 1e12,
            area / (physical.die[0] * physical.die[1]), sum(entry.length for entry in wires.values()) / 1e6,
            sum(len(vias) for vias in physical.vias.values()),
            sum(entry.capacitance for entry in wires.values()) * 1e12, found.again, found.left, joined.broken,
            joined.shorted, rules, None if bare is None else bare.period * 1e9,
            None if wired is None else wired.period * 1e9, "" if wired is None else wired.start,
            "" if wired is None else wired.end, notes,
        )  # fmt: skip
        write_text(work / RESULT, json.dumps(routed.to_json(), indent=2) + "\n")
    return routed


def read_routed(folder: Path) -> tuple[Routed, ...]:
    """The modules that were routed in a layout project, by name.

    Errors: LithifyError where a file of them cannot be read.
    """
    found = []
    for path in sorted((folder / FOLDER).glob(f"*/{RESULT}")):
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            if table.pop("schema") != SCHEMA:
                raise ValueError("of another version")
            lists = {
                "left": tuple(table["left"]), "broken": tuple(table["broken"]), "notes": tuple(table["notes"]),
                "shorted": tuple(tuple(names) for names in table["shorted"]),
            }  # fmt: skip
            found.append(Routed(**{**table, **lists}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LithifyError(f"'{path}' is none that `lithify layout` wrote; route the module again.") from error
    return tuple(found)


ASSUMED = MARGIN - 1.0
"""What the reports of synthesis add to every path for wires."""
