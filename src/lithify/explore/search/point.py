"""A point of a search: a chip, what it takes, and what networks take on it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lithify.chip import Chip

NUMBERS = ("mm2", "latency", "joules")
"""What is made small: the axes of the front."""

TITLES = {"mm2": ("area", "mm2"), "latency": ("latency", "s"), "joules": ("energy", "J")}


@dataclass(frozen=True)
class Ran:
    """A network on a chip, one inference. cycles: exact. host_seconds: what stays on the host takes, measured.
    joules: modelled. spent: the cycles by what they go to (`lithify.sim.cost.SPENT`); limit: the most of them.
    """

    network: str
    cycles: int
    latency: float
    joules: float
    dram_bytes: int
    utilisation: float
    limit: str
    host: tuple[str, ...] = ()
    host_seconds: float = 0.0
    spent: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """A chip and what came of it. values: of the parameters it was made from. runs: one a network; empty where it was
    not compiled. error: why a network does not go on it. bound: latency and joules are the least possible; it was not
    compiled, or not to the end, for the reason given.
    """

    number: int
    values: Mapping[str, int]
    chip: Chip
    gates: int
    mm2: float
    latency: float
    joules: float
    runs: tuple[Ran, ...] = ()
    error: str = ""
    bound: str = ""

    @property
    def compiled(self) -> bool:
        """Whether all its figures are those of programs."""
        return not self.error and not self.bound

    @property
    def numbers(self) -> tuple[float, float, float]:
        """The figures of NUMBERS."""
        return self.mm2, self.latency, self.joules

    def short_json(self) -> dict[str, Any]:
        """What came of it as JSON values: its parameters and figures, and why it was not compiled to the end."""
        numbers = {"mm2": self.mm2, "latency_s": self.latency, "energy_j": self.joules}
        return {"number": self.number, "values": dict(self.values), **numbers, "error": self.error, "bound": self.bound}

    def to_json(self) -> dict[str, Any]:
        """The point as JSON values; the chip as its description has it."""
        return {
            "number": self.number,
            "values": dict(self.values),
            "chip": self.chip.model_dump(mode="json", by_alias=True),
            "gates": self.gates,
            "mm2": self.mm2,
            "latency_s": self.latency,
            "energy_j": self.joules,
            "networks": [asdict(run) | {"host": list(run.host)} for run in self.runs],
            "error": self.error,
            "bound": self.bound,
        }
