"""Where the memory macros lie on the die, and a picture of it to scale."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from lithify.errors import LithifyError

MARGIN = 25.0
"""Micrometres between the edge of the die and its core: the power ring and the pins."""

HALO = 10.0
"""Micrometres around a macro that stay free of cells."""

UTILISATION = 0.55
"""Share of the area for cells that cells fill: the rest is for buffers, the clock tree and wires."""


@dataclass(frozen=True)
class Placed:
    """A macro on the die: its instance (hierarchy joined by dots), lower left corner and size, micrometres."""

    instance: str
    macro: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Floorplan:
    """A die, micrometres: macros in rows at its lower and upper edge, the cells between them."""

    width: float
    height: float
    placed: tuple[Placed, ...]
    cells: tuple[float, float, float, float]

    @property
    def core(self) -> tuple[float, float, float, float]:
        """The rectangle inside the margin: x0, y0, x1, y1."""
        return MARGIN, MARGIN, self.width - MARGIN, self.height - MARGIN


def macro_size(lef: Path) -> tuple[float, float]:
    """Width and height of the one macro in a LEF file, micrometres."""
    if not lef.is_file():
        raise LithifyError(f"The kit has no file '{lef}': a layout needs the outlines of its macros.")
    found = re.search(r"^\s*SIZE\s+([0-9.]+)\s+BY\s+([0-9.]+)", lef.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise LithifyError(f"The LEF file '{lef.name}' states no size of its macro.")
    return float(found[1]), float(found[2])


def instances(files: Mapping[str, str], top: str, macros: Sequence[str]) -> list[tuple[str, str]]:
    """Every macro below `top` in Verilog files named `<module>.v`: (instance path joined by dots, macro)."""
    pattern = re.compile(r"^\s+\\?(\w+) \\?([\w.\[\]]+)\s*\(", re.MULTILINE)
    children: dict[str, list[tuple[str, str]]] = {
        name.removesuffix(".v"): [
            pair for pair in pattern.findall(text) if {pair[0], f"{pair[0]}.v"} & {*macros, *files}
        ]
        for name, text in files.items()
        if name.endswith(".v")
    }
    found: list[tuple[str, str]] = []

    def walk(module: str, path: str) -> None:
        for child, instance in children[module]:
            here = f"{path}.{instance}" if path else instance
            if child in macros:
                found.append((here, child))
            else:
                walk(child, here)

    walk(top, "")
    return found


def plan(
    found: Sequence[tuple[str, str]], sizes: Mapping[str, tuple[float, float]], cell_area: float, step: float = 3.78
) -> Floorplan:
    """A die about square for `cell_area` square micrometres of cells and the macros `found` (`instances`).

    step: everything is placed on multiples of it, the height of a row of cells.
    """
    ordered = sorted(found, key=lambda item: (-sizes[item[1]][1], -sizes[item[1]][0]))
    covered = sum((sizes[macro][0] + HALO) * (sizes[macro][1] + HALO) for _, macro in found)
    side = math.sqrt(cell_area / UTILISATION + covered)

    def up(value: float) -> float:
        return math.ceil(round(value / step, 6)) * step

    inner = max([side, *(up(sizes[macro][0] + HALO) + HALO + step for _, macro in found)])
    shelves: list[list[tuple[str, str]]] = []
    room = 0.0
    for item in ordered:
        width = up(sizes[item[1]][0] + HALO)
        if width > room:
            shelves.append([])
            room = inner - HALO - step
        shelves[-1].append(item)
        room -= width

    heights = [up(max(sizes[macro][1] for _, macro in shelf) + HALO) for shelf in shelves]
    low, high = heights[::2], heights[1::2]
    between = up(cell_area / UTILISATION / inner)
    width = up(inner + 2 * MARGIN)
    height = up(2 * MARGIN + sum(heights) + between + 2 * HALO)
    placed = []
    bottom, top = up(MARGIN + HALO), height - MARGIN - HALO
    for number, (shelf, tall) in enumerate(zip(shelves, heights, strict=True)):
        y = bottom if number % 2 == 0 else top - tall
        x = up(MARGIN + HALO)
        for instance, macro in shelf:
            placed.append(Placed(instance, macro, round(x, 3), round(up(y), 3), *sizes[macro]))
            x = up(x + sizes[macro][0] + HALO)
        if number % 2 == 0:
            bottom += tall
        else:
            top -= tall
    cells = (MARGIN, MARGIN + sum(low) + HALO, width - MARGIN, height - MARGIN - sum(high) - HALO)
    return Floorplan(round(width, 3), round(height, 3), tuple(placed), cells)


def picture(floorplan: Floorplan, title: str) -> str:
    """The floorplan as SVG, to scale: a millimetre is 400 pixels."""
    scale = 0.4
    wide, tall = floorplan.width * scale, floorplan.height * scale

    def box(x: float, y: float, width: float, height: float, style: str, label: str) -> list[str]:
        at = f'x="{x * scale:.1f}" y="{tall - (y + height) * scale:.1f}"'
        middle = f'x="{(x + width / 2) * scale:.1f}" y="{tall - (y + height / 2) * scale:.1f}"'
        size = max(6.0, min(14.0, 1.6 * width * scale / max(1, len(label))))
        return [
            f'<rect {at} width="{width * scale:.1f}" height="{height * scale:.1f}" {style}/>',
            f'<text {middle} font-size="{size:.1f}" text-anchor="middle" dominant-baseline="middle">'
            f"{escape(label)}</text>",
        ]

    x0, y0, x1, y1 = floorplan.cells
    size = f'width="{wide:.0f}" height="{tall + 24:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
        f'<text x="4" y="{tall + 18:.0f}" font-size="13">{escape(title)}: {floorplan.width / 1000:.2f} x '
        f"{floorplan.height / 1000:.2f} mm, {len(floorplan.placed)} memory macros</text>",
        *box(0, 0, floorplan.width, floorplan.height, 'fill="#f4f4f4" stroke="#444"', ""),
        *box(x0, y0, x1 - x0, y1 - y0, 'fill="#dfeedd" stroke="#7a9" stroke-dasharray="4"', "standard cells"),
    ]
    for item in floorplan.placed:
        label = item.instance.removesuffix(".macro_0_0")
        lines += box(item.x, item.y, item.width, item.height, 'fill="#cdd9ee" stroke="#447"', label)
    return "\n".join([*lines, "</svg>", ""])
