"""A figure of a comparison, and how it was obtained."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

MEASURED, SIMULATED, SYNTHESISED, MODELLED = "measured", "simulated", "synthesised", "modelled"
PUBLISHED, COUNTED, GIVEN, ASSUMED = "published", "counted", "given", "assumed"

HOW = {
    MEASURED: "by the clock of this machine",
    SIMULATED: "cycles of the timing simulator, which are the RTL's, over the clock of the chip's description",
    SYNTHESISED: "from the mapped netlist",
    MODELLED: "by a model whose constants name their source",
    PUBLISHED: "the source's own figure, or arithmetic on it that is stated",
    COUNTED: "from the network's graph or the chip's description",
    GIVEN: "by you",
    ASSUMED: "our guess, without a source: put your own in its place",
}
"""What each word means."""


@dataclass(frozen=True)
class Figure:
    """A number in SI units, how it was obtained (a key of HOW), and from what."""

    value: float
    how: str
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """Value (None where it is infinite: JSON has no word for that), way and source."""
        return {"value": self.value if isfinite(self.value) else None, "how": self.how, "source": self.source}
