"""`lithify cluster`: networks on several chips, how they are shared out, and what a failed chip costs."""

from pathlib import Path
from typing import Literal

import click

from lithify.cli import options
from lithify.cli.screen import emit


@click.command(short_help="Put networks on the chips of a cluster.")
@click.argument("cluster", type=options.PATH)
@click.argument("models", type=options.PATH, nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--parallel",
    type=click.Choice(["auto", "data", "task", "pipeline", "tensor"]),
    default="auto",
    help="How the chips share the work; auto compares what serves the goal.  [default: auto]",
)
@click.option(
    "--goal",
    type=click.Choice(["throughput", "latency"]),
    default="throughput",
    help="What auto looks for: answers in a given time, or one answer soon.  [default: throughput]",
)
@click.option("--failed", "broken", type=click.IntRange(0), metavar="CHIP", help="Let this chip fail half-way.")
@options.as_json
def cluster(
    cluster: Path,
    models: tuple[Path, ...],
    parallel: Literal["auto", "data", "task", "pipeline", "tensor"],
    goal: Literal["throughput", "latency"],
    broken: int | None,
    as_json: bool,
) -> None:
    """Put quantised MODELs (.onnx) on the chips of a CLUSTER (.toml): data parallel, pipeline or tensor parallel, or
    several of them side by side; and tell why, how fast they answer, and what limits them.
    """
    import lithify
    from lithify.cluster import again, failed, load_cluster, plan

    described = load_cluster(cluster)
    loaded = [lithify.load(model) for model in models]
    choice = plan(loaded, described, parallel, goal)
    recovery = None if broken is None else failed(choice.plan, broken, again(choice.plan, loaded))
    if as_json:
        emit({**choice.to_json(), "failed": None if recovery is None else recovery.to_json()})
        return
    from lithify.bench import multichip_table
    from lithify.report.terminal import show

    show(multichip_table([choice.plan]))
    for reason in choice.reasons:
        click.echo(reason)
    if recovery is not None:
        facts = recovery.to_json()
        click.echo(
            f"Chip {recovery.chip} fails in cycle {recovery.at:,}: {facts['answered_before']} of {facts['requests']} "
            f"requests are answered, {facts['begun_anew']} begin anew on the other {facts['chips_left']} after "
            f"{recovery.pause:,} cycles, {recovery.lost} are lost; then an answer every "
            f"{facts['degraded_period_cycles']:,.0f} cycles, {recovery.rate:.2f} of the rate before."
        )


COMMANDS = (cluster,)
