"""What others have published for the standard networks: `published.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import TypeAdapter

Kind = Literal["processor", "gpu", "fpga", "accelerator", "simulator"]

ALIKE = 0.01
"""A network is taken for a standard one if its multiply-accumulates and its parameters differ by at most this part."""


@dataclass(frozen=True)
class Published:
    """A system's figure for one network, batch 1 unless the note says otherwise. year: in which it was read.

    One of latency_ms, per_second, and cycles with clock_hz is there. multipliers: of 8 bits unless `system` says so.
    watts: while it computes. training_per_second: samples a second in training, large batches.
    """

    system: str
    kind: Kind
    network: str
    year: int
    source: str
    latency_ms: float | None = None
    per_second: float | None = None
    cycles: int | None = None
    clock_hz: float | None = None
    multipliers: int | None = None
    peak_ops_per_s: float | None = None
    watts: float | None = None
    training_per_second: float | None = None
    note: str = ""

    @property
    def seconds(self) -> float:
        """Of one inference; of a throughput its inverse."""
        if self.latency_ms is not None:
            return self.latency_ms / 1000
        if self.per_second is not None:
            return 1 / self.per_second
        assert self.cycles is not None and self.clock_hz is not None, f"{self.system}: no figure for {self.network}"
        return self.cycles / self.clock_hz

    @property
    def peak(self) -> float | None:
        """Operations a second, two for a multiply-accumulate."""
        if self.peak_ops_per_s is not None or self.multipliers is None or self.clock_hz is None:
            return self.peak_ops_per_s
        return 2 * self.multipliers * self.clock_hz


@cache
def entries() -> tuple[Published, ...]:
    """Every entry of the file, checked."""
    text = resources.files("lithify.explore.compare").joinpath("published.toml").read_text(encoding="utf-8")
    return TypeAdapter(tuple[Published, ...]).validate_python(tomllib.loads(text)["entry"])


def standard_name(macs: int, parameters: int) -> str | None:
    """The standard network of so many multiply-accumulates and parameters, if there is one."""
    from lithify.networks import NETWORKS

    for name, network in NETWORKS.items():
        near = max(ALIKE, network.macs_within), max(ALIKE, network.parameters_within)
        if _close(macs, network.macs, near[0]) and _close(parameters, network.parameters, near[1]):
            return name
    return None


def _close(value: int, other: int, part: float) -> bool:
    return abs(value - other) <= part * other
