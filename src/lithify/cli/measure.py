"""The commands that measure: where the cycles of a program go, and what the standard networks take."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lithify.cli import options
from lithify.cli.screen import Watch, emit
from lithify.progress import Stages

if TYPE_CHECKING:
    from lithify.program import Program
    from lithify.progress import Progress
    from lithify.runtime import DeviceResult


@click.command(short_help="Show where the cycles go, and what would help.")
@click.argument("target", type=options.PATH)
@options.chip
@options.data
@options.shape
@options.page("Write the page: one file that opens without a network.")
@click.option(
    "--trace",
    type=options.PATH,
    default=None,
    metavar="FILE",
    callback=options.writable,
    help="Write the timeline in Chrome's trace format (.json), which https://ui.perfetto.dev opens.",
)
@options.tensorboard
@click.option("--rtl", is_flag=True, help="Also run one input in RTL, and put what it tells into the timeline.")
@options.seed
@options.as_json
def profile(
    target: Path,
    chip: str | None,
    data: Path | None,
    shape: tuple[tuple[str, tuple[int, ...]], ...],
    html: Path | None,
    trace: Path | None,
    tensorboard: Path | None,
    rtl: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Show where the cycles of TARGET go: a program (.lith), a build folder, or a model (.onnx), which is compiled
    first.

    By layer and unit: what the array waits for, what limits each layer, what moves between DRAM and the chip, how full
    the scratchpad is; and what would help, found by simulating the program's timing again on a chip that differs.
    """
    if rtl and trace is None:
        raise click.UsageError("--rtl adds to the timeline; give --trace FILE too.")
    with Watch() as progress:
        program = _program(target, chip, data, dict(shape), seed, progress)
        from lithify.profile import profile_program
        from lithify.profile.timeline import chrome_trace, write_trace
        from lithify.sim.inference import run_segments

        runs = run_segments(program)
        found = profile_program(program, progress, runs)
        if trace is not None:
            results = _in_rtl(program, found.cycles, seed, progress) if rtl else []
            write_trace(trace, chrome_trace(program, runs, results))
        if html is not None:
            from lithify.profile.page import write_page

            write_page(html, found)
        if tensorboard is not None:
            from lithify.profile.tensorboard import write_board

            write_board(tensorboard, program, runs, found)
    if as_json:
        emit(found.to_json())
    else:
        from lithify.profile.terminal import profile_tables
        from lithify.report.terminal import show

        show(*profile_tables(found))


MULTICHIP = "multichip"
"""The word before the networks of `lithify bench` that puts them on clusters."""


@click.command(short_help="Measure the standard networks on chips.")
@click.argument("networks", nargs=-1, metavar="[NETWORK]...")
@click.option(
    "--chip",
    "chips",
    multiple=True,
    metavar="NAME|FILE",
    help="A preset or a chip description (.toml); may be given several times.  [default: edge]",
)
@options.output(what="Write the rows to a JSON file.")
@options.seed
@options.as_json
def bench(networks: tuple[str, ...], chips: tuple[str, ...], output: Path | None, seed: int, as_json: bool) -> None:
    """Build standard networks from code (seeded weights, no download) and measure each on each chip: cycles, traffic,
    energy, and the processor seconds that compiling and simulating take.

    Without NETWORK: the MLPerf Tiny shapes, ResNet, MobileNet, EfficientNet and a detector.
    `lithify bench multichip [NETWORK]...`: on clusters, in every way; without NETWORK ResNet-50, BERT-base and small
    networks side by side, on up to 8 chips, with chips that fail.
    """
    import json

    import lithify
    from lithify.bench import bench_table
    from lithify.multichip import multichip, plans_table, told
    from lithify.report.terminal import show

    rows: Sequence[Any]
    with Watch() as progress:
        if networks[:1] == (MULTICHIP,):
            rows = multichip(networks[1:], chips or ("edge",), seed=seed, progress=progress)
            table, lines = plans_table([row.plan for row in rows]), [line for row in rows for line in told(row)]
        else:
            rows = lithify.bench(
                networks,
                chips or ("edge",),
                seed=seed,
                progress=progress,
                found=lambda row: progress.note(f"{row.network} on {row.chip}: {row.cycles:,} cycles"),
            )
            table, lines = bench_table(rows), []
    found = [row.to_json() for row in rows]
    if output is not None:
        from lithify.folder import write_text

        write_text(output, json.dumps(found, indent=2) + "\n")
    if as_json:
        emit(found)
    else:
        show(table)
        for line in lines:
            click.echo(line)


@click.command(short_help="Run ONNX's own test suite on a chip.")
@click.argument("tests", required=False, default="")
@options.chip
@options.output(what="Write the page of operators (Markdown).")
@options.as_json
def conformance(tests: str, chip: str | None, output: Path | None, as_json: bool) -> int:
    """Run the backend tests of the installed `onnx` package, or those whose names contain TESTS, on a chip.

    Each is taken through the whole line and comes out on the chip, on the host, refused with a sentence, or failed;
    with any of the last the exit status is 1.
    """
    import lithify

    with Watch() as progress:
        found = lithify.conformance(tests, chip or "edge", progress=progress)
    if output is not None:
        from lithify.conformance.page import page
        from lithify.folder import write_text

        write_text(output, page(found))
    if as_json:
        emit(found.to_json())
    else:
        from lithify.conformance.judge import OUTCOMES

        for title, ours in (("operators that the chip is to run", True), ("all tests", False)):
            counts = ", ".join(f"{found.count(outcome, ours)} {outcome}" for outcome in OUTCOMES)
            click.echo(f"{title}: {counts}")
        for verdict in found.verdicts:
            if verdict.outcome == "failed":
                click.echo(f"{verdict.name}: {verdict.reason}")
    return 1 if found.count("failed") else 0


@click.command(short_help="Try random graphs on random chips, and damaged files.")
@click.option("--count", type=click.IntRange(0), default=200, help="Random graphs.  [default: 200]")
@click.option("--rtl", type=click.IntRange(0), default=0, help="How many of them run in RTL too.  [default: 0]")
@click.option(
    "--rtl-chips",
    "chips",
    type=click.IntRange(0),
    default=0,
    help="Random chips that take turns with tiny in RTL; a minute each to build.  [default: 0]",
)
@click.option("--files", type=click.IntRange(0), default=0, help="Damaged files.  [default: 0]")
@options.seed
@options.folder("Where failures are written.  [default: fuzz]")
@options.as_json
def fuzz(count: int, rtl: int, chips: int, files: int, seed: int, output: Path | None, as_json: bool) -> int:
    """Try random graphs on random chips, and damaged files: for those who change compiler, simulators or chip.

    Every graph is optimised, quantised and compiled; reference, functional simulator and RTL must agree on every
    tensor, timing simulator and RTL on every cycle. A failure is written as the smallest ONNX model that shows it,
    beside its chip. A damaged model, program or chip description must be refused with one sentence. Exit status 1 if
    anything is found. The same seed gives the same graphs and files.
    """
    import lithify

    folder = output or Path("fuzz")
    with Watch() as progress:
        found = lithify.fuzz(count, seed, rtl=rtl, chips=chips, files=files, folder=folder, progress=progress)
    if as_json:
        emit(found.to_json())
        return 0 if found.clean else 1
    graphs = found.graphs
    if count:
        counts = ", ".join(f"{number:,} {kind}" for kind, number in sorted(graphs.counts.items()))
        click.echo(
            f"{count:,} graphs, seed {seed}: {counts}; {graphs.rtl} of them in RTL, {graphs.host} partly on the host, "
            f"{graphs.values_compared:,} values compared"
        )
    for failure in graphs.failures:
        click.echo(f"graph {failure.number}: {failure.kind} in {failure.nodes} nodes, {failure.file}: {failure.text}")
    if files:
        counts = ", ".join(f"{number:,} {kind}" for kind, number in found.files.counts.items())
        click.echo(f"{files:,} files, seed {seed}: {counts}")
    for finding in found.files.findings:
        click.echo(f"file {finding.number}: {finding.kind}, {finding.change}, {finding.file}: {finding.text}")
    return 0 if found.clean else 1


def _program(
    target: Path,
    chip: str | None,
    data: Path | None,
    shape: dict[str, tuple[int, ...]],
    seed: int,
    progress: "Progress",
) -> "Program":
    """The program of a file or folder; a model is taken through the line first."""
    import lithify
    from lithify.frontend.table import FRONT_ENDS
    from lithify.program import Program

    if not any(target.suffix.lower() in row.suffixes for row in FRONT_ENDS):
        return Program.load(target, chip=chip)
    stage = Stages(progress, 2)
    with stage("optimise and quantise"):
        model = lithify.quantize(lithify.optimize(lithify.load(target, shape=shape)), data, seed=seed)
    with stage(f"compile for {chip or 'edge'}"):
        return lithify.compile(model, chip or "edge")


def _in_rtl(program: "Program", cycles: int, seed: int, progress: "Progress") -> "list[DeviceResult]":
    """One random input in RTL, of about so many cycles: what the chip told of each segment."""
    from lithify.profile.timeline import sampling
    from lithify.quantize import seeded
    from lithify.runtime import run
    from lithify.runtime.chip import RtlDevice

    with Stages(progress, 1)("run in RTL"):
        device = replace(RtlDevice.of(program.chip, progress.note), sample_every=sampling(cycles))
        outcome = run(program, seeded(program.model_inputs, 1, seed)[0], device)
    return [entry.result for entry in outcome.segments]


COMMANDS = (profile, bench, conformance, fuzz)
