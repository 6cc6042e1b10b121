"""The ways to put a network into a product, each with what it costs and whether it keeps to what is asked.

Everything here follows from facts, needs and assumptions by the formulas of docs/advise.md; nothing is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from lithify.chip.area import Area
from lithify.explore.advise.assumptions import Alternative, Assumptions
from lithify.explore.advise.cost import break_even, clustered_yield, dies_per_wafer, unit_cost
from lithify.explore.advise.die import delay_factor, die_mm2, energy_factor
from lithify.explore.figure import GIVEN, MEASURED, MODELLED, PUBLISHED, SIMULATED, Figure

ENERGY_NM, ENERGY_VOLTS = 130, 1.2
"""The process that `profile/energy.py` is fitted to: IHP SG13G2."""

CHIP_NM, CHIP_VOLTS = 130, 1.2
"""The process that a chip's clock_hz is for: IHP SG13G2."""

FIGURES: Mapping[str, tuple[str, str]] = {
    "latency": ("latency", "s"),
    "power": ("power", "W"),
    "project": ("once", "$"),
    "unit": ("a piece", "$"),
    "each": ("a piece, with its share", "$"),
    "total": ("in all", "$"),
}
"""Figures of an option: what each is called, and its unit."""


@dataclass(frozen=True)
class Needs:
    """What the product asks: pieces, watts, seconds of one inference; None: not asked."""

    volume: float
    power_w: float | None = None
    latency_s: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """As given, in SI units."""
        return {"volume": self.volume, "power_w": self.power_w, "latency_s": self.latency_s}


@dataclass(frozen=True)
class OnChip:
    """A network on a chip. onchip_uj, dram_uj: of one inference, modelled; host_s: this machine's, for what runs on the
    host.
    """

    name: str
    multipliers: int
    clock_hz: float
    cycles: int
    onchip_uj: float
    dram_uj: float
    host_s: float
    silicon: Area
    dram_bytes_per_cycle: float


@dataclass(frozen=True)
class Facts:
    """What is known of a network before anything is assumed.

    chips: those that an ASIC may be; fpga_chips: those that an FPGA may hold, the largest first.
    cpu_s: int8, all cores of this machine. published: system of published.toml -> seconds, for a network of a standard
    one's size.
    """

    operations: int
    weight_bytes: int
    chips: tuple[OnChip, ...]
    fpga_chips: tuple[OnChip, ...]
    cpu_s: float
    published: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """A way to build it. kind: asic, or an alternative's. nm: of an ASIC. misses: what it does not keep to, in words.

    parts: how the price of a piece comes about. worst: the worst of what it takes over what is allowed; at most 1 where
    it keeps to all.
    """

    name: str
    kind: str
    figures: Mapping[str, Figure]
    nm: int | None = None
    months: float | None = None
    misses: tuple[str, ...] = ()
    worst: float = 0.0
    parts: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Whether it keeps to everything that is asked."""
        return not self.misses

    def value(self, name: str) -> float:
        """A figure's number."""
        return self.figures[name].value

    def at(self, volume: float) -> float:
        """Dollars in all for so many pieces."""
        return self.value("project") + volume * self.value("unit")

    def from_volume(self, other: "Option") -> float:
        """The volume from which this one is cheaper in all than the other."""
        return break_even(self.value("project"), self.value("unit"), other.value("project"), other.value("unit"))

    def to_json(self) -> dict[str, Any]:
        """Figures with how each was obtained."""
        return {
            "name": self.name,
            "kind": self.kind,
            "nm": self.nm,
            "months": self.months,
            "fits": self.fits,
            "misses": list(self.misses),
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
            "parts": {name: figure.to_json() for name, figure in self.parts.items()},
        }


def options(facts: Facts, needs: Needs, table: Assumptions) -> tuple[Option, ...]:
    """Every way of the assumptions: a chip on each node, and each alternative."""
    nodes = sorted(table.node, reverse=True)
    found = [_asic(nm, chip, needs, table) for chip in facts.chips for nm in nodes]
    for entry in table.alternative.values():
        option = _bought(entry, facts, needs, table)
        if option is not None:
            found.append(option)
    return tuple(found)


def best_of(found: tuple[Option, ...]) -> Option | None:
    """The cheapest in all that keeps to everything; None where none does."""
    return min((option for option in found if option.fits), key=lambda option: option.value("total"), default=None)


def clock_hz(chip: OnChip, nm: int, table: Assumptions) -> float:
    """The clock on a node: as much faster as its gates, up to what memories and DRAM let it be."""
    faster = delay_factor(CHIP_NM, CHIP_VOLTS) / delay_factor(nm, table.node[nm].volts.value)
    return min(max(table.silicon.clock_limit_hz.value, chip.clock_hz), chip.clock_hz * faster)


def _asic(nm: int, chip: OnChip, needs: Needs, table: Assumptions) -> Option:
    node, use, part, board = table.node[nm], table.silicon, table.part, table.board
    die = die_mm2(chip.silicon, nm, use.cell_fill.value, use.macro_fill.value, use.pad_mm.value)
    cut = (die**0.5 + use.scribe_mm.value) ** 2
    dies = dies_per_wafer(node.wafer_mm.value - 2 * use.edge_mm.value, cut)
    working = clustered_yield(node.defects_per_cm2.value * die / 100, use.alpha.value)
    costs = part.package_usd.value, part.test_usd.value, part.logistics_usd.value, part.final_yield.value
    packaged = unit_cost(node.wafer_usd.value, dies * working, *costs)
    scale = energy_factor(nm, node.volts.value) / energy_factor(ENERGY_NM, ENERGY_VOLTS)
    joules = 1e-6 * (chip.onchip_uj * scale * use.energy_overhead.value + chip.dram_uj)
    host = chip.host_s * board.host_slower.value
    fastest = clock_hz(chip, nm, table)
    clock = _within_power(fastest, chip.cycles, joules, host, needs.power_w, board.host_watts.value)
    latency = chip.cycles / clock + host
    power = joules / latency + board.host_watts.value
    masks = node.masks_usd.value * (1 + table.project.respins.value)
    design = node.design_usd.value * table.project.design_share.value
    once = (
        masks + design + node.tools_usd.value + table.project.test_development_usd.value + node.prototype_usd.value
    )  # fmt: skip
    beside = board.memory_usd.value + board.host_usd.value
    parts = {
        "die": Figure(die, MODELLED, "mm2; area model of the chip, scaled to the node, pads added"),
        "dies": Figure(dies, MODELLED, "of a wafer"),
        "yield": Figure(working, MODELLED, "negative binomial"),
        "silicon": Figure(node.wafer_usd.value / (dies * working) if dies else inf, MODELLED, "$ a working die"),
        "packaged": Figure(packaged, MODELLED, "$ packaged, tested, delivered"),
        "beside": Figure(beside, MODELLED, "$ of memory and host"),
        "masks": Figure(masks, MODELLED, "$ once, expected respins counted"),
        "design": Figure(design, MODELLED, "$ once"),
        "tools": Figure(node.tools_usd.value, MODELLED, "$ once"),
        "prototype": Figure(node.prototype_usd.value, MODELLED, "$ once, of a shared mask set"),
        "clock": Figure(clock, MODELLED, "Hz"),
        "dram": Figure(clock * chip.dram_bytes_per_cycle, MODELLED, "bytes a second of DRAM that the clock asks for"),
    }
    speed = f"{chip.cycles:,} cycles, simulated, at {clock / 1e6:,.0f} MHz, modelled for {nm} nm"
    if clock < fastest:
        speed += f", where {fastest / 1e6:,.0f} MHz would draw more than is asked"
    figures = {
        "latency": Figure(latency, MODELLED, speed + (f", and {1e3 * host:.3g} ms of the host" if host else "")),
        "power": Figure(power, MODELLED, "energy model scaled to the node over the latency, DRAM and host counted"),
    }
    name = f"ASIC: {chip.name}, {nm} nm"
    more = (f"is a die of {die:,.0f} mm2, beyond a reticle",) if die > use.reticle_mm2.value else ()
    return _finished(name, "asic", figures, once, packaged + beside, needs, parts, nm, node.months.value, more)


def _within_power(
    fastest: float, cycles: int, joules: float, host_s: float, limit: float | None, host_watts: float
) -> float:
    """The fastest clock at which an inference's energy over its time keeps to the power; the fastest of all where none
    does.
    """
    if limit is None or limit <= host_watts:
        return fastest
    least = joules / (limit - host_watts)
    # A hair more than the least time, so that rounding does not miss the limit.
    return fastest if least <= host_s else min(fastest, cycles / ((least - host_s) * (1 + 1e-9)))


def left_out(facts: Facts, table: Assumptions) -> tuple[Alternative, ...]:
    """The alternatives that no chip fits, and that are no option."""
    return tuple(entry for entry in table.alternative.values() if _speed(entry, facts, table) is None)


def _bought(entry: Alternative, facts: Facts, needs: Needs, table: Assumptions) -> Option | None:
    speed = _speed(entry, facts, table)
    if speed is None:
        return None
    board = table.board
    many = needs.volume >= board.volume_from.value
    price = entry.usd.value * (board.volume_price.value if many else 1.0)
    beside = board.memory_usd.value + board.host_usd.value if entry.needs_board else 0.0
    watts = entry.watts.value + (board.host_watts.value if entry.needs_board else 0.0)
    figures = {"latency": speed, "power": Figure(watts, entry.watts.how, entry.watts.figure().source)}
    parts = {
        "list": entry.usd.figure(),
        "price": Figure(price, MODELLED, "$ at this volume"),
        "beside": Figure(beside, MODELLED, "$ of memory and host"),
    }
    more = []
    if entry.weight_bytes is not None and facts.weight_bytes > entry.weight_bytes.value:
        more.append(f"holds {entry.weight_bytes.value / 1e6:.3g} MB of weights, not {facts.weight_bytes / 1e6:.3g} MB")
    once = entry.project_usd.value
    return _finished(entry.name, entry.kind, figures, once, price + beside, needs, parts, more=tuple(more))


def _speed(entry: Alternative, facts: Facts, table: Assumptions) -> Figure | None:
    """The latency of a part; None where no chip fits an FPGA."""
    if entry.latency_s is not None:
        return Figure(entry.latency_s.value, entry.latency_s.how if entry.latency_s.source else GIVEN, "as stated")
    if entry.published and entry.published in facts.published:
        return Figure(facts.published[entry.published], PUBLISHED, f"{entry.published} (published.toml)")
    if entry.clock_hz is not None and entry.multipliers is not None:
        chip = next((chip for chip in facts.fpga_chips if chip.multipliers <= entry.multipliers.value), None)
        if chip is None:
            return None
        host = chip.host_s * (table.board.host_slower.value if entry.needs_board else 1.0)
        said = f"{chip.cycles:,} cycles of {chip.name}, simulated, at {entry.clock_hz.value / 1e6:g} MHz"
        return Figure(chip.cycles / entry.clock_hz.value + host, SIMULATED, said)
    if entry.slower is not None:
        said = f"{1e3 * facts.cpu_s:.3g} ms on this machine, measured, times {entry.slower.value:g}"
        return Figure(facts.cpu_s * entry.slower.value, MEASURED if entry.slower.value == 1 else MODELLED, said)
    assert entry.operations_per_s is not None and entry.utilisation is not None
    rate = entry.operations_per_s.value * entry.utilisation.value
    call = entry.overhead_s.value if entry.overhead_s is not None else 0.0
    said = f"operations over {entry.utilisation.value:.0%} of {entry.operations_per_s.value:.3g} a second"
    return Figure(facts.operations / rate + call, MODELLED, said + (f", and {1e3 * call:g} ms a call" if call else ""))


def _finished(
    name: str,
    kind: str,
    figures: Mapping[str, Figure],
    once: float,
    unit: float,
    needs: Needs,
    parts: Mapping[str, Figure],
    nm: int | None = None,
    months: float | None = None,
    more: tuple[str, ...] = (),
) -> Option:
    """The option with its costs, held against the needs."""
    said = "docs/advise.md"
    costs = {
        "project": Figure(once, MODELLED, said),
        "unit": Figure(unit, MODELLED, said),
        "each": Figure(unit + once / needs.volume, MODELLED, said),
        "total": Figure(once + needs.volume * unit, MODELLED, said),
    }
    misses, worst = list(more), 2.0 if more else 0.0
    for figure, limit, word in (
        ("latency", needs.latency_s, "takes"),
        ("power", needs.power_w, "draws"),
    ):
        if limit is not None:
            worst = max(worst, figures[figure].value / limit)
            if figures[figure].value > limit:
                unit_name = FIGURES[figure][1]
                misses.append(f"{word} {written(figures[figure].value, unit_name)} of {written(limit, unit_name)}")
    if not unit < inf:
        misses.append("no die fits the wafer")
        worst = inf
    return Option(name, kind, {**figures, **costs}, nm, months, tuple(misses), worst, parts)


def written(value: float, unit: str) -> str:
    """A number for people: 12.3 ms, 1.2 M$, 45 $."""
    if value == inf:
        return "never"
    if unit == "$":
        if value >= 1e6:
            return f"{value / 1e6:,.2f} M$"
        return f"{value:,.0f} $" if value >= 100 else f"{value:,.2f} $"
    if unit == "":
        return f"{value:,.0f}"
    value = float(f"{value:.3g}")
    for size, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if value >= size or size == 1e-9:
            return f"{value / size:.3g} {prefix}{unit}"
    raise AssertionError
