"""The profile as a page: one HTML file with drawings and a little script, which needs no network."""

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lithify.folder import write_text
from lithify.profile.drawing import COLOURS, IDLE_COLOUR, TEXT_ON, bandwidth_plot, colour, memory_plot, roofline_plot
from lithify.profile.explain import MEANING, headline
from lithify.profile.inference import UNITS, WAITED, Profile
from lithify.profile.traffic import by_kind
from lithify.sim.cost import SPENT, TRANSFERS

if TYPE_CHECKING:
    from lithify.report import Report

PAGE = "report.html"
"""Its name in a build folder."""

LARGEST = 15
"""Tensors with a bar of their own."""

_UNIT_NAMES = {"array": "array", "post": "post-processing", "dma": "DRAM port"}


def write_page(path: Path, profile: Profile, report: "Report | None" = None) -> None:
    """Writes the page. report: of the build that the profile is of, whose proof and accuracy it then shows too."""
    write_text(path, page(profile, report))


def page(profile: Profile, report: "Report | None" = None) -> str:
    """The page's text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=_number, percent=_percent)
    text = resources.files("lithify.profile").joinpath("page.html").read_text(encoding="utf-8")
    total = max(sum(row.bytes for row in profile.traffic), 1)
    return environment.from_string(text).render(
        profile=profile,
        found=profile.simulation,
        report=report,
        proof=_proof(report) if report else (),
        headline=headline(profile),
        facts=profile.to_json()["obtained"],
        spent=profile.spent(),
        waited=profile.waited(),
        layers=list(enumerate(profile.layers, 1)),
        kinds={kind: count for kind, count in by_kind(profile.traffic).items() if count},
        traffic=profile.traffic[:LARGEST],
        others=profile.traffic[LARGEST:],
        traffic_bytes=total,
        traffic_top=max((row.bytes for row in profile.traffic), default=1),
        meaning=MEANING,
        colours=COLOURS,
        colour=colour,
        idle_colour=IDLE_COLOUR,
        on=TEXT_ON,
        useful=profile.simulation.macs / profile.simulation.chip.multipliers,
        title=report.model if report else profile.simulation.program,
        names={"spent": SPENT, "waited": WAITED, "transfers": TRANSFERS, "units": UNITS},
        unit_names=_UNIT_NAMES,
        # The texts of the drawings are escaped where they are drawn.
        roofline=Markup(roofline_plot(profile)),
        memory=Markup(memory_plot(profile)),
        bandwidth=Markup(bandwidth_plot(profile)),
    )


def embedded(profile: Profile, height: int = 800) -> str:
    """The page in a frame of its own, so that its style touches nothing around it: for notebooks."""
    return f'<iframe srcdoc="{escape(page(profile))}" width="100%" height="{height}" style="border:0"></iframe>'


def _proof(report: "Report") -> Sequence[tuple[str, str, str]]:
    from lithify.report.terminal import percent, verdict

    accuracy = report.accuracy
    rows = []
    if accuracy.float_model is not None:
        values = " / ".join(percent(value) for value in (accuracy.float_model, accuracy.int8, accuracy.chip))
        rows.append(("accuracy float / int8 / chip", values, report.obtained["accuracy"]))
    return [*rows, *verdict(report.verify)]


def _number(value: Any) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
