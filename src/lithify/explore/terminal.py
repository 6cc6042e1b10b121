"""The comparison as a table in a terminal."""

from math import isinf
from typing import TYPE_CHECKING

from lithify.explore.compare.compare import COLUMNS, SPEED, Comparison, Contender
from lithify.explore.figure import ASSUMED, COUNTED, GIVEN, HOW, MEASURED, MODELLED, PUBLISHED, SIMULATED, SYNTHESISED
from lithify.report.terminal import new_table

if TYPE_CHECKING:
    from rich.table import Table

MARKS = {MEASURED: "m", SIMULATED: "s", SYNTHESISED: "y", MODELLED: "d", PUBLISHED: "p", COUNTED: "c", GIVEN: "g",
         ASSUMED: "a"}  # fmt: skip
"""How a figure was obtained, in a letter behind it."""

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))
_RATIOS = ("utilisation", "accuracy")


def comparison_tables(found: Comparison) -> "list[Table]":
    """A row for each contender: how fast it is, then what is gained and what it takes; figures that any of them has."""
    shown = [name for name in COLUMNS if any(name in row.figures for row in found.rows)]
    title = f"{found.network}: {si(found.operations, '')} operations, {found.parameters:,} parameters"
    speed = _table(title, found, [name for name in shown if name in SPEED])
    gains = _table("what is gained, and what it takes", found, [name for name in shown if name not in SPEED], True)
    used = {figure.how for row in found.rows for figure in row.figures.values()}
    gains.caption = "; ".join(f"{mark} {how}: {HOW[how]}" for how, mark in MARKS.items() if how in used) + (
        ". alpha and beta = T_original / T of a training step and of an inference, gamma: operations per cycle "
        f"likewise; the original is {found.original.name}."
    )
    if found.unmeasured:
        gains.caption += f" Not measured: {', '.join(found.unmeasured)}."
    gains.caption_justify = "left"
    return [speed, gains]


def _table(title: str, found: Comparison, shown: list[str], remarks: bool = False) -> "Table":
    titles = [COLUMNS[name][0] for name in shown]
    out = new_table(title, "on", *titles, *(["remark"] if remarks else []), right=titles)
    for row in found.rows:
        out.add_row(row.name, *(cell(row, name) for name in shown), *([row.note] if remarks else []))
    return out


def cell(row: Contender, name: str) -> str:
    """A figure with its unit and the letter that says how it was obtained; nothing where it is not known."""
    figure = row.figures.get(name)
    return "" if figure is None else f"{number(row, name)} ({MARKS[figure.how]})"


def number(row: Contender, name: str) -> str:
    """A figure that is known, with its unit."""
    figure = row.figures[name]
    unit = COLUMNS[name][1]
    if name in _RATIOS:
        text = f"{100 * figure.value:.1f} %"
    elif isinf(figure.value):
        text = "none"
    elif unit in ("s", "J", "B", "Hz"):
        text = si(figure.value, unit)
    elif unit:
        text = si(figure.value, "")
    else:
        text = f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:.3g}"
    return text


def si(value: float, unit: str) -> str:
    """Three digits, with the prefix that fits: 1.23 ms, 45.6 G."""
    size, prefix = next(((size, prefix) for size, prefix in _PREFIXES if abs(value) >= size), _PREFIXES[-1])
    number = value / size
    digits = max(0, 2 - (number >= 10) - (number >= 100)) if size > 1e-9 or number >= 1 else 3
    return f"{number:.{digits}f} {prefix}{unit}".rstrip()
