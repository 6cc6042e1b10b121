"""A design that nextpnr has placed, as a problem for `anneal.cpp`: what may move, together with what, and every path.

Delays are those of a part of grade 6, scaled for the others. A wire's are medians of what nextpnr's router gave 83,000
connections of a whole system (docs/decisions/0041-cells-moved-again.md): its slowest path is 11.1 ns by them, was 11.5
routed, and 14.0 by the guess that nextpnr's placer goes by.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lithify.silicon.fpga.paths import GRADE_6, Delays

WIRES = ((0, 0.45), (1, 0.68), (2, 0.80), (3, 0.95), (5, 1.10), (8, 1.30), (12, 1.50), (20, 1.82), (30, 2.30),
         (50, 3.20), (90, 4.40), (300, 12.0))  # fmt: skip
"""Tiles from cell to cell, and ns."""

BESIDE_NS, PRODUCT_NS, SETUP_NS = 0.13, 0.15, 0.25
"""From a look-up table to its register; more for a wire to a multiplier; before the clock at a block RAM."""

GRADES = MappingProxyType({"6": 1.0, "7": 0.9, "8": 0.8})
"""Delays of a grade, relative to those of grade 6."""

KINDS = MappingProxyType(
    {"TRELLIS_COMB": 0, "TRELLIS_FF": 1, "TRELLIS_RAMW": 2, "DP16KD": 3, "MULT18X18D": 4}
)  # fmt: skip
"""Cells as `anneal.cpp` counts them; all others stay where they are."""

FIXED = 5
ROUTED, INSIDE, BESIDE = range(3)
PLACE, SLICE, TILES, STAYS = range(4)
"""Wires and classes of units as `anneal.cpp` counts them."""

_BEL = re.compile(r"X(\d+)/Y(\d+)/(.*)")
_SITE = re.compile(r"SLICE([ABCD])\.(K|FF|RAMW)(\d?)")
_CLOCKS = frozenset({"CLK", "WCK", "CLKA", "CLKB", "CLK0", "CLK1", "CLK2", "CLK3"})
_WRITER = 16


@dataclass(frozen=True)
class Place:
    """Where a cell is. site: of the tile: 0 to 7 look-up tables, 8 to 15 registers, 16 the writer of its memory; of
    other cells 0."""

    x: int
    y: int
    site: int


class Placed:
    """A design as `nextpnr-ecp5 --no-route --write` gives it."""

    def __init__(self, text: str) -> None:
        self.design = json.loads(text)
        (self.module,) = self.design["modules"].values()
        self.cells: Mapping[str, Any] = {
            name: cell for name, cell in self.module["cells"].items() if "NEXTPNR_BEL" in cell["attributes"]
        }
        self.places = {name: _place(cell) for name, cell in self.cells.items()}

    @property
    def movable(self) -> bool:
        """Whether it has cells that may move."""
        return any(KINDS.get(cell["type"], FIXED) <= KINDS["TRELLIS_RAMW"] for cell in self.cells.values())

    def problem(self, period_ns: float, grade: str, delays: Delays = GRADE_6) -> str:
        """What `anneal.cpp` reads. period_ns: to bring all paths inside; grade: of GRADES."""
        scale = GRADES[grade]
        number = {name: index for index, name in enumerate(self.cells)}
        drivers, sinks = self._nets()
        units, classes = self._units(drivers, sinks)
        resets, enables = _Numbers(), _Numbers()
        lines = [f"{period_ns:.3f} {BESIDE_NS * scale:.3f} {PRODUCT_NS * scale:.3f}", str(len(WIRES))]
        lines += [f"{tiles} {ns * scale:.4f}" for tiles, ns in WIRES]
        lines.append(str(len(self.cells)))
        for name, cell in self.cells.items():
            place, kind = self.places[name], KINDS.get(cell["type"], FIXED)
            reset = enable = -1
            middle = 0
            if kind == KINDS["TRELLIS_FF"]:
                reset, enable = resets.of(_reset(cell)), enables.of(_enable(cell))
                middle = int(not _takes_look_up(cell))
            elif kind == KINDS["TRELLIS_COMB"]:
                middle = int(_net(cell, "M") is not None)
            lines.append(f"{place.x} {place.y} {place.site} {kind} {units.get(name, -1)} {reset} {enable} {middle}")
        lines += [str(len(classes)), *map(str, classes)]

        nets = [net for net, (name, _) in drivers.items() if sinks[net] and self.cells[name]["type"] in KINDS]
        net_number = {net: index for index, net in enumerate(nets)}
        lines.append(str(len(nets)))
        pins: list[str] = []
        arcs: list[str] = []
        for net in nets:
            name, port = drivers[net]
            lines.append(f"{number[name]} {_start(self.cells[name], port, delays) * scale:.3f}")
            for sink, to in sinks[net]:
                cell = self.cells[sink]
                if cell["type"] not in KINDS or to in _CLOCKS:
                    continue
                for output, ns in _arcs(cell, to, delays):
                    after = None if output is None else _net(cell, output)
                    if output is None or after in net_number:
                        out = -1 if after is None else net_number[after]
                        arcs.append(f"{len(pins)} {out} {ns * scale:.4f}")
                pins.append(f"{net_number[net]} {number[sink]} {_wire(port, to)}")
        return "\n".join([*lines, str(len(pins)), *pins, str(len(arcs)), *arcs]) + "\n"

    def moved(self, places: Sequence[Place], target_hz: float) -> str:
        """The design with its cells at other places, in the order of `cells`, for nextpnr to route towards a clock."""
        blocks = {(here.x, here.y, cell["type"]): _BEL.match(cell["attributes"]["NEXTPNR_BEL"])
                  for here, cell in zip(self.places.values(), self.cells.values(), strict=True)}  # fmt: skip
        for cell, place in zip(self.cells.values(), places, strict=True):
            kind = cell["type"]
            if kind not in KINDS:
                continue
            slice_, half = "ABCD"[place.site % 8 // 2], place.site % 2
            if kind == "TRELLIS_COMB":
                site = f"SLICE{slice_}.K{half}"
            elif kind == "TRELLIS_FF":
                site = f"SLICE{slice_}.FF{half}"
            elif kind == "TRELLIS_RAMW":
                site = "SLICEC.RAMW"
            else:
                found = blocks[place.x, place.y, kind]
                assert found is not None
                site = found[3]
            cell["attributes"]["NEXTPNR_BEL"] = f"X{place.x}/Y{place.y}/{site}"
        self.module["settings"]["target_freq"] = f"{target_hz:.6f}"
        self.module["settings"].pop("router", None)  # else it would be stronger than the command line's
        return json.dumps(self.design)

    def _nets(self) -> tuple[dict[int, tuple[str, str]], dict[int, list[tuple[str, str]]]]:
        """Of every net its driver and its sinks: cell and port."""
        drivers: dict[int, tuple[str, str]] = {}
        sinks: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                for bit in bits:
                    if not isinstance(bit, int):
                        continue
                    if cell["port_directions"][port] == "output":
                        drivers[bit] = (name, port)
                    else:
                        sinks[bit].append((name, port))
        return drivers, sinks

    def _units(
        self, drivers: Mapping[int, tuple[str, str]], sinks: Mapping[int, list[tuple[str, str]]]
    ) -> tuple[dict[str, int], list[int]]:
        """The unit of every cell of a tile, and the class of every unit: cells move together that are joined inside
        their tiles, as carry chains, wide selections and memories are."""
        logic = [name for name, cell in self.cells.items() if KINDS.get(cell["type"], FIXED) <= KINDS["TRELLIS_RAMW"]]
        sets = _Sets(logic)
        for net, (name, port) in drivers.items():
            for sink, to in sinks[net]:
                if name in sets.parent and sink in sets.parent and (_wire(port, to) != ROUTED):
                    sets.join(name, sink)
        here: dict[tuple[int, int], dict[int, str]] = defaultdict(dict)
        for name in logic:
            here[self.places[name].x, self.places[name].y][self.places[name].site] = name
        for tile in here.values():
            for site, name in tile.items():
                mode, beside = self._mode(name), tile.get(site + 1)
                if mode == "CCU2" and site % 2 == 0 and beside is not None and self._mode(beside) == mode:
                    sets.join(name, beside)
                if mode in ("DPRAM", "RAMW_BLOCK") and _WRITER in tile:
                    sets.join(name, tile[_WRITER])
        units: dict[str, int] = {}
        classes: list[int] = []
        for members in sets.groups():
            for name in members:
                units[name] = len(classes)
            places = {(self.places[name].x, self.places[name].y, self.places[name].site % 8) for name in members}
            modes = {self._mode(name) for name in members}
            if modes & {"CCU2", "DPRAM", "RAMW_BLOCK"} or len({(x, y, site // 2) for x, y, site in places}) > 1:
                classes.append(TILES if len({y for _, y, _ in places}) == 1 else STAYS)
            else:
                classes.append(PLACE if len(places) == 1 else SLICE)
        return units, classes

    def _mode(self, name: str) -> str:
        return str(self.cells[name]["parameters"].get("MODE", "")).strip()


class _Numbers:
    """Numbers things in the order in which they come."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def of(self, thing: Any) -> int:
        return self.known.setdefault(thing, len(self.known))


class _Sets:
    """Sets of names that are joined."""

    def __init__(self, names: Iterable[str]) -> None:
        self.parent = {name: name for name in names}

    def find(self, name: str) -> str:
        while self.parent[name] != name:
            self.parent[name] = self.parent[self.parent[name]]
            name = self.parent[name]
        return name

    def join(self, one: str, other: str) -> None:
        self.parent[self.find(one)] = self.find(other)

    def groups(self) -> list[list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.parent:
            found[self.find(name)].append(name)
        return list(found.values())


def _place(cell: Mapping[str, Any]) -> Place:
    found = _BEL.match(cell["attributes"]["NEXTPNR_BEL"])
    assert found is not None, cell["attributes"]["NEXTPNR_BEL"]
    x, y, name = int(found[1]), int(found[2]), found[3]
    site = _SITE.fullmatch(name)
    if site is None:
        return Place(x, y, 0)
    if site[2] == "RAMW":
        return Place(x, y, _WRITER)
    return Place(x, y, 2 * "ABCD".index(site[1]) + int(site[3]) + (8 if site[2] == "FF" else 0))


def _net(cell: Mapping[str, Any], port: str) -> int | None:
    bits = cell["connections"].get(port) or [None]
    return bits[0] if isinstance(bits[0], int) else None


def _parameter(cell: Mapping[str, Any], name: str) -> str:
    return str(cell["parameters"].get(name, "")).strip()


def _reset(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    """What registers of one tile have to share."""
    net = _net(cell, "LSR")
    mux = _parameter(cell, "LSRMUX") if net is not None else ""
    return net, mux, _parameter(cell, "SRMODE"), _net(cell, "CLK"), _parameter(cell, "CLKMUX"), _parameter(cell, "GSR")


def _enable(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    """What registers of one slice have to share."""
    return _net(cell, "CE"), _parameter(cell, "CEMUX")


def _takes_look_up(cell: Mapping[str, Any]) -> bool:
    """Whether a register takes its value from the look-up table beside it; else by the middle input."""
    return _parameter(cell, "SD") == "1"


def _wire(port: str, to: str) -> int:
    """The wire between two ports, by their names alone."""
    if to in ("FCI", "FXA", "FXB", "F1") or port.startswith(("WDO", "WADO")):
        return INSIDE
    return BESIDE if to == "DI" else ROUTED


def _start(cell: Mapping[str, Any], port: str, delays: Delays) -> float:
    """When an output has its value after the clock, in ns; -1 where it waits for an input."""
    if cell["type"] == "TRELLIS_FF":
        return delays.clock_to_q
    if cell["type"] == "DP16KD":
        return delays.clock_to_q if _parameter(cell, f"REGMODE_{port[2]}") == "OUTREG" else delays.memory_to_q
    return -1.0


def _arcs(cell: Mapping[str, Any], port: str, d: Delays) -> list[tuple[str | None, float]]:
    """The outputs that wait for an input, and how long; None where the clock takes it."""
    kind = cell["type"]
    if kind in ("TRELLIS_FF", "TRELLIS_RAMW"):
        return [(None, 0.0)]
    if kind == "DP16KD":
        return [(None, SETUP_NS)]
    if kind == "MULT18X18D":
        if not re.fullmatch(r"[AB]\d+", port):
            return []
        return [(name, d.multiply) for name in cell["connections"] if re.fullmatch(r"P\d+", name)]
    if port == "WRE":
        return [(None, 0.0)]
    if port in ("WD", "WAD0", "WAD1", "WAD2", "WAD3"):
        return []
    if port == "FCI":
        return [("F", d.carry_out), ("FCO", d.carry / 2)]
    if port in ("A", "B", "C", "D"):
        return [("F", d.look_up), ("FCO", d.carry_in), ("OFX", d.look_up + d.select)]
    return [("OFX", d.select)]
