"""The advice as tables in a terminal."""

from math import isfinite
from typing import TYPE_CHECKING

from lithify.explore.advise.advise import Advice
from lithify.explore.advise.option import FIGURES, Option, written
from lithify.explore.figure import HOW
from lithify.explore.terminal import MARKS
from lithify.report.terminal import new_table

if TYPE_CHECKING:
    from rich.table import Table


def advice_tables(found: Advice) -> "list[Table]":
    """The options, what is cheapest at which volume, what decides, and the risks."""
    tables = [_options(found)]
    if found.reaches:
        tables.append(_reaches(found))
    if found.turns:
        tables.append(_turns(found))
    risks = new_table("risks", "", "")
    for note in found.notes:
        risks.add_row(note.topic, note.text)
    assumed = sum(entry.value.how == "assumed" for entry in found.stated)
    risks.caption = (
        f"{assumed} of {len(found.stated)} assumptions have no source; --html shows all, "
        "--write-assumptions FILE writes them to be changed."
    )
    risks.caption_justify = "left"
    return [*tables, risks]


def cell(option: Option, name: str) -> str:
    """A figure with its unit and the letter that says how it was obtained."""
    figure = option.figures[name]
    return f"{written(figure.value, FIGURES[name][1])} ({MARKS[figure.how]})"


def _options(found: Advice) -> "Table":
    titles = [title for title, _ in FIGURES.values()]
    out = new_table(f"{found.network}: {found.needs.volume:,.0f} pieces", "way", *titles, "", right=titles)
    for option in found.options:
        mark = "<- advised" if option is found.best else "; ".join(option.misses)
        out.add_row(option.name, *(cell(option, name) for name in FIGURES), mark)
    used = {figure.how for option in found.options for figure in option.figures.values()}
    out.caption = "; ".join(f"{mark} {how}: {HOW[how]}" for how, mark in MARKS.items() if how in used) + "."
    out.caption_justify = "left"
    return out


def _reaches(found: Advice) -> "Table":
    out = new_table("cheapest in all, of what keeps to what is asked", "from", "to", "way", right=("from", "to"))
    for reach in found.reaches:
        last = f"{reach.last:,.0f}" if isfinite(reach.last) else ""
        out.add_row(f"{reach.first:,.0f}", last, reach.option)
    return out


def _turns(found: Advice) -> "Table":
    out = new_table("assumptions that decide", "if", "were", "the advice would be", right=("were",))
    for turn in found.turns:
        out.add_row(turn.place, f"{turn.value:,.4g}", turn.option or "nothing keeps to what is asked")
    return out
