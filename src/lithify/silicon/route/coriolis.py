"""Placement and routing by Coriolis (the `coriolis-eda` wheel), in a process of its own.

Coriolis keeps its state in the process, prints as it likes and may crash: so this module is also the program that runs
it, on a job in a JSON file. Lengths are nanometres.
"""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lithify.errors import LithifyError

SETTINGS: Mapping[str, Any] = {
    "etesian.bloat": "disabled", "etesian.uniformDensity": True, "etesian.densityVariation": 0.05,
    "etesian.spaceMargin": 0.4, "etesian.routingDriven": False, "etesian.tieName": None, "etesian.effort": 2,
    "etesian.antennaInsertThreshold": 0.5, "etesian.graphics": 2, "anabatic.globalLengthThreshold": 1450,
    "anabatic.saturateRatio": 0.9, "anabatic.saturateRp": 10, "anabatic.edgeLength": 192, "anabatic.edgeWidth": 32,
    "anabatic.edgeCostH": 9.0, "anabatic.edgeCostK": -10.0, "anabatic.edgeHInc": 1.0, "anabatic.edgeHScaling": 1.0,
    "anabatic.globalIterations": 20, "anabatic.gcell.displayMode": 1, "anabatic.netBuilderStyle": "HV,3RL+",
    "katana.disableStackedVias": False, "katana.hTracksReservedLocal": 4, "katana.vTracksReservedLocal": 3,
    "katana.hTracksReservedMin": 1, "katana.vTracksReservedMin": 1, "katana.termSatReservedLocal": 8,
    "katana.termSatThreshold": 9, "katana.trackFill": 0, "katana.runRealignStage": False,
    "katana.eventsLimit": 40_000_000, "katana.ripupCost": 3, "katana.strapRipupLimit": 16,
    "katana.localRipupLimit": 9, "katana.globalRipupLimit": 5, "katana.longGlobalRipupLimit": 5,
    "chip.padCoreSide": "South", "crlcore.groundName": "VSS", "crlcore.powerName": "VDD",
}  # fmt: skip
"""Coriolis' own names. The wheel sets none of these itself outside of its built-in technologies."""


@dataclass(frozen=True)
class Laid:
    """What Coriolis made. cells: instance -> master, x, y and whether it is upside down; x and y are of its corner that
    is the lower left one while it is not. wires: net -> layer and box each; vias: net -> the metal below, x and y.
    """

    cells: Mapping[str, tuple[str, int, int, bool]]
    wires: Mapping[str, Sequence[tuple[str, int, int, int, int]]]
    vias: Mapping[str, Sequence[tuple[str, int, int]]]


def need_coriolis() -> None:
    """LithifyError where the wheel is not installed."""
    if importlib.util.find_spec("coriolis") is None:
        raise LithifyError("Placing and routing needs Coriolis: pip install 'lithify[layout]'.")


def lay_out(job: Mapping[str, Any], folder: Path) -> Laid:
    """Run a job in `folder`: place its cells, or route between cells that all have their place.

    Errors: LithifyError where Coriolis is missing or ends without a result.
    """
    need_coriolis()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    source = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])}
    with (folder / "coriolis.log").open("w", encoding="utf-8", errors="replace") as log:
        command = [sys.executable, "-m", "lithify.silicon.route.coriolis", "job.json", "result.json"]
        run = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            run.wait()
        except BaseException:
            run.kill()
            run.wait()
            raise
    if run.returncode or not result.is_file():
        text = (folder / "coriolis.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise LithifyError(
            f"Coriolis ended with status {run.returncode} and no layout: {text[-1].strip() if text else 'no message'}"
        )
    table = json.loads(result.read_text(encoding="utf-8"))
    return Laid(
        {name: (master, x, y, flipped) for name, (master, x, y, flipped) in table["cells"].items()},
        {net: [tuple(wire) for wire in wires] for net, wires in table["wires"].items()},
        {net: [tuple(via) for via in vias] for net, vias in table["vias"].items()},
    )


class _Session:
    """A job inside Coriolis."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job
        # All parts of the wheel are loaded, or its types are not known to each other.
        names = ("Cfg", "Hurricane", "Viewer", "CRL", "Etesian", "Anabatic", "Katana", "helpers.overlay", "helpers")
        for name in names:
            setattr(self, name.replace(".", "_"), importlib.import_module(f"coriolis.{name}"))
        self.h: Any = self.Hurricane  # type: ignore[attr-defined]
        self.crl: Any = self.CRL  # type: ignore[attr-defined]
        self.database = self.h.DataBase.create()
        self.crl.System.get()
        self.framework = self.crl.AllianceFramework.get()
        self.technology: Any = None
        self.cells: dict[str, Any] = {}
        self.nets: dict[str, Any] = {}

    def unit(self, nanometres: int) -> int:
        """A length as Hurricane counts it."""
        return int(self.h.DbU.fromPhysical(nanometres / 1000, self.h.DbU.UnitPowerMicro))

    def nanometres(self, units: int) -> int:
        return round(float(self.h.DbU.toPhysical(units, self.h.DbU.UnitPowerMicro)) * 1000)

    def session(self) -> Any:
        return self.helpers_overlay.UpdateSession()  # type: ignore[attr-defined]

    def describe(self) -> None:
        """Layers, vias, tracks and rows."""
        h, crl, job, unit = self.h, self.crl, self.job, self.unit
        tech = self.technology = h.Technology.create(self.database, "kit")
        h.DbU.setPrecision(2)
        h.DbU.setPhysicalsPerGrid(job["grid"] / 1000, h.DbU.UnitPowerMicro)
        h.DbU.setGridsPerLambda(26)
        h.DbU.setSymbolicSnapGridStep(h.DbU.fromGrid(1.0))
        h.DbU.setPolygonStep(h.DbU.fromGrid(1.0))
        h.DbU.setStringMode(h.DbU.StringModePhysical, h.DbU.UnitPowerMicro)
        material = h.BasicLayer.Material
        for entry in job["layers"]:
            h.BasicLayer.create(tech, entry["name"] + ".obs", material(material.blockage))
        for below, entry in zip((None, *job["layers"]), job["layers"], strict=False):
            if below is not None:
                cut = h.BasicLayer.create(tech, entry["cut"], material(material.cut))
                cut.setMinimalSize(unit(job["cut"]))
                cut.setMinimalSpacing(unit(job["cut_spacing"]))
            metal = h.BasicLayer.create(tech, entry["name"], material(material.metal))
            metal.setMinimalSize(unit(entry["width"]))
            metal.setMinimalSpacing(unit(entry["spacing"]))
            metal.setMinimalArea(entry["area"] / 1e6)
            metal.setBlockageLayer(tech.getLayer(entry["name"] + ".obs"))
        for below, entry in zip(job["layers"], job["layers"][1:], strict=False):
            via = h.ViaLayer.create(
                tech, f"{below['name']}_{entry['name']}", tech.getLayer(below["name"]), tech.getLayer(entry["cut"]),
                tech.getLayer(entry["name"]),
            )  # fmt: skip
            via.setMinimalSize(unit(job["cut"]))
            for side in (below, entry):
                along, across = unit(job["pad"][0]), unit(job["pad"][1])
                layer = tech.getLayer(side["name"])
                via.setEnclosure(layer, along if side["horizontal"] else across, h.Layer.EnclosureH)
                via.setEnclosure(layer, across if side["horizontal"] else along, h.Layer.EnclosureV)
        for name in ("text.cell", "text.instance", "SPL1", "AutoLayer"):
            h.BasicLayer.create(tech, name, material(material.other))
        for name, kind in (("gmetalh", material.metal), ("gcontact", material.cut), ("gmetalv", material.metal)):
            h.BasicLayer.create(tech, name, material(kind))
        gauge, tracks = crl.RoutingGauge.create("kit"), crl.RoutingLayerGauge
        gauge.setSymbolic(False)
        for depth, entry in enumerate(job["layers"]):
            gauge.addLayerGauge(
                tracks.create(
                    tech.getLayer(entry["name"]),
                    tracks.Horizontal if entry["horizontal"] else tracks.Vertical,
                    tracks.Default if depth else tracks.PinOnly,
                    depth,
                    0.0,
                    0,
                    unit(entry["pitch"]),
                    unit(entry["width"]),
                    unit(entry["width"]),
                    unit(job["cut"]),
                    0,
                )
            )
        self.framework.addRoutingGauge(gauge)
        self.framework.setRoutingGauge("kit")
        first = job["layers"][0]["name"]
        rows = crl.CellGauge.create("kit", first, unit(job["site"]), unit(job["row"]), unit(job["site"]))
        self.framework.addCellGauge(rows)
        self.framework.setCellGauge("kit")

    def configure(self) -> None:
        """Coriolis' settings."""
        overlay: Any = self.helpers_overlay  # type: ignore[attr-defined]
        cfg_module: Any = self.Cfg  # type: ignore[attr-defined]
        anabatic: Any = self.Anabatic  # type: ignore[attr-defined]
        environment = self.framework.getEnvironment()
        environment.setCLOCK("^no clock$")
        environment.setPOWER("^VDD$")
        environment.setGROUND("^VSS$")
        with overlay.CfgCache(priority=cfg_module.Parameter.Priority.ConfigurationFile) as cfg:
            for name in ("catchCore", "info", "paranoid", "bug", "logMode", "verboseLevel2"):
                setattr(cfg.misc, name, False)
            cfg.misc.verboseLevel1 = True
            top = self.job["layers"][-1]["name"]
            feeds = ",".join(self.job["fillers"])
            special = {
                "anabatic.routingGauge": "kit", "anabatic.cellGauge": "kit", "anabatic.topRoutingLayer": top,
                "anabatic.routingStyle": anabatic.StyleFlags.HV, "etesian.feedNames": feeds,
                "etesian.defaultFeed": self.job["fillers"][-1], "etesian.latchUpDistance": self.unit(1_000_000),
                "etesian.antennaGateMaxWL": 0, "etesian.antennaDiodeMaxWL": 0, "etesian.cell.zero": "none",
                "etesian.cell.one": "none", "etesian.aspectRatio": 1.0,
            }  # fmt: skip
            for path, value in {**SETTINGS, **special, **self.job.get("settings", {})}.items():
                place = cfg
                *parents, last = path.split(".")
                for parent in parents:
                    place = getattr(place, parent)
                setattr(place, last, value)

    def library(self) -> None:
        """Cells as outlines with the stubs on their pins."""
        h, unit = self.h, self.unit
        library = h.Library.create(self.database.getRootLibrary(), "cells")
        self.framework.wrapLibrary(library, 0)
        blocked = "obstacles"
        with self.session():
            for name, entry in self.job["cells"].items():
                cell = self.cells[name] = h.Cell.create(library, name)
                cell.setAbutmentBox(h.Box(0, 0, unit(entry["width"]), unit(entry["height"])))
                for pin, (output, x, bottom, top) in entry["pins"].items():
                    net = h.Net.create(cell, pin)
                    net.setExternal(True)
                    net.setDirection(h.Net.Direction.OUT if output else h.Net.Direction.IN)
                    layer = self.technology.getLayer(self.job["layers"][0]["name"])
                    width = self.job["layers"][0]["width"]
                    stub = h.Vertical.create(net, layer, unit(x), unit(width), unit(bottom), unit(top))
                    h.NetExternalComponents.setExternal(stub)
                for supply, kind in (("VDD", h.Net.Type.POWER), ("VSS", h.Net.Type.GROUND)):
                    net = h.Net.create(cell, supply)
                    net.setExternal(True)
                    net.setGlobal(True)
                    net.setType(kind)
                    net.setDirection(h.Net.Direction.IN)
                if entry["obstacles"]:
                    net = h.Net.create(cell, blocked)
                    net.setType(h.Net.Type.BLOCKAGE)
                    for metal, left, bottom, right, top in entry["obstacles"]:
                        layer = self.technology.getLayer(metal + ".obs")
                        middle, height = (bottom + top) // 2, top - bottom
                        h.Horizontal.create(net, layer, unit(middle), unit(height), unit(left), unit(right))
                cell.setTerminalNetlist(True)
                if name in self.job["fillers"]:
                    cell.setFeed(True)
        self.framework.wrapLibrary(library, 1)

    def netlist(self) -> Any:
        """The design, its die and its ports."""
        h, unit, job = self.h, self.unit, self.job
        work = h.Library.create(self.database.getRootLibrary(), "design")
        with self.session():
            top = h.Cell.create(work, "design")
            for supply, kind in (("VDD", h.Net.Type.POWER), ("VSS", h.Net.Type.GROUND)):
                net = h.Net.create(top, supply)
                net.setExternal(True)
                net.setGlobal(True)
                net.setType(kind)
            h.Net.create(top, "blockagenet").setType(h.Net.Type.BLOCKAGE)
            for name in job["nets"]:
                self.nets[name] = h.Net.create(top, name)
            for name, master, wires, fixed in job["instances"]:
                cell = self.cells[master]
                instance = h.Instance.create(top, name, cell)
                for pin, net in wires.items():
                    instance.getPlug(cell.getNet(pin)).setNet(self.nets[net])
                if fixed is not None:
                    x, y, flipped = fixed
                    kinds = h.Transformation.Orientation
                    turned = h.Transformation(unit(x), unit(y), kinds.MY if flipped else kinds.ID)
                    instance.setTransformation(turned)
                    instance.setPlacementStatus(h.Instance.PlacementStatus.FIXED)
            top.setAbutmentBox(h.Box(0, 0, unit(job["die"][0]), unit(job["die"][1])))
            for number, (name, output, side, at) in enumerate(job["ports"]):
                net = self.nets[name]
                net.setExternal(True)
                net.setDirection(h.Net.Direction.OUT if output else h.Net.Direction.IN)
                horizontal = side in "WE"
                entry = next(entry for entry in job["layers"][1:] if entry["horizontal"] == horizontal)
                far = {"W": 0, "E": job["die"][0], "S": 0, "N": job["die"][1]}[side]
                x, y = (far, at) if horizontal else (at, far)
                direction = {"W": "WEST", "E": "EAST", "S": "SOUTH", "N": "NORTH"}[side]
                pin = h.Pin.create(
                    net, f"port.{number}", getattr(h.Pin.Direction, direction), h.Pin.PlacementStatus.FIXED,
                    self.technology.getLayer(entry["name"]), unit(x), unit(y), unit(entry["width"]),
                    unit(entry["width"]),
                )  # fmt: skip
                h.NetExternalComponents.setExternal(pin)
        return top

    def run(self, top: Any) -> None:
        """Place the cells, or route between cells that are placed."""
        top.flattenNets(None, [], self.h.Cell.Flags_NoFlags)
        if not self.job["route"]:
            etesian = self.Etesian.EtesianEngine.create(top)  # type: ignore[attr-defined]
            etesian.place()
            etesian.clearColoquinte()
            etesian.toHurricane()
            etesian.destroy()
            return
        anabatic: Any = self.Anabatic  # type: ignore[attr-defined]
        module: Any = self.Katana  # type: ignore[attr-defined]
        katana = module.KatanaEngine.create(top)
        katana.digitalInit()
        katana.runGlobalRouter(module.Flags.NoFlags)
        katana.loadGlobalRouting(anabatic.EngineLoadGrByNet)
        katana.layerAssign(anabatic.EngineNoNetLayerAssign)
        katana.runNegociate(module.Flags.NoFlags)
        katana.finalizeLayout()
        katana.destroy()

    def result(self, top: Any) -> dict[str, Any]:
        """Places, wires and vias."""
        nanometres = self.nanometres
        cells = {}
        for instance in top.getInstances():
            if instance.getMasterCell().getName() in self.job["fillers"]:
                continue
            turned = instance.getTransformation()
            kinds = self.h.Transformation.Orientation
            orientation = int(turned.getOrientation())
            if orientation not in (int(kinds.ID), int(kinds.MY)):
                raise ValueError(f"'{instance.getName()}' is turned by {orientation}, which is not expected of a row")
            place = (nanometres(turned.getTx()), nanometres(turned.getTy()))
            cells[instance.getName()] = [instance.getMasterCell().getName(), *place, orientation == int(kinds.MY)]
        vias_of = {f"{a['name']}_{b['name']}": a["name"] for a, b in pairwise(self.job["layers"])}
        wires: dict[str, list[Any]] = {}
        vias: dict[str, list[Any]] = {}
        for name, net in self.nets.items():
            wires[name], vias[name] = [], []
            for component in net.getComponents():
                if type(component).__name__ not in ("Horizontal", "Vertical", "Contact"):
                    continue
                box, layer = component.getBoundingBox(), component.getLayer().getName()
                sides = [nanometres(side) for side in (box.getXMin(), box.getYMin(), box.getXMax(), box.getYMax())]
                if layer in vias_of:
                    vias[name].append([vias_of[layer], (sides[0] + sides[2]) // 2, (sides[1] + sides[3]) // 2])
                else:
                    wires[name].append([layer, *sides])
        return {"cells": cells, "wires": wires, "vias": vias}


def main(job: str, result: str) -> None:
    """Run a job from a file, and write its result to another."""
    session = _Session(json.loads(Path(job).read_text(encoding="utf-8")))
    session.describe()
    session.configure()
    session.library()
    top = session.netlist()
    session.run(top)
    Path(result).write_text(json.dumps(session.result(top)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    # Coriolis' destructors at the end of the process are not to be trusted with a result that is written.
    os._exit(0)
