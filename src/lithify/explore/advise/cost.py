"""What a chip costs: dies of a wafer, yield, unit cost, break-even. A formula a function; docs/advise.md has them with
their sources.
"""

from math import exp, floor, inf, pi, sqrt


def dies_per_wafer(diameter_mm: float, die_mm2: float) -> int:
    """Whole dies of a round wafer: pi d^2 / (4 S) - pi d / sqrt(2 S), less than nothing counted as none.

    Hennessy and Patterson, Computer Architecture, section 1.6; how exact such formulas are: de Vries, IEEE Trans.
    Semiconductor Manufacturing 18 (2005) 136.
    """
    return max(0, floor(pi * diameter_mm**2 / (4 * die_mm2) - pi * diameter_mm / sqrt(2 * die_mm2)))


def poisson_yield(defects: float) -> float:
    """exp(-AD): defects fall independently. defects: A D, the mean of a die."""
    return exp(-defects)


def murphy_yield(defects: float) -> float:
    """((1 - exp(-AD)) / AD)^2: Murphy, Proc. IEEE 52 (1964) 1537, densities spread as a triangle."""
    return ((1 - exp(-defects)) / defects) ** 2 if defects else 1.0


def clustered_yield(defects: float, alpha: float) -> float:
    """(1 + AD / alpha)^-alpha, the negative binomial: Stapper, IBM J. Res. Dev. 27 (1983) 549. The smaller alpha, the
    more the defects cluster, and the fewer dies they spoil.
    """
    return float((1 + defects / alpha) ** -alpha)


def unit_cost(wafer: float, good_dies: float, package: float, test: float, logistics: float, final: float) -> float:
    """A part that works and is delivered: (die + package + test + logistics) / yield behind packaging."""
    return (wafer / good_dies + package + test + logistics) / final if good_dies else inf


def break_even(nre: float, unit: float, other_nre: float, other_unit: float) -> float:
    """The volume from which the first is cheaper in all: (NRE - NRE') / (unit' - unit). 0 if it always is, infinite if
    it never is.
    """
    if unit >= other_unit:
        return 0.0 if nre < other_nre and unit == other_unit else inf
    return max(0.0, (nre - other_nre) / (other_unit - unit))
