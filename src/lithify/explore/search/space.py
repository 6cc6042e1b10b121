"""The chips that are searched: a table of parameters with the values that each may have."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import product
from math import prod
from typing import Any

from lithify.chip import Chip
from lithify.chip.description import VECTOR_LANES, WIDTHS
from lithify.chip.vector import STRIP
from lithify.errors import LithifyError

MOST_WORDS = 65536
MOST_COLUMNS = 256

Values = Mapping[str, int]
"""A value of each parameter."""


@dataclass(frozen=True)
class Parameter:
    """Something of a chip that is chosen. values: ascending."""

    name: str
    values: tuple[int, ...]
    meaning: str


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("rows", (4, 8, 16, 32, 64), "multipliers of a column, bytes of a scratchpad word"),
    Parameter("columns_by_rows", (1, 2, 4), "columns, as a multiple of rows"),
    Parameter("accumulators", (8, 16, 32, 64, 128), "accumulators of a column"),
    Parameter("rows_by_lanes", (1, 2, 4, 8), "rows, as a multiple of the post-processing lanes"),
    Parameter("bank_words", (64, 128, 256, 512, 1024), "words of a scratchpad bank"),
    Parameter("scratchpad_banks", (5, 6, 8, 11, 15, 20, 30, 40, 60), "banks of the scratchpad"),
    Parameter("bus_bytes", (4, 8, 16, 32), "bytes of the data bus"),
    Parameter("queue_depth", (2, 4, 8), "instructions that wait in each queue"),
    Parameter("activation_ports", (1, 2, 3), "scratchpad words that a window takes in a cycle"),
    Parameter("weight_ports", (1, 2), "words of weights read in a cycle"),
    Parameter("vector_lanes", (0, *VECTOR_LANES), "float32 lanes of the vector unit"),
)
"""What is searched. Two of them are ratios, so that every combination is a chip; what does not go together for other
reasons is lowered to what does (`Space.chip`)."""


@dataclass(frozen=True)
class Space:
    """parameters: with the values that are tried. clock_hz: of all chips. dram_bytes_per_s: what the memory beside the
    chip moves. units: optional units that are built.
    """

    parameters: tuple[Parameter, ...]
    clock_hz: int
    dram_bytes_per_s: float
    units: tuple[str, ...]

    @property
    def size(self) -> int:
        """Combinations of values; some may give the same chip."""
        return prod(len(parameter.values) for parameter in self.parameters)

    @cached_property
    def digest(self) -> str:
        """Of all that makes a chip of values."""
        text = json.dumps([[p.name, p.values] for p in self.parameters] + [self.clock_hz, self.dram_bytes_per_s])
        return sha256(f"{text}{self.units}".encode()).hexdigest()[:16]

    def all(self) -> Iterator[dict[str, int]]:
        """Every combination of values."""
        names = [parameter.name for parameter in self.parameters]
        for values in product(*(parameter.values for parameter in self.parameters)):
            yield dict(zip(names, values, strict=True))

    def near(self, values: Values) -> Iterator[dict[str, int]]:
        """Combinations that differ in one parameter, by one step."""
        for parameter in self.parameters:
            at = parameter.values.index(values[parameter.name])
            for other in (at - 1, at + 1):
                if 0 <= other < len(parameter.values):
                    yield {**values, parameter.name: parameter.values[other]}

    def values(self, chip: Chip) -> dict[str, int]:
        """The combination closest to a chip."""
        wanted = {
            "columns_by_rows": chip.columns // chip.rows,
            "rows_by_lanes": chip.rows // chip.lanes,
            "bank_words": chip.bank_words,
        }
        found = {}
        for parameter in self.parameters:
            value = wanted.get(parameter.name, getattr(chip, parameter.name, 0))
            found[parameter.name] = min(parameter.values, key=lambda other, value=value: abs(other - value))  # type: ignore[misc]
        return found

    def chip(self, values: Values, name: str = "explored") -> Chip:
        """The chip of a combination. A bus wider than a word, more lanes than rows or than a word has room for, and
        more words than can be addressed become the most that goes. DRAM brings what the memory moves, up to the bus.
        """
        rows = values["rows"]
        banks, words = values["scratchpad_banks"], values["bank_words"]
        while banks * words > MOST_WORDS:
            words //= 2
        while banks * words * rows < 1024:
            words *= 2
        bus = min(values["bus_bytes"], rows)
        most = min(values["vector_lanes"], rows // 4 if rows <= STRIP else 0)
        lanes = max(count for count in (0, *VECTOR_LANES) if count <= most)
        keys: dict[str, Any] = {
            "schema": 1,
            "name": name,
            "clock_hz": self.clock_hz,
            "rows": rows,
            "columns": rows * max(1, min(values["columns_by_rows"], MOST_COLUMNS // rows)),
            "accumulators": values["accumulators"],
            "lanes": max(1, rows // values["rows_by_lanes"]),
            "scratchpad_bytes": banks * words * rows,
            "scratchpad_banks": banks,
            "bus_bytes": bus,
            "dram_bytes_per_cycle": max(1, min(bus, int(self.dram_bytes_per_s // self.clock_hz))),
            "queue_depth": values["queue_depth"],
            "activation_ports": values["activation_ports"],
            "weight_ports": values["weight_ports"],
            "vector_lanes": lanes,
            "units": self.units,
        }
        return Chip.model_validate(keys)


def space(
    vary: Mapping[str, Sequence[int]], clock_hz: int, dram_bytes_per_s: float, units: Sequence[str], vector: bool
) -> Space:
    """The space with some parameters narrowed.

    vary: parameter -> the values that are tried in place of the table's. vector: whether the vector unit is of use;
    if not, and nothing else is said, none is built.
    Raises LithifyError for an unknown parameter and for values that no chip may have.
    """
    names = [parameter.name for parameter in PARAMETERS]
    for name in vary:
        if name not in names:
            raise LithifyError(f"There is no parameter '{name}' to vary; the parameters are {', '.join(names)}.")
    found = []
    for parameter in PARAMETERS:
        values = tuple(sorted(set(vary.get(parameter.name, parameter.values))))
        if parameter.name == "vector_lanes" and not vector and parameter.name not in vary:
            values = (0,)
        found.append(Parameter(parameter.name, values, parameter.meaning))
    made = Space(tuple(found), clock_hz, dram_bytes_per_s, tuple(units))
    _check(made)
    return made


_POWERS = tuple(2**exponent for exponent in range(17))

LIMITS: Mapping[str, tuple[int, ...]] = {
    "rows": WIDTHS,
    "columns_by_rows": tuple(range(1, 65)),
    "rows_by_lanes": _POWERS[:8],
    "bank_words": _POWERS[1:],
    "bus_bytes": WIDTHS,
    "vector_lanes": (0, *VECTOR_LANES),
}
"""Parameters of which only some values can be; the others have the bounds of a chip description."""


def _check(made: Space) -> None:
    """Refuses values of which no chip can be made: each is tried with the least of all others."""
    from pydantic import ValidationError

    least = {parameter.name: parameter.values[0] for parameter in made.parameters}
    for parameter in made.parameters:
        allowed = LIMITS.get(parameter.name)
        for value in parameter.values:
            if allowed is not None and value not in allowed:
                said = ", ".join(map(str, allowed)) if len(allowed) < 20 else f"{allowed[0]} to {allowed[-1]}"
                raise LithifyError(f"No chip has {parameter.name} = {value}; it is one of {said}.")
        if not parameter.values:
            raise LithifyError(f"No value was given for {parameter.name}; name at least one.")
    for parameter in made.parameters:
        for value in parameter.values:
            try:
                made.chip({**least, parameter.name: value})
            except ValidationError as error:
                reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                reason = reason[0].lower() + reason[1:]
                raise LithifyError(f"No chip has {parameter.name} = {value}: {reason}.") from error
