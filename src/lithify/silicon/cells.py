"""What a cell computes, and what it takes of energy, from a liberty file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError

SLEW = 0.1
"""Nanoseconds that an edge is taken to last where energies are looked up: tables hardly depend on it below 0.3 ns."""

Floats = NDArray[np.float64]


@dataclass
class Group:
    """`kind (names) { ... }` of a liberty file."""

    kind: str
    names: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def of(self, *kinds: str) -> list["Group"]:
        """The groups of some kinds in it."""
        return [group for group in self.groups if group.kind in kinds]


@dataclass(frozen=True)
class Table:
    """Picojoules of one edge, by the load in picofarads."""

    loads: Floats
    energies: Floats

    def at(self, loads: Floats) -> Floats:
        """Picojoules for each load; beyond the table's ends those of its ends."""
        return np.interp(loads, self.loads, self.energies)


@dataclass(frozen=True)
class Energy:
    """Energy of an edge of a pin while `when` holds (None: always). related: of an output, the pin that caused it."""

    when: str | None
    related: str | None
    rise: Table
    fall: Table


@dataclass(frozen=True)
class Pin:
    """A pin, or all bits of a bus. capacitance: picofarads; function: of an output; clock: whether it is one."""

    name: str
    output: bool
    capacitance: float
    function: str | None
    clock: bool
    energies: tuple[Energy, ...]


@dataclass(frozen=True)
class Cell:
    """leakage: watts. registered: it has a state, so that its outputs are not functions of its pins.

    Of a register, as functions: state, inverse: its names in them; clock: whose rising edge takes `next_state`; held:
    what forces the state meanwhile (asynchronous resets).
    """

    name: str
    pins: Mapping[str, Pin]
    leakage: float
    registered: bool
    state: str | None
    inverse: str | None = None
    clock: str | None = None
    next_state: str | None = None
    held: tuple[str, ...] = ()


@dataclass(frozen=True)
class Library:
    """The cells of a liberty file at its nominal voltage, volts."""

    cells: Mapping[str, Cell]
    voltage: float


_COMMENT = re.compile(r"/\*.*?\*/|\\\s*\n", re.DOTALL)
_GROUP = re.compile(r'\s*(\w+)\s*\(((?:[^()"]|"[^"]*")*)\)\s*([{;]?)')
_ATTRIBUTE = re.compile(r'\s*(\w+)\s*:\s*("[^"]*"|[^;\n}]*)[ \t]*;?')
_END = re.compile(r"[\s;]*(\}|$)")
_UNITS = {"leakage_power_unit": {"1pW": 1e-12, "1nW": 1e-9, "1uW": 1e-6, "1mW": 1e-3, "10pW": 1e-11, "100pW": 1e-10}}
_FEMTO = re.compile(r'capacitive_load_unit\s*\(\s*"?([0-9.]+)"?\s*,\s*"?(\w+)"?\s*\)')


def parse(text: str, where: str) -> Group:
    """The tree of groups; LithifyError where the text is none."""
    text = _COMMENT.sub(" ", text)
    top = Group("", "")
    stack, place = [top], 0
    while stack:
        if end := _END.match(text, place):
            stack.pop()
            place = end.end()
            if not end[1]:
                break
        elif found := _GROUP.match(text, place):
            place = found.end()
            if found[3] == "{":
                group = Group(found[1], found[2].replace('"', "").strip())
                stack[-1].groups.append(group)
                stack.append(group)
            else:
                stack[-1].attributes[found[1]] = found[2].replace('"', "").strip()
        elif found := _ATTRIBUTE.match(text, place):
            place = found.end()
            stack[-1].attributes[found[1]] = found[2].strip().strip('"')
        else:
            line = text.count("\n", 0, len(text) - len(text[place:].lstrip())) + 1
            raise LithifyError(f"The liberty file '{where}' cannot be read near line {line}.")
    libraries = top.of("library")
    if not libraries:
        raise LithifyError(f"The liberty file '{where}' holds no library.")
    return libraries[0]


@cache
def library(path: Path) -> Library:
    """The cells of a liberty file with loads in picofarads and internal energies in picojoules.

    Errors: LithifyError for a file that is missing, is no liberty file, or has other units.
    """
    if not path.is_file():
        raise LithifyError(f"The kit has no file '{path}': name the folder of a whole kit.")
    text = path.read_text(encoding="utf-8", errors="replace")
    unit = _FEMTO.search(text)
    top = parse(text, path.name)
    leak = _UNITS["leakage_power_unit"].get(top.attributes.get("leakage_power_unit", "").replace(" ", ""))
    if unit is None or float(unit[1]) != 1 or unit[2].lower() != "pf" or leak is None:
        raise LithifyError(f"The liberty file '{path.name}' has units other than picofarads and watts: not supported.")
    templates = {group.names: _axis(group) for group in top.of("power_lut_template", "lu_table_template")}
    voltage = float(top.attributes["nom_voltage"])
    return Library({group.names: _cell(group, leak, templates) for group in top.of("cell")}, voltage)


def _axis(group: Group) -> tuple[Floats, Floats]:
    """Slews and loads of a template; one of no slews or no loads has one, 0."""
    axes = {"slew": np.zeros(1), "load": np.zeros(1)}
    for index in ("1", "2"):
        variable = group.attributes.get(f"variable_{index}", "")
        if f"index_{index}" in group.attributes:
            axes["load" if "capacitance" in variable else "slew"] = _numbers(group.attributes[f"index_{index}"])
    return axes["slew"], axes["load"]


def _numbers(text: str) -> Floats:
    return np.array([float(word) for word in text.replace(",", " ").split()])


def _table(group: Group | None, templates: Mapping[str, tuple[Floats, Floats]]) -> Table:
    if group is None:
        return Table(np.zeros(1), np.zeros(1))
    values = _numbers(group.attributes["values"])
    slews, loads = templates.get(group.names, (np.zeros(1), np.zeros(1)))
    if values.size != slews.size * loads.size:
        values, slews, loads = values[:1], np.zeros(1), np.zeros(1)
    rows = values.reshape(slews.size, loads.size)
    return Table(loads, np.array([np.interp(SLEW, slews, column) for column in rows.T]))


def _cell(group: Group, leak: float, templates: Mapping[str, tuple[Floats, Floats]]) -> Cell:
    pins = {}
    for entry in group.of("pin", "bus"):
        attributes = dict(entry.attributes)
        inner = [part for part in entry.of("pin") if entry.kind == "bus"]
        energies = [*entry.of("internal_power"), *(power for part in inner for power in part.of("internal_power"))]
        if attributes.get("direction") == "internal":
            continue
        pins[entry.names] = Pin(
            entry.names,
            attributes.get("direction") == "output",
            float(attributes.get("capacitance", 0.0)),
            attributes.get("function"),
            attributes.get("clock", "false") == "true",
            tuple(
                Energy(
                    power.attributes.get("when"),
                    power.attributes.get("related_pin"),
                    _table(next(iter(power.of("rise_power", "power")), None), templates),
                    _table(next(iter(power.of("fall_power", "power")), None), templates),
                )
                for power in energies
            ),
        )
    registered = bool(group.of("ff", "latch", "statetable", "memory", "ff_bank", "latch_bank"))
    leakage = float(group.attributes.get("cell_leakage_power", 0.0)) * leak
    for register in group.of("ff"):
        state, inverse = (name.strip() for name in register.names.split(","))
        clock, following, *held = (
            register.attributes.get(name) for name in ("clocked_on", "next_state", "clear", "preset")
        )
        return Cell(
            group.names,
            pins,
            leakage,
            registered,
            state,
            inverse,
            clock,
            following,
            tuple(text for text in held if text),
        )
    return Cell(group.names, pins, leakage, registered, None)


NAME = re.compile(r"[A-Za-z_]\w*")
"""A pin, or a register's state, in a function."""

_NEIGHBOURS = re.compile(r"(?<=[\w)])\s+(?=[\w(!])")


def translated(text: str, names: Mapping[str, str]) -> str:
    """A function of liberty with the operators ~ & | ^ and the texts that stand for its names."""
    if "'" in text:
        raise LithifyError(f"The function '{text}' in the kit's liberty file is not understood.")
    body = _NEIGHBOURS.sub(" & ", text.strip()).replace("*", "&").replace("+", "|").replace("!", "~")
    return NAME.sub(lambda found: names.get(found[0], found[0]), body)
