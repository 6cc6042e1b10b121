"""The drawings of the page, as SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, hypot, log, log10, sqrt

from lithify.profile.inference import LayerProfile, Profile
from lithify.sim.cost import ARRAY, DRAIN, POST, RESULTS, TRANSFERS, VECTOR, WEIGHTS

COLOURS = {
    ARRAY: "#0072b2",
    WEIGHTS: "#e69f00",
    POST: "#cc79a7",
    RESULTS: "#56b4e9",
    VECTOR: "#009e73",
    TRANSFERS: "#d55e00",
    DRAIN: "#999999",
}
"""Of what a cycle is spent on: the palette of Okabe and Ito, which the colour-blind can tell apart."""

TEXT_ON = {value: "light" for value in COLOURS.values()}
"""By colour: whether light or dark text can be read on it."""

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 72, 36, 24, 48
IDLE_COLOUR = "#8fbfdf"
"""Of cycles in which the array is fed, but multipliers have no product to make."""

TEXT_ON |= dict.fromkeys((COLOURS[WEIGHTS], COLOURS[RESULTS], COLOURS[DRAIN], IDLE_COLOUR), "dark")

NAMED, WORTH_NAMING = 8, 0.005
"""Layers that have their names in the roofline plot, if there is room: those that lose most cycles, and at least this
share of all.
"""

NAME_LENGTH = 28
LETTER, LINE = 6.6, 14.0
"""Width of a letter and height of a line of the names, about."""


def roofline_plot(profile: Profile) -> str:
    """Multiply-accumulates a cycle over multiply-accumulates for each byte from DRAM, both logarithmic: a circle for
    each layer, as large as its cycles, and the two roofs.
    """
    height = 420
    chip = profile.simulation.chip
    rows = [(number, layer) for number, layer in enumerate(profile.layers, 1) if layer.cost.macs and layer.cost.cycles]
    ridge = chip.multipliers / chip.dram_bytes_per_cycle
    points = [(number, layer, *_point(layer)) for number, layer in rows]
    low, high = _limits([*(x for *_, x, _ in points if x is not None), ridge])
    bottom, top = _limits([*(y for *_, y in points), chip.multipliers])

    def x_of(value: float) -> float:
        return LEFT + log(value / low) / log(high / low) * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return height - BOTTOM - log(value / bottom) / log(top / bottom) * (height - BOTTOM - TOP)

    circles = []
    for number, layer, intensity, rate in sorted(points, key=lambda row: -row[1].cost.cycles):
        place = WIDTH - RIGHT - 12 if intensity is None else x_of(intensity)
        radius = 4 + 26 * sqrt(layer.cost.cycles / max(profile.cycles, 1))
        circles.append(_Circle(number, layer, place, y_of(rate), radius, rate))

    def parts() -> Iterator[str]:
        for value in _ticks(low, high):
            yield _line(x_of(value), TOP, x_of(value), height - BOTTOM, "grid")
            yield _text(x_of(value), height - BOTTOM + 18, f"{value:,g}", "middle")
        for value in _ticks(bottom, top):
            yield _line(LEFT, y_of(value), WIDTH - RIGHT, y_of(value), "grid")
            yield _text(LEFT - 8, y_of(value) + 4, f"{value:,g}", "end")
        yield _text(
            (LEFT + WIDTH - RIGHT) / 2, height - 8, "multiply-accumulates for each byte moved from or to DRAM", "middle"
        )
        turned = f"translate(16 {(TOP + height - BOTTOM) / 2:.0f}) rotate(-90)"
        yield f'<text transform="{turned}" text-anchor="middle">multiply-accumulates a cycle</text>'
        foot = max(low, bottom / chip.dram_bytes_per_cycle)
        roof, start = y_of(chip.multipliers), f"{x_of(foot):.1f},{y_of(foot * chip.dram_bytes_per_cycle):.1f}"
        yield f'<polyline class="roof" points="{start} {x_of(ridge):.1f},{roof:.1f} {WIDTH - RIGHT},{roof:.1f}"/>'
        array = f"the array: {chip.multipliers} a cycle"
        yield _text(WIDTH - RIGHT - 4, TOP - 8, array, "end") + _line(
            WIDTH - RIGHT - 4, TOP - 4, WIDTH - RIGHT - 4, roof, "grid"
        )
        middle = sqrt(foot * ridge)
        rate = f"DRAM: {chip.dram_bytes_per_cycle} bytes a cycle"
        yield _text(x_of(middle) - 10, y_of(middle * chip.dram_bytes_per_cycle) - 8, rate, "end")
        for circle in circles:
            yield circle.svg(covered=any(circle.covered_by(other) for other in circles))
        slope = [(x_of(low * (ridge / low) ** (at / 40)), low * (ridge / low) ** (at / 40)) for at in range(40)]
        line = [(x - 6, y_of(value * chip.dram_bytes_per_cycle) - 6, 12.0, 12.0) for x, value in slope]
        least = WORTH_NAMING * profile.cycles
        yield from _names([circle for circle in circles if circle.layer.lost >= least], circles, line, height)

    return _svg(height, "roofline plot", parts())


@dataclass(frozen=True)
class _Circle:
    """A layer in the roofline plot: its centre and radius; rate: multiply-accumulates a cycle."""

    number: int
    layer: LayerProfile
    x: float
    y: float
    radius: float
    rate: float

    def covered_by(self, other: "_Circle") -> bool:
        """Whether a smaller circle, which is drawn later, hides the number in this one."""
        later = (other.radius, -other.number) < (self.radius, -self.number)
        return later and hypot(self.x - other.x, self.y - other.y) < other.radius + 8

    def svg(self, covered: bool) -> str:
        """The circle, with its number where it has room."""
        bytes_ = self.layer.weight_bytes + self.layer.activation_bytes
        title = f"{self.number} {self.layer.cost.name}: {self.rate:,.1f} multiply-accumulates a cycle, {bytes_:,} DRAM"
        fill = colour(self.layer)
        mark = f'<circle cx="{self.x:.1f}" cy="{self.y:.1f}" r="{self.radius:.1f}" fill="{fill}"/>'
        if self.radius >= 8 and not covered:
            where = f'x="{self.x:.1f}" y="{self.y + 4:.1f}" text-anchor="middle"'
            mark += f'<text class="on on-{TEXT_ON[fill]}" {where}>{self.number}</text>'
        return f'<g class="layer" data-layer="{self.number}"><title>{escape(title)} bytes</title>{mark}</g>'


_Box = tuple[float, float, float, float]


def _names(named: Sequence[_Circle], circles: Sequence[_Circle], line: list[_Box], height: float) -> Iterator[str]:
    """The names of the layers that lose most cycles, each beside its circle where nothing else stands: no other circle,
    name, nor the line, all as boxes (left, top, width, height).
    """
    taken = [(one.x - one.radius, one.y - one.radius, 2 * one.radius, 2 * one.radius) for one in circles] + line
    for circle in sorted(named, key=lambda circle: -circle.layer.lost)[:NAMED]:
        name = circle.layer.cost.name
        text = f"{circle.number} {name if len(name) <= NAME_LENGTH else '…' + name[1 - NAME_LENGTH :]}"
        width, gap = LETTER * len(text), circle.radius + 4
        for x, y in (
            (circle.x + gap, circle.y - LINE / 2),
            (circle.x - gap - width, circle.y - LINE / 2),
            (circle.x - width / 2, circle.y + gap - 2),
            (circle.x - width / 2, circle.y - gap - LINE + 2),
        ):
            box = (x, y, width, LINE)
            inside = LEFT < x < WIDTH - RIGHT - width and TOP < y < height - BOTTOM - LINE
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                yield f'<text class="name" x="{x:.1f}" y="{y + 11:.1f}">{escape(text)}</text>'
                break


def _meet(one: _Box, other: _Box) -> bool:
    """Whether two boxes overlap."""
    return all(one[at] < other[at] + other[at + 2] and other[at] < one[at] + one[at + 2] for at in (0, 1))


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
        yield _text(
            x, height - BOTTOM + 18, f"{cycle / 1e6:g} M" if cycles >= 2e6 and cycle else f"{cycle:,}", "middle"
        )
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


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis: room around all values, a decade at least."""
    low, high = min(values) / 2, max(values) * 2
    return (low, high) if high > 10 * low else (sqrt(low * high / 10), sqrt(low * high * 10))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between the ends of a logarithmic axis, few enough to be read."""
    steps = (1, 2, 5) if high < 300 * low else (1,)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    # Divided, not multiplied: 10.0**-1 is no tenth.
    found = [step * 10.0**power if power >= 0 else step / 10.0**-power for power in powers for step in steps]
    return [value for value in found if low <= value <= high]


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: int, label: str, parts: Iterator[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
