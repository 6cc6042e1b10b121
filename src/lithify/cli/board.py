"""The command that puts a chip on an FPGA board."""

from pathlib import Path

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit


@click.command(short_help="Make the bitstream of an FPGA board.")
@click.option("--board", required=True, metavar="NAME", help="The board: ulx3s-85, ecpix5-85, orangecrab-25, ...")
@click.option(
    "--chip",
    default="auto",
    metavar="NAME|FILE|auto",
    help="A preset, a chip description (.toml), or the largest array that fits.  [default: auto]",
)
@options.folder("Folder for the bitstream, the chip and the report.  [default: build/BOARD]")
@click.option(
    "--memory", type=click.IntRange(1), default=None, metavar="KB", help="DRAM in block RAM.  [default: what fits]"
)
@click.option(
    "--clock", type=click.FloatRange(1, 400), default=25.0, metavar="MHZ", help="The clock to be met.  [default: 25]"
)
@click.option(
    "--baud", type=click.IntRange(9600), default=1_000_000, help="Bits a second of the link.  [default: 1000000]"
)
@click.option("--seed", type=click.IntRange(0), default=1, help="Seed of the placement.  [default: 1]")
@click.option("--program", is_flag=True, help="Write the bitstream to the board that is connected by USB.")
@options.as_json
def fpga(
    board: str,
    chip: str,
    output: Path | None,
    memory: int | None,
    clock: float,
    baud: int,
    seed: int,
    program: bool,
    as_json: bool,
) -> None:
    """Make the bitstream of a board: the chip, its memory and the link to the host, with the clock met.

    A clock that is missed, or a part that is too small, is an error, and nothing is written. Networks are compiled for
    FOLDER/chip.toml and run with `--device fpga:PORT`.
    """
    import lithify
    from lithify.fpga import BITSTREAM, program_board

    folder = output or Path("build") / board
    with Watch() as progress:
        made = lithify.fpga(
            board,
            chip,
            folder,
            memory_bytes=1024 * memory if memory is not None else None,
            clock_hz=round(clock * 1e6),
            baud=baud,
            seed=seed,
            progress=progress,
        )
    if program:
        program_board(board, folder / BITSTREAM)
    if as_json:
        emit(made.to_json() | {"folder": str(folder), "programmed": program})
        return
    found = made.to_json()
    resources = ", ".join(f"{use['used']:,} of {use['available']:,} {name}" for name, use in found["resources"].items())
    click.echo(
        f"{folder / BITSTREAM}: {made.chip.rows} x {made.chip.columns} multipliers and "
        f"{found['memory_bytes'] // 1024} KB of DRAM on {board} ({found['part']}) at {found['clock_hz'] / 1e6:g} MHz, "
        f"reached {found['reached_hz'] / 1e6:.1f} MHz; {resources}"
    )
    if program:
        click.echo(f"The board holds it now; compile networks with --chip {folder / 'chip.toml'}.")


COMMANDS = (fpga,)
