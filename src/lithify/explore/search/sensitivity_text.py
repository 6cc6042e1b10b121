"""What changes of a chip do, as a table in a terminal."""

from typing import TYPE_CHECKING

from lithify.explore.search.budget import QUANTITIES, amount
from lithify.explore.search.sensitivity import Sensitivity
from lithify.report.terminal import new_table

if TYPE_CHECKING:
    from rich.table import Table


def sensitivity_table(found: Sensitivity) -> "Table":
    """A row for each change, the most helpful first, then what could be taken away."""
    networks = [f"cycles of {name}" for name in found.networks]
    base = found.base
    title = (
        f"{base.chip.name}: {amount(QUANTITIES['mm2'], base.mm2)}, "
        f"{amount(QUANTITIES['latency'], base.latency)}, {amount(QUANTITIES['energy'], base.joules)}"
    )
    right = ["time", "area", "time a mm2", *networks]
    table = new_table(title, "resource", "change", "time", "area", "time a mm2", *networks, "", right=right)

    def order(index: int) -> tuple[bool, bool, float]:
        change = found.changes[index]
        real = change.point is not None and change.point.compiled
        return not real, not change.more, -found.saved(change) if real else 0.0

    for index in sorted(range(len(found.changes)), key=order):
        change = found.changes[index]
        cells = [""] * len(right)
        if change.point is not None and change.point.compiled:
            saved, mm2 = found.saved(change), found.mm2(change)
            each = f"{100 * (0.0 - saved) / mm2:+.1f} %" if abs(mm2) >= 0.05 else ""
            cells = [
                f"{100 * (0.0 - saved):+.1f} %",
                f"{mm2:+.2f} mm2",
                each,
                *(f"{r.cycles:,}" for r in change.point.runs),
            ]
        name = f"{'more' if change.more else 'fewer'}: {change.title}"
        table.add_row(name, change.text, *cells, found.verdict(change))
    table.caption = (
        "Each change alone; the program compiled for it, cycles by the timing simulator. Area is modelled, before "
        "layout on IHP SG13G2."
    )
    table.caption_justify = "left"
    return table
