"""What a search takes of a processor: points, how many of them were compiled for, and the seconds of all of it.

    python benchmarks/explore.py mobilenet_v2 --points 200
    python benchmarks/explore.py mobilenet_v2 --points 200 -- --fps 30 --mm2 8 --mw 350

Runs `lithify explore` as a user does, in a process of its own with `--jobs 1`: loading, quantising, searching, and
compiling once more for the chip that is chosen, all but the RTL. What follows `--` are more of its options. Seconds are
the processor's, of all threads; other work on the machine makes them more.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("network", default="mobilenet_v2")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
@click.option("--points", type=click.IntRange(1), default=200, show_default=True)
def main(network: str, more: tuple[str, ...], points: int) -> None:
    """Prints the counts and the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lithify", "explore", network, "--points", str(points), "--jobs", "1",
                   "--rtl", "none", "--json", "-o", str(Path(folder) / "chip"), *more]  # fmt: skip
        before = os.times()
        done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, check=False)
        after = os.times()
    if not done.stdout:
        raise SystemExit(done.returncode)
    found = json.loads(done.stdout)
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    click.echo(f"{found['counts']}, within all budgets: {found['met']}")
    click.echo(f"{user + system:.0f} s of a processor ({system:.0f} of them the system's)")


if __name__ == "__main__":
    main()
