"""The commands that show: chips, what a program holds, what was measured, what this machine offers."""

from pathlib import Path

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit


@click.command(short_help="List the chips, or show one.")
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a chip description.")
@options.as_json
def chips(name: str | None, schema: bool, as_json: bool) -> None:
    """List the chips that come with Lithify, or show the description of one (NAME or a .toml file)."""
    import lithify
    from lithify.chip import load_chip, write_chip

    if schema:
        from lithify.chip import Chip

        emit(Chip.model_json_schema())
    elif name is not None:
        chip = load_chip(name)
        if as_json:
            emit(chip.model_dump(mode="json", by_alias=True))
        else:
            click.echo(write_chip(chip), nl=False)
    elif as_json:
        emit([chip.model_dump(mode="json", by_alias=True) for chip in lithify.chips()])
    else:
        from lithify.report.terminal import chips_table, show

        show(chips_table(lithify.chips()))


@click.command(short_help="List what this machine offers.")
@options.as_json
def doctor(as_json: bool) -> None:
    """List what this machine offers: found, version, or the line that installs it."""
    import lithify
    from lithify.doctor import require

    findings = lithify.doctor()
    if as_json:
        from dataclasses import asdict

        emit([asdict(finding) for finding in findings])
    else:
        from lithify.report.terminal import findings_table, show

        show(findings_table(findings))
    require(findings)


@click.command(short_help="List the devices that run programs.")
@options.as_json
def devices(as_json: bool) -> None:
    """List what `--device` and `lithify.Session` take on this machine. No port is opened to see what is behind it."""
    import lithify

    there = lithify.list_devices()
    if as_json:
        from dataclasses import asdict

        emit([asdict(device) for device in there])
    else:
        from lithify.report.terminal import devices_table, show

        show(devices_table(there))


@click.command(short_help="List a program's instructions.")
@click.argument("program", type=options.PATH)
@options.output(what="Write the listing to a file.")
@options.as_json
def disassemble(program: Path, output: Path | None, as_json: bool) -> None:
    """List the instructions of a compiled program."""
    import lithify

    if as_json:
        from lithify.isa.file import load_program
        from lithify.isa.sequence import all_instructions

        emit(
            [
                {"index": index, "operation": entry.operation.name, **entry.values}
                for index, entry in enumerate(all_instructions(load_program(program)))
            ]
        )
        return
    text = lithify.disassemble(program)
    if output is None:
        click.echo(text, nl=False)
    else:
        from lithify.folder import write_text

        write_text(output, text)


@click.command(short_help="Show what a build measured.")
@click.argument("folder", type=options.PATH)
@options.page("Also write the page, from the folder's program and report: one file that opens without a network.")
@options.as_json
def report(folder: Path, html: Path | None, as_json: bool) -> int:
    """Show what a build measured: the summary, then each layer with its cycles and what limits it.

    The same as a page, with drawings and what would help, is FOLDER/report.html. Of a FOLDER that `lithify layout`
    wrote: what is planned and, where LibreLane was run in it, what came of it; status 1 where rules are violated.
    """
    import lithify
    from lithify.silicon.laid_out import FILE

    if (folder / FILE).is_file():
        return _layout(folder, html, as_json)

    found = lithify.report(folder)
    if html is not None:
        from lithify.profile import profile_program
        from lithify.profile.page import write_page
        from lithify.program import Program

        with Watch() as progress:
            program = Program.load(folder if folder.is_dir() else folder.parent)
            write_page(html, profile_program(program, progress), found)
    if as_json:
        emit(found.to_json())
    else:
        from lithify.report.terminal import layers_table, quantization_table, show, summary_table

        show(summary_table(found), layers_table(found.layers, found.cycles))
        if found.quantized is not None:
            show(quantization_table(found.quantized))
    return 0


def _layout(folder: Path, html: Path | None, as_json: bool) -> int:
    """The report of a layout project."""
    from lithify.folder import check_writable, write_text
    from lithify.report.layout import layout_page, layout_tables
    from lithify.silicon.laid_out import floorplan_of, read_layout

    found = read_layout(folder)
    if html is not None:
        check_writable(html)
        write_text(html, layout_page(found, floorplan_of(folder)))
    if as_json:
        emit(found.to_json())
    else:
        from lithify.report.terminal import show

        show(*layout_tables(found))
        if found.run is None:
            click.echo("LibreLane has not been run in this project: librelane config.json")
    return 1 if found.faults or not all(entry.whole for entry in found.routed) else 0


@click.command(short_help="Write the Verilog of a chip.")
@click.option("--chip", required=False, default="edge", metavar="NAME|FILE", help="The chip to write.  [default: edge]")
@options.folder("Folder for the Verilog files.  [default: rtl]")
@options.as_json
def rtl(chip: str, output: Path | None, as_json: bool) -> None:
    """Write the Verilog of a chip."""
    import lithify

    target = output or Path("rtl")
    files = lithify.rtl(chip, output=target)
    if as_json:
        emit({"chip": chip, "folder": str(target), "files": sorted(files)})
    else:
        lines = sum(text.count("\n") for text in files.values())
        click.echo(f"{len(files)} files, {lines:,} lines of Verilog in {target}")


COMMANDS = (report, rtl, disassemble, chips, devices, doctor)
