"""What a kit's LEF files say that a layout needs: its layers, and the outlines and pins of its cells.

Lengths are integers of nanometres, resistances ohms, capacitances farads.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lithify.errors import LithifyError

Box = tuple[int, int, int, int]
"""Left, bottom, right, top."""

_NUMBER = r"[-+0-9.eE]+"
_SHAPE = re.compile(rf"LAYER\s+(\S+)|RECT\s+({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})")


@dataclass(frozen=True)
class Layer:
    """A layer of metal, or of the cuts between two. width, spacing: the least; pitch: of its tracks.

    area: the least of a piece, square nanometres, 0 where there is no such rule. resistance: of a square of metal, or
    of a cut. area_capacitance: per square nanometre; edge_capacitance: per nanometre of each of two edges.
    """

    name: str
    metal: bool
    width: int
    spacing: int
    pitch: int
    area: int
    resistance: float
    area_capacitance: float
    edge_capacitance: float

    def wire_capacitance(self, length: int, width: int) -> float:
        """Of a wire alone, without neighbours, farads."""
        return self.area_capacitance * length * width + 2.0 * self.edge_capacitance * length


@dataclass(frozen=True)
class CellPin:
    """A pin of a cell: where it may be met. shapes: layer and box each."""

    name: str
    output: bool
    supply: bool
    shapes: tuple[tuple[str, Box], ...]


@dataclass(frozen=True)
class Outline:
    """A cell or a memory macro as a router sees it. obstacles: layer and box of what is inside."""

    name: str
    width: int
    height: int
    pins: Mapping[str, CellPin]
    obstacles: tuple[tuple[str, Box], ...]


def read_layers(path: Path) -> dict[str, Layer]:
    """The layers of a technology LEF by name."""
    text = _text(path)
    found = {}
    for block in re.finditer(r"^LAYER\s+(\S+)\s*$(.*?)^END\s+\1", text, re.MULTILINE | re.DOTALL):
        body = re.sub(r"#.*", "", block[2])
        kind = re.search(r"\bTYPE\s+(\w+)", body)
        if kind is None or kind[1] not in ("ROUTING", "CUT"):
            continue

        def number(pattern: str, body: str = body) -> float:
            entry = re.search(rf"^\s*{pattern}\s+({_NUMBER})", body, re.MULTILINE)
            return 0.0 if entry is None else float(entry[1])

        table = re.search(rf"SPACINGTABLE.*?WIDTH\s+{_NUMBER}\s+({_NUMBER})", body, re.DOTALL)
        spacing = float(table[1]) if table else number("SPACING")
        found[block[1]] = Layer(
            block[1], kind[1] == "ROUTING", nm(number("WIDTH")), nm(spacing), nm(number("PITCH")),
            round(number("AREA") * 1e6), number("RESISTANCE(?: RPERSQ)?"),
            number("CAPACITANCE\\s+CPERSQDIST") * 1e-12 / 1e6, number("EDGECAPACITANCE") * 1e-12 / 1e3,
        )  # fmt: skip
    return found


def read_outlines(path: Path) -> dict[str, Outline]:
    """The cells or macros of a LEF file by name."""
    found = {}
    for block in re.finditer(r"^MACRO\s+(\S+)\s*$(.*?)^END\s+\1", _text(path), re.MULTILINE | re.DOTALL):
        body = block[2]
        size = re.search(rf"\bSIZE\s+({_NUMBER})\s+BY\s+({_NUMBER})", body)
        if size is None:
            raise LithifyError(f"The LEF file '{path.name}' states no size of '{block[1]}'.")
        pins = {}
        for pin in re.finditer(r"^\s*PIN\s+(\S+)\s*$(.*?)^\s*END\s+\1", body, re.MULTILINE | re.DOTALL):
            use = re.search(r"\bUSE\s+(\w+)", pin[2])
            supply = use is not None and use[1] in ("POWER", "GROUND")
            output = re.search(r"\bDIRECTION\s+OUTPUT", pin[2]) is not None
            pins[pin[1]] = CellPin(pin[1], output, supply, _shapes(pin[2].partition("PORT")[2]))
        inside = re.search(r"^\s*OBS\s*$(.*?)^\s*END\s*$", body, re.MULTILINE | re.DOTALL)
        obstacles = () if inside is None else _shapes(inside[1])
        found[block[1]] = Outline(block[1], nm(float(size[1])), nm(float(size[2])), pins, obstacles)
    return found


def nm(micrometres: float) -> int:
    """Nanometres."""
    return round(micrometres * 1000)


def _text(path: Path) -> str:
    if not path.is_file():
        raise LithifyError(f"The kit has no file '{path}': routing needs its LEF files.")
    return path.read_text(encoding="utf-8")


def _shapes(text: str) -> tuple[tuple[str, Box], ...]:
    layer, found = "", []
    for entry in _SHAPE.finditer(text):
        if entry[1]:
            layer = entry[1]
        else:
            left, bottom, right, top = (nm(float(entry[number])) for number in range(2, 6))
            found.append((layer, (left, bottom, right, top)))
    return tuple(found)
