"""The commands that decide: what to build a product with, and where to cut a network."""

from pathlib import Path

import click

from lithify.cli import options
from lithify.cli.quantities import Quantity
from lithify.cli.screen import Watch, emit
from lithify.explore.quantity import COUNT, POWER, TIME


def _write_assumptions(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    from lithify.explore.assumptions import default_text
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
            from lithify.explore.advice_page import write_advice

            write_advice(html, found)
    if as_json:
        emit(found.to_json())
    else:
        from lithify.explore.advice_text import advice_tables
        from lithify.explore.advise import verdict
        from lithify.report.terminal import show

        show(verdict(found), *advice_tables(found))


COMMANDS = (advise,)
"""In the order of the help."""
