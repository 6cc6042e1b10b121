"""A search as a page: the front as drawings and table, the chosen chip and its checks. Drawn by Matplotlib."""

from importlib import resources
from pathlib import Path
from typing import Any

from lithify.explore.plots import drawn, pyplot
from lithify.explore.search.budget import Budget
from lithify.explore.search.exploration import Exploration
from lithify.explore.search.explored import cells
from lithify.explore.search.front import NAMES
from lithify.explore.search.point import Point
from lithify.explore.search.promise import Promise
from lithify.folder import write_text

PAIRS = (("mm2", "latency"), ("mm2", "joules"), ("latency", "joules"))
"""Axes of the drawings."""

AXES = {
    "mm2": (("area [mm2]", 1.0),),
    "latency": (("latency [ms]", 1e3), ("latency [us]", 1e6)),
    "joules": (("energy [mJ]", 1e3), ("energy [uJ]", 1e6)),
}
"""Titles of an axis, and what its numbers are multiplied by; the last is for figures that are all below one of the
first.
"""


def write_exploration(path: Path, found: Exploration, promise: Promise | None = None) -> None:
    """Writes the page, one file that opens without a network; raises LithifyError where Matplotlib is not installed."""
    write_text(path, exploration_page(found, promise))


def exploration_page(found: Exploration, promise: Promise | None = None) -> str:
    """The page's text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from lithify.chip import write_chip

    best = found.best
    rows = found.front if best is None or best in found.front else [*found.front, best]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = resources.files("lithify.explore.search").joinpath("explored.html").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        found=found,
        counts=found.counts(),
        best=best,
        rows=[(point, cells(found, point)) for point in rows],
        promise=promise,
        sentences=found.sentences(),
        obtained=found.to_json()["obtained"],
        chip="" if best is None else write_chip(best.chip),
        drawings=[Markup(scatter(found, x, y)) for x, y in PAIRS],
    )


def scatter(found: Exploration, x: str, y: str) -> str:
    """Every compiled point over two figures, the front among them, the budgets as lines; SVG."""
    return drawn(figure_of(found, x, y))


def plain() -> Any:
    """Numbers at a logarithmic axis as people write them."""
    from matplotlib.ticker import LogFormatter

    return LogFormatter(minor_thresholds=(1, 0.4))


def figure_of(found: Exploration, x: str, y: str) -> Any:
    """The same as Matplotlib's figure."""
    figure, axes = pyplot().subplots(figsize=(7, 4))
    (x_title, x_scale), (y_title, y_scale) = _axis(found, x), _axis(found, y)

    def draw(points: list[Point], **style: Any) -> None:
        axes.scatter(
            [getattr(p, x) * x_scale for p in points], [getattr(p, y) * y_scale for p in points], **style
        )  # fmt: skip

    front, best = found.front, found.best
    others = [point for point in found.points if point.compiled and point not in front]
    draw(others, s=12, color="#bbbbbb", label="compiled")
    draw(front, s=22, color="#0072b2", label="front")
    if best is not None:
        name = "chosen" if found.chosen is not None else "closest"
        draw([best], s=130, facecolors="none", edgecolors="#d55e00", linewidths=2, label=f"{name}: point {best.number}")
    for budget in found.judge.budgets:
        for axis, line, scale in ((x, axes.axvline, x_scale), (y, axes.axhline, y_scale)):
            limit = _on_axis(budget, axis)
            if limit is not None:
                line(limit * scale, color="#009e73", linewidth=1, linestyle="--")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(plain())
        axis.set_minor_formatter(plain())
    axes.set_xlabel(x_title, fontsize=8)
    axes.set_ylabel(y_title, fontsize=8)
    axes.tick_params(labelsize=8, which="both")
    axes.legend(fontsize=8, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def _axis(found: Exploration, name: str) -> tuple[str, float]:
    """Title and scale of an axis."""
    most = max((getattr(point, name) for point in found.points if point.compiled), default=1.0)
    return next((title for title in AXES[name] if most * title[1] >= 1), AXES[name][-1])


def _on_axis(budget: Budget, axis: str) -> float | None:
    """Where a budget stands on an axis; None where it is about something else."""
    if NAMES.get(budget.quantity.name) != axis or budget.quantity.name == "mw":
        return None
    return 1 / budget.limit if budget.quantity.least else budget.limit
