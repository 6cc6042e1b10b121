"""What a chip may take and must reach: budgets with units, as they are written on a command line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lithify.errors import LithifyError


@dataclass(frozen=True)
class Quantity:
    """Something that has a budget. units: unit -> size in the base unit, which is the first of them. default: the unit
    of a bare number. least: the budget is what must be reached, not what may be taken. share: a part of one.
    """

    name: str
    title: str
    units: Mapping[str, float] = field(hash=False)
    default: str
    least: bool = False
    share: bool = False

    @property
    def unit(self) -> str:
        """The base unit."""
        return next(iter(self.units))


QUANTITIES: Mapping[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity("mm2", "area", {"mm2": 1.0, "um2": 1e-6, "cm2": 100.0}, "mm2"),
        Quantity("mw", "power", {"mW": 1.0, "W": 1000.0, "uW": 1e-3}, "mW"),
        Quantity("fps", "inferences a second", {"1/s": 1.0, "fps": 1.0, "Hz": 1.0, "kHz": 1e3}, "1/s", least=True),
        Quantity("latency", "latency", {"s": 1.0, "ms": 1e-3, "us": 1e-6}, "ms"),
        Quantity("energy", "energy an inference", {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6}, "mJ"),
        Quantity("accuracy", "accuracy", {"": 1.0, "%": 0.01}, "", least=True, share=True),
    )
}
"""What can be asked for. The option has the name; a bare number of `mm2`, `mw`, `fps` and `accuracy` has the unit that
the name says, one of `latency` and `energy` has none and is taken for milliseconds and millijoules, which is said.
"""

UNSAID = ("latency", "energy")
"""Whose names say no unit."""

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)")


@dataclass(frozen=True)
class Budget:
    """A limit of a quantity in its base unit. network: the one that it is for; None: each. note: what was assumed."""

    quantity: Quantity
    limit: float
    network: str | None = None
    note: str = ""

    @property
    def text(self) -> str:
        """As a person reads it: "area <= 4 mm2"."""
        said = f" of {self.network}" if self.network else ""
        sign = ">=" if self.quantity.least else "<="
        return f"{self.quantity.title}{said} {sign} {self.quantity_text(self.limit)}"

    def quantity_text(self, value: float) -> str:
        """A value of the quantity with its unit."""
        return amount(self.quantity, value)

    def excess(self, value: float) -> float:
        """By which part the budget is missed; 0 or less where it is met."""
        if self.quantity.least:
            return self.limit / value - 1 if value > 0 else float("inf")
        return value / self.limit - 1

    def to_json(self) -> dict[str, Any]:
        """The budget as JSON values."""
        return {
            "quantity": self.quantity.name,
            "limit": self.limit,
            "unit": self.quantity.unit,
            "network": self.network,
            "note": self.note,
        }


def amount(quantity: Quantity, value: float) -> str:
    """A value in the unit in which it reads best: three digits."""
    if quantity.share:
        return f"{100 * value:.4g} %"
    units = quantity.units.items() if quantity.name in UNSAID else [(quantity.unit, 1.0)]
    unit, size = next(((unit, size) for unit, size in units if abs(value) >= size), list(units)[-1])
    number = value / size
    digits = max(0, 2 - (abs(number) >= 10) - (abs(number) >= 100))
    return f"{number:,.{digits}f} {unit}"


def budget(name: str, text: str, networks: Sequence[str] = ()) -> Budget:
    """Reads a budget: `4`, `4mm2`, `20 ms`, or for one of several networks `resnet8=20ms`.

    Raises LithifyError for what is no number, an unknown unit or network, and a limit that nothing can meet by its
    nature: none above 0, an accuracy above 1.
    """
    quantity = QUANTITIES[name]
    network, sign, rest = text.rpartition("=")
    allowed = ", ".join(unit for unit in quantity.units if unit) or "none"
    if sign and network not in networks:
        raise LithifyError(
            f"--{name} {text} is for a network '{network}' that is not there; name one of {', '.join(networks)}."
        )
    found = _NUMBER.fullmatch(rest.strip())
    if found is None:
        raise LithifyError(f"--{name} {text} is no number with a unit; units of {quantity.title} are {allowed}.")
    number, unit = float(found[1]), found[2].strip()
    note = ""
    if not unit:
        unit = quantity.default
        if name in UNSAID:
            note = f"--{name} {text} has no unit and is taken for {number:g} {unit}; units are {allowed}."
    sizes = {key.lower(): size for key, size in quantity.units.items()}
    if unit.lower() not in sizes:
        raise LithifyError(f"--{name} {text} has the unit '{unit}'; units of {quantity.title} are {allowed}.")
    limit = number * sizes[unit.lower()]
    if not 0 < limit < float("inf"):
        raise LithifyError(f"--{name} {text} must be above 0.")
    if quantity.share and limit > 1:
        raise LithifyError(f"--{name} {text} is more than all; give a share up to 1, as 0.98 or 98%.")
    return Budget(quantity, limit, network or None, note)
