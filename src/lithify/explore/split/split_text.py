"""The split as tables in a terminal."""

from math import isfinite
from typing import TYPE_CHECKING

from lithify.explore.figure import HOW
from lithify.explore.split.found import Split
from lithify.explore.terminal import MARKS, si
from lithify.report.terminal import new_table

if TYPE_CHECKING:
    from rich.table import Table


def split_tables(found: Split) -> "list[Table]":
    """The ways to run the network, the stretches of the best cut, and frames that come at a rate."""
    tables = [_ways(found), _stretches(found)]
    if found.frames is not None:
        tables.append(_frames(found))
    return tables


def _ways(found: Split) -> "Table":
    out = new_table(
        f"{found.network}: {found.processor} and {found.chip}", "way", "parts on the chip", "sum", "run", "how it ran",
        right=("parts on the chip", "sum", "run"),
    )  # fmt: skip
    for way in found.ways:
        ran = "" if way.ran is None else f"{si(way.ran.value, 's')} ({MARKS[way.ran.how]})"
        told = way.seconds.source if way.ran is None else way.ran.source
        summed = f"{si(way.seconds.value, 's')} ({MARKS[way.seconds.how]})"
        out.add_row(way.name, f"{sum(way.on_chip)} of {len(found.units)}", summed, ran, told)
    used = {figure.how for way in found.ways for figure in (way.seconds, way.ran) if figure is not None}
    link = found.link
    out.caption = "; ".join(f"{mark} {how}: {HOW[how]}" for how, mark in MARKS.items() if how in used) + (
        f". Link: {si(link.bytes_per_s, 'B/s')} and {si(link.call_s, 's')} a tensor, "
        f"{'given' if link.given else 'assumed'}."
    )
    out.caption_justify = "left"
    return out


def _stretches(found: Split) -> "Table":
    out = new_table(
        "the best cut", "on", "from", "to", "parts", "on the chip", "on the processor", "why",
        right=("parts", "on the chip", "on the processor"),
    )  # fmt: skip
    for entry in found.stretches:
        why = found.why[entry.first] if entry.units == 1 or not isfinite(entry.chip_s) else ""
        chip = si(entry.chip_s, "s") if isfinite(entry.chip_s) else "not all"
        place = "chip" if entry.chip else "processor"
        out.add_row(place, entry.first, entry.last, str(entry.units), chip, si(entry.cpu_s, "s"), why)
    out.caption = "Seconds without crossing; those of the processor with a call for each operator."
    out.caption_justify = "left"
    return out


def _frames(found: Split) -> "Table":
    frames = found.frames
    assert frames is not None
    out = new_table(f"{frames.fps:g} frames/s in batches of {frames.batch}", "", "", right=("",))
    out.add_row("a batch takes", si(frames.service_s, "s"))
    out.add_row("utilised", f"{frames.utilisation:.1%}")
    out.add_row("answered at worst after", si(frames.worst_s, "s") if isfinite(frames.worst_s) else "ever later")
    out.add_row("due after", si(frames.deadline_s, "s"))
    out.add_row("late in the long run", f"{frames.late:.0%}")
    out.add_row("first late", "none" if frames.first_late is None else f"frame {frames.first_late:,}")
    out.add_row("the queue grows from", f"{frames.most_fps:,.4g} frames/s")
    out.add_row("largest batch in time", "none" if frames.most_batch is None else str(frames.most_batch))
    return out
