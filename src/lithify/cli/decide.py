"""The commands that decide: what to build a product with, and where to cut a network."""

from pathlib import Path

import click

from lithify.cli import options
from lithify.cli.quantities import Quantity
from lithify.cli.screen import Watch, emit
from lithify.errors import LithifyError
from lithify.explore.quantity import BANDWIDTH, COUNT, POWER, TIME


def _write_assumptions(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    from lithify.explore.advise.assumptions import default_text
    from lithify.folder import check_writable, write_text

    check_writable(value)
    write_text(value, default_text())
    click.echo(f"{value}: the assumptions of `lithify advise`; change them and give the file back with --assumptions.")
    ctx.exit()


@click.command(short_help="Say what to build a product with: CPU, GPU, FPGA or a chip.")
@click.argument("model", type=options.PATH)
@click.option("--volume", type=Quantity(COUNT), required=True, metavar="PIECES", help="How many are made, as in 100k.")
@click.option("--power", type=Quantity(POWER), default=None, metavar="POWER", help="What it may draw, as in 2W.")
@click.option(
    "--latency", type=Quantity(TIME), default=None, metavar="TIME", help="What one inference may take, as in 20ms."
)
@click.option(
    "--chip",
    "chips",
    multiple=True,
    metavar="NAME|FILE",
    help="What a chip of one's own would be; may be given several times.  [default: tiny, edge]",
)
@click.option(
    "--assumptions",
    type=options.PATH,
    default=None,
    metavar="FILE",
    help="Prices, yields and efforts that differ from the default ones (.toml).",
)
@click.option(
    "--write-assumptions",
    type=options.PATH,
    default=None,
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_write_assumptions,
    help="Write the default assumptions to a file, to be changed, and end.",
)
@options.data
@options.shape
@options.page("Also write the page: one file to take to a meeting, with every assumption and its source.")
@options.seed
@options.as_json
def advise(
    model: Path,
    volume: float,
    power: float | None,
    latency: float | None,
    chips: tuple[str, ...],
    assumptions: Path | None,
    data: Path | None,
    shape: tuple[tuple[str, tuple[int, ...]], ...],
    html: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Say what to build a product with MODEL with: a chip of one's own on each process, an FPGA, or a part to buy.

    Cost of silicon, unit cost at the volume, break-even volumes, power, latency and risks. Cycles are simulated, this
    machine's processor is measured, prices and processes are assumptions that can be changed. docs/advise.md
    """
    import lithify

    with Watch() as progress:
        found = lithify.advise(
            model, volume, power_w=power, latency_s=latency, chips=chips or ("tiny", "edge"), data=data,
            shape=dict(shape), assumptions=assumptions, seed=seed, progress=progress,
        )  # fmt: skip
        if html is not None:
            from lithify.explore.advise.advice_page import write_advice

            write_advice(html, found)
    if as_json:
        emit(found.to_json())
    else:
        from lithify.explore.advise.advice_text import advice_tables
        from lithify.explore.advise.advise import verdict
        from lithify.report.terminal import show

        show(verdict(found), *advice_tables(found))


@click.command(short_help="Find the best cut between a processor and a chip.")
@click.argument("model", type=options.PATH)
@options.chip
@click.option(
    "--host",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    help="What runs the rest, measured here.  [default: cpu]",
)
@click.option("--threads", type=click.IntRange(1), default=None, metavar="NUMBER", help="Of the CPU.  [default: all]")
@click.option(
    "--slower",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    metavar="TIMES",
    help="How many times slower the product's processor is than this machine's.  [default: 1]",
)
@click.option(
    "--bandwidth", type=Quantity(BANDWIDTH), default=None, metavar="RATE", help="Of the link.  [default: 1GB/s]"
)
@click.option(
    "--link-latency",
    type=Quantity(TIME),
    default=None,
    metavar="TIME",
    help="What a tensor takes beside its bytes.  [default: 10us]",
)
@click.option("--fps", type=click.FloatRange(0, min_open=True), default=None, metavar="RATE", help="Frames a second.")
@click.option(
    "--batch", type=click.IntRange(1), default=1, metavar="NUMBER", help="Frames taken at once.  [default: 1]"
)
@click.option(
    "--deadline",
    type=Quantity(TIME),
    default=None,
    metavar="TIME",
    help="When a frame must be answered.  [default: when the next batch is whole]",
)
@options.data
@options.shape
@options.seed
@options.as_json
def split(
    model: Path,
    chip: str | None,
    host: str,
    threads: int | None,
    slower: float,
    bandwidth: float | None,
    link_latency: float | None,
    fps: float | None,
    batch: int,
    deadline: float | None,
    data: Path | None,
    shape: tuple[tuple[str, tuple[int, ...]], ...],
    seed: int,
    as_json: bool,
) -> None:
    """Find the best cut of MODEL between this machine's processor and a chip, transfers counted.

    Cycles are simulated, the processor is measured, the least sum is found exactly; the cut is then compiled and run.
    With --fps: whether every frame is answered in time. docs/split.md
    """
    import lithify

    if fps is None and (batch != 1 or deadline is not None):
        raise LithifyError("--batch and --deadline are of frames that come at a rate; give --fps too.")
    with Watch() as progress:
        found = lithify.split(
            model, chip or "edge", data=data, shape=dict(shape), bytes_per_s=bandwidth, call_s=link_latency, host=host,
            threads=threads, slower=slower, fps=fps, batch=batch, deadline_s=deadline, seed=seed, progress=progress,
        )  # fmt: skip
    if as_json:
        emit(found.to_json())
    else:
        from lithify.explore.split.found import verdict
        from lithify.explore.split.split_text import split_tables
        from lithify.report.terminal import show

        show(verdict(found), *split_tables(found))


COMMANDS = (advise, split)
"""In the order of the help."""
