"""The comparison as a page: a drawing of each figure, and the table. Drawn by Matplotlib."""

import io
from collections.abc import Sequence
from importlib import resources
from math import floor, log10
from pathlib import Path
from typing import Any

from lithify.errors import LithifyError
from lithify.explore.compare.compare import COLUMNS, SPEED, Comparison, Contender
from lithify.explore.figure import HOW
from lithify.explore.terminal import MARKS, number, si
from lithify.folder import write_text

COLOURS = {
    "chip": "#0072b2",
    "processor": "#e69f00",
    "gpu": "#d55e00",
    "accelerator": "#009e73",
    "fpga": "#56b4e9",
    "simulator": "#cc79a7",
}
"""Of kinds of contenders: the palette of Okabe and Ito, which the colour-blind can tell apart."""

_LINEAR = ("utilisation", "accuracy")


def write_comparison(path: Path, found: Comparison) -> None:
    """Writes the page, one file that opens without a network; raises LithifyError where Matplotlib is not installed."""
    write_text(path, comparison_page(found))


def comparison_page(found: Comparison) -> str:
    """The page's text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    shown = [name for name in COLUMNS if sum(name in row.figures for row in found.rows) > 0]
    drawings = [
        (COLUMNS[name][0], Markup(bars(found.rows, name)))
        for name in shown
        if sum(name in row.figures for row in found.rows) > 1
    ]
    used = {figure.how for row in found.rows for figure in row.figures.values()}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = resources.files("lithify.explore.compare").joinpath("compare.html").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        found=found,
        operations=si(found.operations, "") + " operations",
        tables=[
            ("speed", "How fast", [(name, COLUMNS[name][0]) for name in shown if name in SPEED], False),
            (
                "gains",
                "What is gained, and what it takes",
                [(name, COLUMNS[name][0]) for name in shown if name not in SPEED],
                True,
            ),
        ],
        number=number,
        marks={mark: f"{how}: {HOW[how]}" for how, mark in MARKS.items() if how in used},
        names=MARKS,
        drawings=drawings,
    )


def bars(rows: Sequence[Contender], name: str) -> str:
    """A bar for each contender that has the figure, as SVG; the axis is logarithmic but for shares of one."""
    plot = pyplot()
    known = [row for row in rows if name in row.figures and row.figures[name].value not in (0, float("inf"))]
    figure, axes = plot.subplots(figsize=(8, 0.6 + 0.32 * len(known)))
    values = [row.figures[name].value for row in known]
    places = list(range(len(known)))[::-1]
    placed = axes.barh(places, values, color=[COLOURS[row.kind] for row in known], height=0.7)
    axes.bar_label(placed, [number(row, name) for row in known], padding=3, fontsize=8)
    axes.set_yticks(places, [row.name for row in known], fontsize=8)
    axes.margins(x=0.18)
    if name not in _LINEAR:
        from matplotlib.ticker import NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        # From a whole decade below the least, so that bars show how they compare.
        axes.set_xlim(left=10 ** floor(log10(min(values) / 1.5)))
    title, unit = COLUMNS[name]
    axes.set_xlabel(f"{title} [{unit}]" if unit else title, fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return drawn(figure)


def drawn(figure: Any) -> str:
    """A figure as SVG, to stand in a page; it is closed."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    pyplot().close(figure)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def pyplot() -> Any:
    """Matplotlib's, which draws the same for the same figures; LithifyError where it is not installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise LithifyError("The page's drawings need Matplotlib: pip install 'lithify[plots]'.") from error
    matplotlib.use("svg")
    # The same identifiers and text as text, whenever it is drawn.
    matplotlib.rcParams.update({"svg.hashsalt": "lithify", "svg.fonttype": "none"})
    from matplotlib import pyplot as plot

    return plot
