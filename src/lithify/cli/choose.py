"""The commands that help to choose: what a network would gain on a chip."""

from pathlib import Path

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit


@click.command(short_help="Put a network on chips beside this machine and others.")
@click.argument("model", type=options.PATH)
@click.option(
    "--chip",
    "chips",
    multiple=True,
    metavar="NAME|FILE",
    help="A preset or a chip description (.toml); may be given several times.  [default: tiny, edge]",
)
@options.data
@options.shape
@click.option(
    "--cpu-watts",
    type=float,
    default=None,
    metavar="W",
    help="What the processor draws while it computes, where the machine does not count it.",
)
@options.page("Also write the page: the table and a drawing of each figure, one file that opens without a network.")
@options.seed
@options.as_json
def compare(
    model: Path,
    chips: tuple[str, ...],
    data: Path | None,
    shape: tuple[tuple[str, tuple[int, ...]], ...],
    cpu_watts: float | None,
    html: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Put MODEL on chips beside the processors of this machine and beside what others have published.

    MODEL is a file, or the name of a standard network of `lithify bench`. Latency, operations a second, energy, memory
    traffic, accuracy and speed-ups; every figure says whether it was measured here, simulated, modelled or published.
    """
    import lithify

    with Watch() as progress:
        found = lithify.compare(
            model, chips or ("tiny", "edge"), data=data, shape=dict(shape), cpu_watts=cpu_watts, seed=seed,
            progress=progress,
        )  # fmt: skip
        if html is not None:
            from lithify.explore.plots import write_comparison

            write_comparison(html, found)
    if as_json:
        emit(found.to_json())
    else:
        from lithify.explore.terminal import comparison_tables
        from lithify.report.terminal import show

        show(*comparison_tables(found))


COMMANDS = (compare,)
