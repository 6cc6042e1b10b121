"""A search for TensorBoard: scalars of every point, the front as it grew, its drawings, and parameters as hparams."""

from pathlib import Path

from lithify.explore.plots import pyplot
from lithify.explore.search.exploration import Exploration
from lithify.explore.search.explored import memory, shape
from lithify.explore.search.explored_page import PAIRS, figure_of
from lithify.explore.search.front import front, volume
from lithify.explore.search.point import Point
from lithify.profile.tensorboard import board

WORSE = 1.1
"""The front's volume is counted up to the largest figures of all points, times this."""


def write_search(folder: Path, found: Exploration) -> None:
    """Writes event files into a folder; each compiled point also as a run of its own for the tab HPARAMS.

    Raises LithifyError where tensorboardX or Matplotlib is not installed.
    """
    real = [point for point in found.points if point.compiled]
    with board(folder) as writer:
        worst = tuple(WORSE * max((point.numbers[axis] for point in real), default=1.0) for axis in range(3))
        so_far: list[Point] = []
        for step, point in enumerate(found.points):
            writer.add_scalar("points/mm2", point.mm2, step)
            if point.compiled:
                so_far = front([*so_far, point])
                for name, value in metrics(found, point).items():
                    if name != "mm2":
                        writer.add_scalar(f"points/{name}", value, step)
            writer.add_scalar("front/points", len(so_far), step)
            writer.add_scalar("front/volume", volume((p.numbers for p in so_far), worst), step)
        for x, y in PAIRS:
            figure = figure_of(found, x, y)
            writer.add_figure(f"front/{x}_{y}", figure, len(found.points))
            pyplot().close(figure)
        writer.add_text("answer", "\n\n".join(found.sentences()), 0)
        writer.add_text("front", _table(found), 0)
        for point in real:
            writer.add_hparams(
                dict(point.values), metrics(found, point), name=f"point_{point.number:04}", global_step=0
            )


def metrics(found: Exploration, point: Point) -> dict[str, float]:
    """A compiled point's figures, by names that say their units."""
    return {
        "mm2": point.mm2,
        "latency_ms": 1e3 * point.latency,
        "energy_mj": 1e3 * point.joules,
        "mw": found.judge.milliwatts(point),
        "within_budgets": float(found.judge.meets(point)),
    }


def _table(found: Exploration) -> str:
    rows = ["| point | mm2 | ms | mJ | array | memory |", "|---|---|---|---|---|---|"]
    for point in found.front:
        numbers = f"{point.mm2:.2f} | {1e3 * point.latency:.4g} | {1e3 * point.joules:.4g}"
        rows.append(f"| {point.number} | {numbers} | {shape(point)} | {memory(point)} |")
    return "\n".join(rows)
