"""The command that puts a chip on an FPGA board."""

from pathlib import Path
from typing import Any

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit
from lithify.cli.typed import Typed

SDRAM = "sdram"


class DramKind(Typed[int | str]):
    """KB of block RAM, or "sdram"."""

    name = f"KB|{SDRAM}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == SDRAM or isinstance(value, int):
            return SDRAM if value == SDRAM else value
        if not str(value).isdecimal() or int(value) == 0:
            self.fail(f"{value!r} is neither a number of KB, 1 or more, nor '{SDRAM}'.", param, ctx)
        return int(value)


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
    "--memory",
    type=DramKind(),
    default=None,
    metavar="KB|sdram",
    help="The chip's DRAM: so much block RAM, or the board's SDRAM.  [default: the block RAM that fits]",
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
    memory: int | str | None,
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
            memory="sdram" if memory == SDRAM else "block",
            memory_bytes=1024 * memory if isinstance(memory, int) else None,
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
    dram, clock, reached = found["memory"], found["clock_hz"] / 1e6, found["reached_hz"] / 1e6
    if dram == "block RAM":
        dram = f"{found['memory_bytes'] // 1024} KB of {dram}"
    click.echo(
        f"{folder / BITSTREAM}: {made.chip.rows} x {made.chip.columns} multipliers and {dram} as DRAM on {board} "
        f"({found['part']}) at {clock:g} MHz, reached {reached:.1f} MHz; {resources}"
    )
    if program:
        click.echo(f"The board holds it now; compile networks with --chip {folder / 'chip.toml'}.")


COMMANDS = (fpga,)
