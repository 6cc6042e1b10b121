"""What would help: the same program on a chip that differs in one thing, counted by the timing simulator."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lithify.chip import Chip
from lithify.chip.pipeline import DRAM_LATENCY
from lithify.sim.cost import POST, SPENT, WEIGHTS
from lithify.sim.inference import Simulation

BOUNDS = {
    WEIGHTS: "a weight port that is never waited for",
    POST: "post-processing that is never waited for",
}
"""Changes that the program would have to be compiled for: told as bounds, from the cycles spent waiting."""

SHORT_LATENCY = 16
"""The shortest that the memory model allows."""


@dataclass(frozen=True)
class Change:
    """Something that differs. The program's instructions mean the same on `chip`. how: what was done, in words."""

    name: str
    how: str
    chip: Chip
    latency: int = DRAM_LATENCY


@dataclass(frozen=True)
class Helped:
    """What a change does to the whole inference. bound: no change was simulated; the cycles are the least possible."""

    name: str
    how: str
    cycles: int
    saved: float
    bound: bool = False

    def to_json(self) -> dict[str, Any]:
        """The change as JSON values."""
        return asdict(self)

    @property
    def text(self) -> str:
        """As a sentence's end: "twice the bandwidth: -31 % cycles"."""
        return f"{self.name}: {'at most ' if self.bound else ''}{-100 * self.saved:+.0f} % cycles"


def changes(chip: Chip) -> tuple[Change, ...]:
    """The changes under which a program for `chip` stays valid: no address, size or order depends on them."""
    same = "the same program, timing simulated again with "
    found = []
    rate = min(2 * chip.dram_bytes_per_cycle, chip.rows)
    if rate > chip.dram_bytes_per_cycle:
        bus = chip.bus_bytes
        while bus < rate:
            bus *= 2
        wider = "" if bus == chip.bus_bytes else f" over a bus of {bus} bytes"
        name = "twice the bandwidth" if rate == 2 * chip.dram_bytes_per_cycle else f"{rate} bytes a cycle from DRAM"
        how = f"{same}{rate} DRAM bytes a cycle{wider} instead of {chip.dram_bytes_per_cycle}"
        found.append(Change(name, how, chip.model_copy(update={"dram_bytes_per_cycle": rate, "bus_bytes": bus})))
    how = f"{same}{SHORT_LATENCY} cycles from address to data instead of {DRAM_LATENCY}"
    found.append(Change("a memory next to the chip", how, chip, SHORT_LATENCY))
    if chip.lanes < chip.rows:
        how = f"{same}{2 * chip.lanes} post-processing lanes instead of {chip.lanes}"
        found.append(Change("twice the lanes", how, chip.model_copy(update={"lanes": 2 * chip.lanes})))
    deeper = min(64, 4 * chip.queue_depth)
    if deeper > chip.queue_depth:
        how = f"{same}queues of {deeper} instructions instead of {chip.queue_depth}"
        found.append(Change("deeper queues", how, chip.model_copy(update={"queue_depth": deeper})))
    return tuple(found)


def helped(found: Simulation, tried: Sequence[Change], other: Mapping[str, Simulation]) -> Iterator[Helped]:
    """What each change does, the most helpful first; then the bounds."""
    total = max(found.cycles, 1)
    rows = [
        Helped(change.name, change.how, other[change.name].cycles, 1 - other[change.name].cycles / total)
        for change in tried
    ]
    for spent, name in BOUNDS.items():
        assert spent in SPENT
        waited = sum(layer.spent[spent] for layer in found.layers)
        how = "a bound, not simulated: the cycles without those waits; the program would have to be compiled for it"
        rows.append(Helped(name, how, found.cycles - waited, waited / total, bound=True))
    yield from sorted(rows, key=lambda row: (row.bound, row.cycles))
