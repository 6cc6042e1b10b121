"""A layout project and its results: a table in a terminal, and a page with the floorplan to scale."""

from typing import TYPE_CHECKING

from lithify.silicon.laid_out import LaidOut
from lithify.silicon.route.run import ASSUMED, Routed

if TYPE_CHECKING:
    from rich.table import Table

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .2em 1em .2em 0; text-align: left; }
td.n { text-align: right; } tr.fault td { color: #a00; font-weight: bold; }
svg { max-width: 100%; height: auto; }
</style></head><body>
<h1>{{ title }}</h1>
{% for heading, rows in parts %}
<h2>{{ heading }}</h2>
<table>{% for name, text, fault in rows %}
<tr{% if fault %} class="fault"{% endif %}><td>{{ name }}</td><td class="n">{{ text }}</td></tr>{% endfor %}
</table>
{% endfor %}
{% if not run %}<p>LibreLane has not been run in this project: <code>librelane config.json</code>.
Its results stand here after <code>lithify report FOLDER --html PAGE</code>.</p>{% endif %}
<h2>Floorplan, to scale</h2>
{{ picture }}
</body></html>
"""

Row = tuple[str, str, bool]


def layout_parts(found: LaidOut) -> list[tuple[str, list[Row]]]:
    """Headings, and rows of a name, a text, and whether it is a fault."""
    plan = found.planned
    filled = plan.cell_mm2 + plan.macro_mm2
    parts: list[tuple[str, list[Row]]] = [
        (
            "Planned, from synthesis",
            [
                ("kit", plan.kit, False),
                ("clock", f"{plan.clock_hz / 1e6:g} MHz", False),
                ("die", f"{plan.width_um / 1e3:.2f} x {plan.height_um / 1e3:.2f} mm, {plan.die_mm2:.3f} mm2", False),
                ("standard cells", f"{plan.cell_mm2:.3f} mm2", False),
                ("memory macros", f"{plan.macro_mm2:.3f} mm2, {plan.macros} pieces", False),
                ("share of the die that is filled", f"{filled / plan.die_mm2:.1%}", False),
            ],
        )
    ]
    if found.run is not None:
        rows = [(figure.name, figure.text, figure in found.faults) for figure in found.figures]
        parts.append((f"Laid out: LibreLane's run {found.run}", rows))
    return [*parts, *((f"Placed and routed: {entry.module}", routed_rows(entry)) for entry in found.routed)]


def routed_rows(found: Routed) -> list[Row]:
    """What a module became, placed and routed here."""
    size = f"{found.width_um / 1e3:.3f} x {found.height_um / 1e3:.3f} mm"
    rows: list[Row] = [
        ("die", f"{size}, {found.width_um * found.height_um / 1e6:.4f} mm2", False),
        ("cells", f"{found.cells:,}: {found.cell_mm2:.4f} mm2, {found.filled:.0%} of the die", False),
        ("wires", f"{found.wire_mm:,.1f} mm, {found.vias:,} vias, {found.wire_pf:.2f} pF", False),
        ("nets", f"{found.nets:,}", False),
        ("nets led again after Coriolis", f"{found.again:,}", False),
        ("nets without a way", f"{len(found.left)}", bool(found.left)),
        ("nets in pieces, as drawn", f"{len(found.broken)}", bool(found.broken)),
        ("nets that touch others, as drawn", f"{len(found.shorted)}", bool(found.shorted)),
        *((f"violations, {rule}", f"{count}", True) for rule, count in found.rules.items()),
    ]
    if not found.rules:
        rows.append(("violations of the rules checked", "0", False))
    if found.bare_ns is not None and found.wired_ns is not None and found.wires is not None:
        rows += [
            ("slowest path, no wires", f"{found.bare_ns:.3f} ns", False),
            ("slowest path, wires of the layout", f"{found.wired_ns:.3f} ns, {1e3 / found.wired_ns:.1f} MHz", False),
            ("what the wires add", f"{found.wires:.1%}; reports of synthesis assume {ASSUMED:.0%}", False),
        ]
    return [*rows, *(("note", note, False) for note in found.notes)]


def layout_tables(found: LaidOut) -> "list[Table]":
    """A table a part."""
    from lithify.report.terminal import new_table

    tables = []
    for heading, rows in layout_parts(found):
        table = new_table(f"{found.planned.chip}: {heading}", "figure", "value", right=("value",))
        for name, text, fault in rows:
            table.add_row(f"{name} (!)" if fault else name, text)
        tables.append(table)
    return tables


def layout_page(found: LaidOut, picture: str) -> str:
    """The page's text; it needs no network. picture: the floorplan as SVG."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_PAGE).render(
        title=f"Layout of {found.planned.chip} on {found.planned.kit}",
        parts=layout_parts(found),
        run=found.run,
        # Texts of the drawing are escaped where it is drawn.
        picture=Markup(picture),
    )
