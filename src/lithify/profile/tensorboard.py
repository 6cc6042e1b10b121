"""A profile for TensorBoard: scalars, curves over the cycles, the layers, and the timeline as a picture.

TensorBoard's own profile plugin reads XLA's files alone, so the timeline in full lies beside the events as a Chrome
trace, which https://ui.perfetto.dev opens.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lithify.errors import LithifyError
from lithify.folder import check_writable, write_file
from lithify.profile.inference import Profile
from lithify.profile.timeline import Event, chrome_trace, events
from lithify.program import Program
from lithify.sim.inference import SegmentRun

TRACE = "timeline.trace.json.gz"

QUEUE_COLOURS = ("#56b4e9", "#0072b2", "#e69f00", "#cc79a7")
"""Of the queues, in their order: the palette of Okabe and Ito."""


@contextmanager
def board(folder: Path) -> Iterator[Any]:
    """A writer of TensorBoard's event files into a folder, flushed when the block ends.

    Raises LithifyError where tensorboardX is not installed or the folder cannot be written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise LithifyError("Files for TensorBoard need tensorboardX: pip install 'lithify[tensorboard]'.") from error
    check_writable(folder / TRACE)
    writer = SummaryWriter(logdir=str(folder))
    try:
        yield writer
    finally:
        writer.close()


def write_board(folder: Path, program: Program, runs: Sequence[SegmentRun], found: Profile) -> None:
    """Writes a profile's event files and its trace into a folder."""
    simulation = found.simulation
    with board(folder) as writer:
        totals = {
            "cycles": found.cycles,
            "milliseconds": simulation.milliseconds,
            "mac_utilisation": simulation.mac_utilisation,
            "dram_bytes": simulation.dram_bytes,
            "energy_uj": found.energy.total,
            "least_cycles": found.roofline.cycles,
        }
        for name, value in totals.items():
            writer.add_scalar(f"inference/{name}", value, 0)
        for name, cycles in found.spent().items():
            writer.add_scalar(f"spent/{name.replace(' ', '_')}", cycles, 0)
        for at, cycle in enumerate(found.curves.cycle):
            writer.add_scalar("over_cycles/scratchpad_weights_bytes", found.curves.weights[at], cycle)
            writer.add_scalar("over_cycles/scratchpad_activations_bytes", found.curves.activations[at], cycle)
            writer.add_scalar("over_cycles/dram_share", found.curves.dram[at], cycle)
        for index, layer in enumerate(found.layers):
            writer.add_scalar("layers/cycles", layer.cost.cycles, index)
            writer.add_scalar("layers/utilisation", layer.cost.utilisation, index)
            writer.add_scalar("layers/lost_cycles", layer.lost, index)
        writer.add_text("layers", _layers(found), 0)
        writer.add_text(
            "timeline", f"`{TRACE}` beside these files is the whole timeline: open it on https://ui.perfetto.dev.", 0
        )
        writer.add_figure("timeline", _figure(events(program, runs), found), 0)
    text = json.dumps(chrome_trace(program, runs), separators=(",", ":")).encode()
    # Without the time of writing: the same profile gives the same file.
    write_file(folder / TRACE, lambda partial: partial.write_bytes(gzip.compress(text, mtime=0)))


def _layers(found: Profile) -> str:
    rows = ["| step | layer | operator | cycles | utilisation | limit |", "|---|---|---|---|---|---|"]
    for index, layer in enumerate(found.layers):
        cost = layer.cost
        numbers = f"{cost.cycles:,} | {100 * cost.utilisation:.0f} %"
        rows.append(f"| {index} | {cost.name} | {cost.operator} | {numbers} | {cost.limit} |")
    return "\n".join(rows)


def _figure(seen: Sequence[Event], found: Profile) -> Any:
    """Instructions by queue over the cycles, and DRAM's share below; Matplotlib's figure."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LithifyError("The timeline's picture needs Matplotlib: pip install 'lithify[tensorboard]'.") from error
    figure = Figure(figsize=(12, 4))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    queues = sorted({event.queue for event in seen}, reverse=True)
    for place, queue in enumerate(queues):
        spans = [(event.start, event.end + 1 - event.start) for event in seen if event.queue is queue]
        above.broken_barh(
            spans, (place + 0.1, 0.8), facecolors=QUEUE_COLOURS[int(queue) % len(QUEUE_COLOURS)], alpha=0.6
        )
    above.set_yticks([place + 0.5 for place in range(len(queues))], [queue.name.lower() for queue in queues])
    below.fill_between(found.curves.cycle, found.curves.dram, step="post", color="#999999")
    below.set_ylabel("DRAM")
    below.set_ylim(0, 1)
    below.set_xlabel("cycle")
    above.set_title(f"{found.simulation.program} on {found.simulation.chip.name}: {found.cycles:,} cycles", fontsize=9)
    return figure
