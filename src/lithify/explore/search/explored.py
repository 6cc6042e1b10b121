"""A search as tables in a terminal."""

from typing import TYPE_CHECKING

from lithify.chip.area import area
from lithify.explore.search.budget import QUANTITIES, amount
from lithify.explore.search.exploration import Exploration
from lithify.explore.search.point import Point
from lithify.explore.search.promise import Promise
from lithify.report.terminal import new_table

if TYPE_CHECKING:
    from rich.table import Table


def front_table(found: Exploration) -> "Table":
    """The front, smallest chip first; the chosen or closest point is marked."""
    best, counts = found.best, found.counts()
    columns = ("point", "area", "latency", "1/s", "energy", "power", "array", "memory", "limit", "meets")
    title = (
        f"{', '.join(found.networks)}: {counts['points']} chips, {counts['compiled']} compiled, "
        f"{counts['settled_by_bounds']} settled by bounds, {counts['do_not_fit']} too small; "
        f"{found.space.clock_hz / 1e6:g} MHz, memory of {found.space.dram_bytes_per_s / 1e9:g} GB/s"
    )
    table = new_table(title, *columns, right=columns[:6])
    for point in found.front if best is None or best in found.front else [*found.front, best]:
        mark = " *" if point is best or point == best else ""
        table.add_row(f"{point.number}{mark}", *cells(found, point))
    error = 100 * area(best.chip).error if best is not None else 0.0
    table.caption = ("* chosen" if found.chosen is not None else "* closest; no chip was found within all budgets") + (
        f". Cycles are exact (timing simulator); area is modelled, before layout on IHP SG13G2, +- {error:.0f} %; "
        "energy is modelled, fitted to synthesis on the same process; DRAM after Horowitz, ISSCC 2014."
    )
    table.caption_justify = "left"
    return table


def cells(found: Exploration, point: Point) -> list[str]:
    """A point's figures as texts, in the order of the columns of the table and of the page."""
    return [
        amount(QUANTITIES["mm2"], point.mm2),
        amount(QUANTITIES["latency"], point.latency),
        f"{1 / point.latency:,.1f}",
        amount(QUANTITIES["energy"], point.joules),
        f"{found.judge.milliwatts(point):,.3g} mW",
        shape(point),
        memory(point),
        ", ".join(dict.fromkeys(run.limit for run in point.runs)),
        "yes" if found.judge.meets(point) else "no",
    ]


def shape(point: Point) -> str:
    """The array, in a few words."""
    chip = point.chip
    text = f"{chip.rows} x {chip.columns}, {chip.accumulators} acc., {chip.lanes} lanes"
    return text + (f", {chip.vector_lanes} vector" if chip.vector_lanes else "")


def memory(point: Point) -> str:
    """Memory and its ports, in a few words."""
    chip = point.chip
    return (
        f"{chip.scratchpad_banks} x {chip.bank_words * chip.word_bytes / 1024:g} KB, "
        f"{chip.activation_ports}+{chip.weight_ports} ports, bus {chip.bus_bytes}, queue {chip.queue_depth}"
    )


def promise_table(promise: Promise) -> "Table":
    """What was promised of the point, and what was found."""
    table = new_table(f"point {promise.point.number} in {promise.folder}", "what", "promised", "found", "", "how")
    for check in promise.checks:
        word = {True: "kept", False: "MISSED", None: "not checked"}[check.kept]
        table.add_row(check.what, check.promised, check.found, word, check.how)
    return table
