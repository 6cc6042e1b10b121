"""The drawings of the page, as SVG."""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10, sqrt

from lithify.profile.inference import LayerProfile, Profile
from lithify.sim.cost import ARRAY, DRAIN, POST, RESULTS, TRANSFERS, WEIGHTS

COLOURS = {
    ARRAY: "#0072b2",
    WEIGHTS: "#e69f00",
    POST: "#cc79a7",
    RESULTS: "#56b4e9",
    TRANSFERS: "#d55e00",
    DRAIN: "#999999",
}
"""Of what a cycle is spent on: the palette of Okabe and Ito, which the colour-blind can tell apart."""

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 72, 24, 24, 48
IDLE_COLOUR = "#8fbfdf"
"""Of cycles in which the array is fed, but multipliers have no product to make."""

LABELLED = 0.03
"""A layer of at least this share of the cycles has its number in the roofline plot."""


def roofline_plot(profile: Profile) -> str:
    """Multiply-accumulates a cycle over multiply-accumulates for each byte from DRAM, both logarithmic: a circle for
    each layer, as large as its cycles, and the two roofs.
    """
    height = 400
    chip = profile.simulation.chip
    rows = [(number, layer) for number, layer in enumerate(profile.layers, 1) if layer.cost.macs and layer.cost.cycles]
    ridge = chip.multipliers / chip.dram_bytes_per_cycle
    points = [(number, layer, *_point(layer)) for number, layer in rows]
    found = [x for *_, x, _ in points if x is not None]
    low, high = _decades([*found, ridge], chip.dram_bytes_per_cycle / chip.multipliers)
    bottom, top = _decades([y for *_, y in points] + [chip.multipliers], chip.multipliers)

    def x_of(value: float) -> float:
        return LEFT + (log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return height - BOTTOM - (log10(value) - bottom) / (top - bottom) * (height - BOTTOM - TOP)

    def parts() -> Iterator[str]:
        for power in range(low, high + 1):
            x = x_of(10.0**power)
            yield _line(x, TOP, x, height - BOTTOM, "grid")
            yield _text(x, height - BOTTOM + 18, _power(power), "middle")
        for power in range(bottom, top + 1):
            y = y_of(10.0**power)
            yield _line(LEFT, y, WIDTH - RIGHT, y, "grid")
            yield _text(LEFT - 8, y + 4, _power(power), "end")
        yield _text(
            (LEFT + WIDTH - RIGHT) / 2, height - 8, "multiply-accumulates for each byte moved from or to DRAM", "middle"
        )
        turned = f"translate(16 {(TOP + height - BOTTOM) / 2:.0f}) rotate(-90)"
        yield f'<text transform="{turned}" text-anchor="middle">multiply-accumulates a cycle</text>'
        foot = max(10.0**low, 10.0**bottom / chip.dram_bytes_per_cycle)
        corner = f"{x_of(ridge):.1f},{y_of(chip.multipliers):.1f}"
        start = f"{x_of(foot):.1f},{y_of(foot * chip.dram_bytes_per_cycle):.1f}"
        yield f'<polyline class="roof" points="{start} {corner} {WIDTH - RIGHT},{y_of(chip.multipliers):.1f}"/>'
        yield _text(WIDTH - RIGHT - 4, y_of(chip.multipliers) - 8, f"the array: {chip.multipliers} a cycle", "end")
        middle = sqrt(foot * ridge)
        rate = f"DRAM: {chip.dram_bytes_per_cycle} bytes a cycle"
        yield _text(x_of(middle) - 10, y_of(middle * chip.dram_bytes_per_cycle) - 8, rate, "end")
        for number, layer, intensity, y in sorted(points, key=lambda row: -row[1].cost.cycles):
            share = layer.cost.cycles / max(profile.cycles, 1)
            radius = 4 + 26 * sqrt(share)
            bytes_ = layer.weight_bytes + layer.activation_bytes
            title = f"{number} {layer.cost.name}: {y:,.1f} multiply-accumulates a cycle, {bytes_:,} DRAM bytes"
            place = WIDTH - RIGHT - 12 if intensity is None else x_of(intensity)
            mark = f'<circle cx="{place:.1f}" cy="{y_of(y):.1f}" r="{radius:.1f}" fill="{colour(layer)}"/>'
            if share >= LABELLED:
                mark += f'<text class="on" x="{place:.1f}" y="{y_of(y) + 4:.1f}" text-anchor="middle">{number}</text>'
            yield f'<g class="layer" data-layer="{number}"><title>{escape(title)}</title>{mark}</g>'

    return _svg(height, "roofline plot", parts())


def memory_plot(profile: Profile) -> str:
    """Scratchpad bytes in use over the cycles: weights below, activations above; the size as a line."""
    curves, size = profile.curves, profile.simulation.chip.scratchpad_bytes
    total = [weights + rest for weights, rest in zip(curves.weights, curves.activations, strict=True)]
    height = 260

    def parts() -> Iterator[str]:
        yield from _axes(profile, height, size, f"{size:,} bytes")
        yield _area(profile, [0] * len(total), curves.weights, size, height, "weights")
        yield _area(profile, curves.weights, total, size, height, "activations")

    return _svg(height, "scratchpad in use over time", parts())


def bandwidth_plot(profile: Profile) -> str:
    """The share of DRAM's bytes that move, over the cycles."""
    height = 160
    curve = profile.curves.dram

    def parts() -> Iterator[str]:
        rate = profile.simulation.chip.dram_bytes_per_cycle
        yield from _axes(profile, height, 1, f"{rate} bytes a cycle")
        yield _area(profile, [0.0] * len(curve), curve, 1, height, "dram")

    return _svg(height, "bytes moved over time", parts())


def _axes(profile: Profile, height: int, top: float, label: str) -> Iterator[str]:
    cycles = max(profile.cycles, 1)
    step = 10 ** floor(log10(cycles))
    step = step // 5 if cycles < 2 * step else step // 2 if cycles < 5 * step else step
    for cycle in range(0, cycles + 1, max(step, 1)):
        x = _x(profile, cycle)
        yield _line(x, TOP, x, height - BOTTOM, "grid")
        yield _text(x, height - BOTTOM + 18, f"{cycle:,}", "middle")
    yield _text((LEFT + WIDTH - RIGHT) / 2, height - 8, "cycle", "middle")
    for share in (0, 0.5, 1):
        y = height - BOTTOM - share * (height - BOTTOM - TOP)
        yield _line(LEFT, y, WIDTH - RIGHT, y, "grid")
        yield _text(LEFT - 8, y + 4, f"{100 * share:.0f} %", "end")
    yield _text(LEFT, TOP - 8, f"100 % = {label}", "start")


def _area(profile: Profile, below: Sequence[float], above: Sequence[float], top: float, height: int, name: str) -> str:
    """The stretch between two curves, in steps."""
    edges = [*profile.curves.cycle, profile.cycles]

    def path(values: Sequence[float], order: Sequence[int]) -> list[str]:
        found = []
        for at in order:
            y = height - BOTTOM - min(1.0, values[at] / top) * (height - BOTTOM - TOP)
            ends = (edges[at], edges[at + 1]) if order[0] <= order[-1] else (edges[at + 1], edges[at])
            found += [f"{_x(profile, cycle):.1f},{y:.1f}" for cycle in ends]
        return found

    forth = list(range(len(above)))
    points = path(above, forth) + path(below, forth[::-1])
    return f'<polygon class="{name}" points="{" ".join(points)}"><title>{name}</title></polygon>'


def _x(profile: Profile, cycle: int) -> float:
    return LEFT + cycle / max(profile.cycles, 1) * (WIDTH - LEFT - RIGHT)


def colour(layer: LayerProfile) -> str:
    """Of what limits a layer: an array that is fed but mostly idle has a colour of its own."""
    return IDLE_COLOUR if layer.cost.limit == ARRAY and layer.useful < 0.5 else COLOURS[layer.cost.limit]


def _point(layer: LayerProfile) -> tuple[float | None, float]:
    """Multiply-accumulates for each byte (None without bytes), and for each cycle."""
    bytes_ = layer.weight_bytes + layer.activation_bytes
    return layer.cost.macs / bytes_ if bytes_ else None, layer.cost.macs / layer.cost.cycles


def _decades(values: Sequence[float], otherwise: float) -> tuple[int, int]:
    """Powers of ten around all values."""
    values = values or [otherwise]
    low = floor(log10(min(values)))
    return low, max(low + 1, ceil(log10(max(values) * 1.2)))


def _power(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: int, label: str, parts: Iterator[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
