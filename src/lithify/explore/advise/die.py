"""How large a chip's die is on SG13G2, modelled, and how areas, delays and energies change on other nodes."""

from collections.abc import Mapping
from itertools import pairwise
from math import exp, log, sqrt

from lithify.chip.area import Area

AREA_OF_130 = {130: 1.0, 90: 0.44, 65: 0.23, 45: 0.16, 32: 0.072, 20: 0.033, 16: 0.03, 14: 0.027, 10: 0.016, 7: 0.0092}
"""Area on a node over that at 130 nm: Stillmaker and Baas, Integration 58 (2017) 74-81, table of area factors."""

DELAY = {
    130: (-76.65, 334.9, -493.4, 275.8),
    90: (-60.34, 262.5, -384.2, 210.9),
    65: (-53.3, 230.4, -333.9, 178.6),
    45: (-501.6, 1567.0, -1619.0, 566.1),
    32: (-1047.0, 2982.0, -2797.0, 873.5),
    20: (0.0, 34.63, -66.37, 41.15),
    16: (0.0, 24.8, -47.52, 28.87),
    14: (-40.66, 109.2, -100.6, 35.92),
    10: (-34.95, 93.65, -85.99, 30.4),
    7: (-28.58, 76.6, -70.26, 24.69),
}
"""Coefficients of the delay factor, a cubic in the supply voltage; the same source, high-performance transistors."""

ENERGY = {
    130: (7.171, -6.709, 2.904),
    90: (4.762, -4.781, 2.092),
    65: (3.755, -4.398, 1.975),
    45: (1.018, -0.3107, 0.1539),
    32: (0.8367, -0.4341, 0.1701),
    20: (0.373, -0.1582, 0.04104),
    16: (0.2958, -0.1241, 0.03024),
    14: (0.2363, -0.09675, 0.02239),
    10: (0.2068, -0.09311, 0.02375),
    7: (0.1776, -0.09097, 0.02447),
}
"""Of the energy factor, a square in the voltage; the same source."""


def die_mm2(of: Area, nm: float, cell_fill: float, macro_fill: float, pad_mm: float) -> float:
    """The die on a node: cells fill a part of their rows, macros a part of theirs, and a ring of pads, which no node
    makes smaller, lies around the square. pad_mm: how wide the ring is.
    """
    core = area_factor(nm) * (of.cells / cell_fill + of.macros / macro_fill)
    return (sqrt(core) + 2 * pad_mm) ** 2


def area_factor(nm: float) -> float:
    """Area on a node over that at 130 nm; between two nodes of the table along a straight line of logarithms."""
    return _between(AREA_OF_130, nm)


def delay_factor(nm: float, volts: float) -> float:
    """The delay of a gate, in the source's unit, between two nodes of the table as `area_factor`."""
    return _between({node: _polynomial(terms, volts) for node, terms in _near(DELAY, nm).items()}, nm)


def energy_factor(nm: float, volts: float) -> float:
    """The energy of an operation, likewise."""
    return _between({node: _polynomial(terms, volts) for node, terms in _near(ENERGY, nm).items()}, nm)


def _polynomial(terms: tuple[float, ...], x: float) -> float:
    total = 0.0
    for term in terms:
        total = total * x + term
    return total


def _near(table: Mapping[int, tuple[float, ...]], nm: float) -> dict[int, tuple[float, ...]]:
    """The entry of a node, or of the two on either side of it."""
    if nm in table:
        return {int(nm): table[int(nm)]}
    nodes = sorted(table)
    below, above = next(pair for pair in pairwise(nodes) if pair[0] < nm < pair[1])
    return {below: table[below], above: table[above]}


def _between(table: dict[int, float], nm: float) -> float:
    if nm in table:
        return table[int(nm)]
    below, above = next(pair for pair in pairwise(sorted(table)) if pair[0] < nm < pair[1])
    share = log(nm / below) / log(above / below)
    return exp((1 - share) * log(table[below]) + share * log(table[above]))
