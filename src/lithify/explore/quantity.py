"""Quantities as people write them, with their unit: 2W, 500mW, 20ms, 100k, 1GB/s."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lithify.errors import LithifyError

PREFIXES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True)
class Kind:
    """A kind of quantity. units: unit -> its size in the SI unit; allowed: prefixes; example: as it is written."""

    name: str
    units: Mapping[str, float]
    allowed: tuple[str, ...]
    example: str
    other: str = ""


POWER = Kind("power", {"W": 1.0}, ("u", "µ", "m", "", "k"), "2W", "500mW")
TIME = Kind("time", {"s": 1.0}, ("n", "u", "µ", "m", ""), "20ms", "1.5s")
COUNT = Kind("number of pieces", {"": 1.0}, ("", "k", "M"), "100000", "100k")
BANDWIDTH = Kind("bandwidth", {"B/s": 1.0, "bit/s": 0.125}, ("", "k", "M", "G"), "1GB/s", "100Mbit/s")

_WRITTEN = re.compile(
    r"\s*([-+]?(?:[0-9]{1,3}(?:[,_'][0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*([^0-9.,]*?)\s*"
)


def quantity(text: str, kind: Kind, what: str) -> float:
    """The quantity in SI units. what: whose it is, as the user knows it ("--power").

    Raises LithifyError for what is no number, a missing or unknown unit, and for nothing or less.
    """
    how = f"write it as in {kind.example}" + (f" or {kind.other}." if kind.other else ".")
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise LithifyError(f"{what} was given as '{text}', which is no {kind.name}; {how}")
    number, unit = float(re.sub("[_,']", "", found[1])), found[2]
    if not unit and "" not in kind.units:
        plain = next(iter(kind.units))
        raise LithifyError(
            f"{what} was given as '{text}', without a unit; write {text.strip()}{plain}, or "
            f"{text.strip()}m{plain} for thousandths."
            if "m" in kind.allowed
            else f"{what} was given as '{text}', without a unit; {how}"
        )
    for name, size in kind.units.items():
        prefix = unit.removesuffix(name)
        if unit.endswith(name) and prefix in kind.allowed:
            if not number > 0:
                raise LithifyError(f"{what} was given as '{text}'; it must be above 0.")
            return number * PREFIXES[prefix] * size
    known = ", ".join(prefix + name for name in kind.units for prefix in kind.allowed if prefix + name)
    raise LithifyError(f"{what} was given as '{text}'; its unit '{unit}' is none of {known}; {how}")
