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
    from lithify.multichip import plans_table, recovery_text
    from lithify.report.terminal import show

    show(plans_table([choice.plan]))
    for reason in choice.reasons:
        click.echo(reason)
    if recovery is not None:
        click.echo(recovery_text(recovery))


COMMANDS = (cluster,)
