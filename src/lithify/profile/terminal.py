"""The profile and the benchmark as tables in a terminal."""

from collections.abc import Sequence
from itertools import pairwise

from rich.table import Table
from rich.text import Text

from lithify.profile.explain import MEANING, headline
from lithify.profile.inference import WAITED, Profile
from lithify.profile.traffic import by_kind
from lithify.report.terminal import new_table, percent
from lithify.sim.cost import TRANSFERS

LARGEST = 12
"""Rows of the table of tensors."""

_BARS = " ▁▂▃▄▅▆▇█"
_BARS_ASCII = " .:-=+*#@"


def profile_tables(profile: Profile) -> list[Table | Text]:
    """Summary, where the cycles go, each layer, traffic, memory over time, and what would help."""
    return [
        _summary(profile),
        Text(headline(profile) + "\n"),
        _spent(profile),
        _layers(profile),
        _limits(profile),
        _traffic(profile),
        _over_time(profile),
        _helped(profile),
    ]


def _summary(profile: Profile) -> Table:
    found, roof, energy = profile.simulation, profile.roofline, profile.energy
    rows = new_table(f"{found.program} on {found.chip.name}", "what", "value", "how", right=("value",))
    rows.add_row("cycles", f"{found.cycles:,}", "timing simulator, which is exactly the RTL's count")
    speed = f"{found.chip.clock_hz / found.cycles:,.1f} inferences/s at {found.chip.clock_hz / 1e6:g} MHz"
    rows.add_row("latency", f"{found.milliseconds:.3f} ms", speed if found.cycles else "")
    rows.add_row(
        "utilisation of the array", percent(found.mac_utilisation), "multiply-accumulates / (cycles x multipliers)"
    )
    bound = "multiplications" if roof.compute_cycles >= roof.memory_cycles else "bytes"
    reached = percent(roof.cycles / found.cycles) if found.cycles else ""
    rows.add_row("least cycles (roofline)", f"{roof.cycles:,.0f}", f"of its {bound}; {reached} reached")
    rows.add_row("moved from and to DRAM", f"{found.dram_bytes:,} bytes", f"least possible {roof.minimal_bytes:,}")
    parts = f"array {energy.array:.1f}, SRAM {energy.sram:.1f}, other logic {energy.logic:.1f}, DRAM {energy.dram:.1f}"
    how = f"modelled, 130 nm: {parts}"
    rows.add_row("energy", f"{energy.total:.1f} uJ", how)
    rows.add_row("on the host", ", ".join(profile.host_nodes) or "nothing", "")
    return rows


def _spent(profile: Profile) -> Table:
    rows = new_table("where the cycles go", "cycles", "", "share", "which means", right=("", "share"))
    total = max(profile.cycles, 1)
    waited = profile.waited()
    for name, cycles in profile.spent().items():
        rows.add_row(name, f"{cycles:,}", percent(cycles / total), MEANING[name])
        if name == TRANSFERS:
            for kind in WAITED:
                rows.add_row(f"  for {kind}", f"{waited[kind]:,}", percent(waited[kind] / total), "")
    return rows


def _layers(profile: Profile) -> Table:
    right = ("cycles", "share", "utilised", "lost", "array", "post", "DMA", "DRAM bytes")
    columns = ("layer", "operator", "cycles", "share", "utilised", "lost", "array", "post", "DMA", "DRAM bytes")
    rows = new_table("layers", *columns, right=right)
    for layer in profile.layers:
        cost = layer.cost
        cycles = max(cost.cycles, 1)
        rows.add_row(
            cost.name,
            cost.operator,
            f"{cost.cycles:,}",
            percent(cost.cycles / max(profile.cycles, 1)),
            percent(cost.utilisation),
            f"{layer.lost:,}",
            *(f"{100 * min(1.0, layer.busy[unit] / cycles):.0f} %" for unit in ("array", "post", "dma")),
            f"{layer.weight_bytes + layer.activation_bytes:,}",
        )
    rows.caption = (
        "lost: cycles beyond those that its multiplications need. array, post, DMA: share of the layer's cycles in "
        "which the unit works.\n"
    )
    rows.caption_justify = "left"
    return rows


def _limits(profile: Profile) -> Table:
    """Sentences have a table of their own: beside ten columns of numbers they would be a word wide."""
    rows = new_table("what limits each layer", "layer", "mostly", "why")
    for layer in profile.layers:
        rows.add_row(layer.cost.name, layer.cost.limit, layer.why)
    return rows


def _traffic(profile: Profile) -> Table:
    rows = new_table("DRAM traffic", "tensor", "kind", "read", "written", "share", right=("read", "written", "share"))
    total = max(sum(row.bytes for row in profile.traffic), 1)
    for row in profile.traffic[:LARGEST]:
        share = percent(row.bytes / total)
        rows.add_row(row.tensor, row.kind, f"{row.read_bytes:,}", f"{row.written_bytes:,}", share)
    rest = profile.traffic[LARGEST:]
    if rest:
        read, written = sum(row.read_bytes for row in rest), sum(row.written_bytes for row in rest)
        rows.add_row(f"{len(rest)} others", "", f"{read:,}", f"{written:,}", percent((read + written) / total))
    kinds = by_kind(profile.traffic)
    rows.caption = "by kind: " + ", ".join(f"{kind} {bytes_:,}" for kind, bytes_ in kinds.items() if bytes_) + "\n"
    rows.caption_justify = "left"
    return rows


def _over_time(profile: Profile) -> Table:
    curves, size = profile.curves, profile.simulation.chip.scratchpad_bytes
    rows = new_table("over time", "what", "from the first cycle to the last", "most", right=("most",))
    held = [weights + rest for weights, rest in zip(curves.weights, curves.activations, strict=True)]
    rows.add_row("scratchpad in use", _bars(held, size), f"{max(held, default=0):,} of {size:,} bytes")
    rows.add_row("  by weights", _bars(curves.weights, size), f"{max(curves.weights, default=0):,}")
    rows.add_row("DRAM port busy", _bars(curves.dram, 1.0), percent(max(curves.dram, default=0.0)))
    return rows


def _helped(profile: Profile) -> Table:
    rows = new_table("what would help", "change", "cycles", "saved", "how it was found", right=("cycles", "saved"))
    for change in profile.helped:
        cycles = f"{'>= ' if change.bound else ''}{change.cycles:,}"
        rows.add_row(change.name, cycles, percent(change.saved), change.how)
    return rows


def _bars(values: Sequence[float], top: float, width: int = 44) -> str:
    """A curve as one line: the largest value of each stretch, against `top`."""
    from lithify.report.terminal import plain

    signs = _BARS_ASCII if plain() else _BARS
    if not values:
        return ""
    edges = [round(at * len(values) / width) for at in range(width + 1)]
    most = [max(values[first : max(last, first + 1)], default=0) for first, last in pairwise(edges)]
    # Whatever is more than nothing shows.
    return "".join(signs[min(len(signs) - 1, -int(-value / top * (len(signs) - 1) // 1))] for value in most)
