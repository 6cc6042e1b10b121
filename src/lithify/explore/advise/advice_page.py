"""The advice as one page to take to a meeting: figures, drawings, risks, and every assumption with its source."""

from importlib import resources
from math import isfinite
from pathlib import Path

from lithify.explore.advise.advise import RANGE, Advice, verdict
from lithify.explore.advise.option import FIGURES, Option, written
from lithify.explore.figure import HOW
from lithify.explore.plots import drawn, pyplot
from lithify.explore.terminal import MARKS, si
from lithify.folder import write_text

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
"""Of lines, in turn: the palette of Okabe and Ito."""

MOST_LINES = len(COLOURS)


def write_advice(path: Path, found: Advice) -> None:
    """Writes the page, one file that opens without a network; raises LithifyError where Matplotlib is not installed."""
    write_text(path, advice_page(found))


def advice_page(found: Advice) -> str:
    """The page's text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = resources.files("lithify.explore.advise").joinpath("advise.html").read_text(encoding="utf-8")
    shown = _lines(found)
    used = {figure.how for option in found.options for figure in option.figures.values()}
    return environment.from_string(text).render(
        found=found,
        verdict=verdict(found),
        needs=_needs(found),
        operations=si(found.operations, "") + " operations",
        figures=FIGURES,
        written=written,
        names=MARKS,
        marks={mark: f"{how}: {HOW[how]}" for how, mark in MARKS.items() if how in used},
        reaches=[(entry.option, entry.first, entry.last if isfinite(entry.last) else None) for entry in found.reaches],
        lines=Markup(cost_lines(shown, found.needs.volume)),
        parts=[(option, _parts(option)) for option in found.options if option.kind == "asic"],
        assumed=sum(entry.value.how == "assumed" for entry in found.stated),
    )


def cost_lines(shown: list[Option], volume: float) -> str:
    """What a piece costs with its share, over the volume, as SVG: a line for each option; dotted: does not keep to what
    is asked.
    """
    plot = pyplot()
    figure, axes = plot.subplots(figsize=(8, 4))
    first, last = max(RANGE[0], volume / 1000), volume * 100
    volumes = [first * (last / first) ** (step / 60) for step in range(61)]
    for colour, option in zip(COLOURS, shown, strict=False):
        axes.plot(
            volumes,
            [option.at(count) / count for count in volumes],
            color=colour,
            linestyle="-" if option.fits else ":",
            label=option.name,
        )
    axes.axvline(volume, color="#888888", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("pieces", fontsize=8)
    axes.set_ylabel("$ a piece, with its share of what is paid once", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return drawn(figure)


def _lines(found: Advice) -> list[Option]:
    """What is drawn: chips and what can be bought, of each what is cheapest somewhere before what is cheap here."""
    somewhere = [reach.option for reach in found.reaches]
    order = sorted(found.options, key=lambda option: option.name not in somewhere)
    chips = [option for option in order if option.kind == "asic"]
    bought = [option for option in order if option.kind != "asic"]
    return [*chips[: MOST_LINES // 2], *bought[: MOST_LINES - MOST_LINES // 2]]


def _needs(found: Advice) -> str:
    asked = [f"{found.needs.volume:,.0f} pieces"]
    if found.needs.power_w is not None:
        asked.append(f"at most {written(found.needs.power_w, 'W')}")
    if found.needs.latency_s is not None:
        asked.append(f"at most {written(found.needs.latency_s, 's')} an inference")
    return ", ".join(asked)


def _parts(option: Option) -> dict[str, str]:
    """How an ASIC's price comes about, in words and numbers."""
    value = {name: figure.value for name, figure in option.parts.items()}
    return {
        "die": f"{value['die']:.3g} mm2",
        "dies of a wafer": f"{value['dies']:,.0f}",
        "yield": f"{value['yield']:.1%}",
        "a working die": written(value["silicon"], "$"),
        "packaged, tested, delivered": written(value["packaged"], "$"),
        "memory and host beside it": written(value["beside"], "$"),
        "masks": written(value["masks"], "$"),
        "design": written(value["design"], "$"),
        "tools": written(value["tools"], "$"),
        "prototype": written(value["prototype"], "$"),
        "clock": f"{value['clock'] / 1e6:,.0f} MHz",
        "DRAM": f"{value['dram'] / 1e9:.2g} GB/s",
        "months": f"{option.months:g}",
    }
