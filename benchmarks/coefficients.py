"""Finds the polynomials of `lithify.reference.float_functions`: prints each with its largest error.

Method: minimax by Lawson's iteration (weighted least squares whose weights follow the error) over Chebyshev points, in
float64 of the logarithm's and exponential's series as numpy and `math` have them; the coefficients are rounded to
float32 one after the other from the constant term on, and those behind are fitted anew to what the rounding left.
Run: python benchmarks/coefficients.py
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """function: of the variable, to be approached by a polynomial of `degree` on [low, high].

    weight: what an error of the polynomial at a point counts, so that the weighted error is one of the whole result.
    """

    name: str
    function: Callable[[Reals], Reals]
    low: float
    high: float
    degree: int
    weight: Callable[[Reals], Reals]


def _exponential(r: Reals) -> Reals:
    """(e^r - 1 - r) / r^2, by its series."""
    return sum((r**k / math.factorial(k + 2) for k in range(20)), np.zeros_like(r))


def _logarithm(f: Reals) -> Reals:
    """(log(1 + f) - f + f^2/2) / f^3, by its series near 0."""
    small = np.abs(f) < 0.05
    safe = np.where(small, 1.0, f)
    series = sum(((-1) ** k * f**k / (k + 3) for k in range(20)), np.zeros_like(f))
    return np.where(small, series, (np.log1p(safe) - safe + safe**2 / 2) / safe**3)


def _hyperbolic(s: Reals) -> Reals:
    """(tanh(x) / x - 1) / s with s = x^2."""
    x = np.sqrt(np.maximum(s, 1e-12))
    series = -1 / 3 + s * (2 / 15 + s * (-17 / 315 + s * (62 / 2835 - s * 1382 / 155925)))
    return np.where(s < 0.01, series, (np.tanh(x) / x - 1) / np.maximum(s, 1e-12))


def _error(s: Reals) -> Reals:
    """erf(x) / x - 1 with s = x^2, by its series."""
    terms = (((-1) ** k) * s**k / (math.factorial(k) * (2 * k + 1)) for k in range(30))
    return 2 / math.sqrt(math.pi) * sum(terms, np.zeros_like(s)) - 1


TAIL_CENTRE = 2.0
"""k in q = (z - k) / (z + k), the variable of the tail of erfc."""


def _tail(q: Reals) -> Reals:
    """erfc(z) * e^(z^2) at z = k * (1 + q) / (1 - q)."""
    z = TAIL_CENTRE * (1 + q) / (1 - q)
    return np.array([math.erfc(v) * math.exp(v * v) if v < 25 else _far(v) for v in z])


def _far(z: float) -> float:
    return (1 - 1 / (2 * z * z) + 3 / (4 * z**4) - 15 / (8 * z**6)) / (z * math.sqrt(math.pi))


def _at(z: float) -> float:
    return (z - TAIL_CENTRE) / (z + TAIL_CENTRE)


def _arctangent(w: Reals) -> Reals:
    """(2 atanh(s) / ln 2 - 2 s / ln 2) / s^3 with w = s^2, by its series."""
    return 2 / math.log(2) * sum((w**k / (2 * k + 3) for k in range(30)), np.zeros_like(w))


def _of_logarithm(f: Reals) -> Reals:
    """What an error of the polynomial of LOG counts: f^3 over log(1 + f)."""
    safe = np.where(f == 0, 1.0, f)
    return f**2 * np.where(f == 0, 1.0, safe / np.log1p(safe))


FITS = (
    Fit("EXP", _exponential, -0.3466, 0.3466, 4, lambda r: r**2 / np.exp(r)),
    Fit("LOG", _logarithm, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 8, _of_logarithm),
    Fit("TANH", _hyperbolic, 0.0, 0.625**2, 4, lambda s: s * np.sqrt(s + 1e-30) / np.tanh(np.sqrt(s + 1e-30))),
    Fit("ERF", _error, 0.0, 1.0, 7, lambda s: 1 / (1 + _error(s))),
    Fit("TAIL", _tail, _at(0.5), _at(10.2), 11, lambda q: 1 / _tail(q)),
    Fit("LOG2", _arctangent, 0.0, 0.00190, 2, lambda w: w),
)  # fmt: skip


def fitted(fit: Fit, points: int = 4000, rounds: int = 60) -> tuple[NDArray[np.float32], float]:
    """The coefficients from the constant term on, and the largest weighted error of the polynomial in float64."""
    nodes = np.cos(np.linspace(0, math.pi, points))
    x = (fit.low + fit.high) / 2 + (fit.high - fit.low) / 2 * nodes
    wanted, weight = fit.function(x), fit.weight(x)
    powers = np.stack([x**k for k in range(fit.degree + 1)], 1)
    found: list[np.float32] = []
    for first in range(fit.degree + 1):
        rest = wanted - powers[:, :first] @ np.array(found, np.float64)
        found.append(np.float32(_lawson(powers[:, first:], rest, weight, rounds)[0]))
    coefficients = np.array(found, np.float32)
    return coefficients, float(np.abs((wanted - powers @ coefficients.astype(np.float64)) * weight).max())


def _lawson(powers: Reals, wanted: Reals, weight: Reals, rounds: int) -> Reals:
    """The coefficients of least largest weighted error, nearly."""
    share = np.ones_like(wanted) / wanted.size
    best, least = np.zeros(powers.shape[1]), math.inf
    for _ in range(rounds):
        scale = np.sqrt(share) * weight
        coefficients = np.linalg.lstsq(powers * scale[:, None], wanted * scale, rcond=None)[0]
        error = np.abs(wanted - powers @ coefficients) * weight
        if error.max() < least:
            best, least = coefficients, error.max()
        share = share * error
        share /= share.sum()
    return best


def main() -> None:
    """Print every polynomial."""
    for fit in FITS:
        coefficients, error = fitted(fit)
        print(f"{fit.name} on [{fit.low:.6f}, {fit.high:.6f}]: largest error {error:.3g} = 2^{math.log2(error):.1f}")
        print("    " + ", ".join(float(entry).hex() for entry in coefficients))


if __name__ == "__main__":
    main()
