"""Written functions against float64, over all exponents of float32: the errors that docs/vector.md states."""

import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.reference.float_functions import FLOAT_FUNCTIONS, POLYNOMIALS
from lithify.reference.power import POWER
from lithify.reference.written import evaluate, written

Reals = np.ndarray
ERF, ERFC = np.vectorize(math.erf, otypes=[float]), np.vectorize(math.erfc, otypes=[float])


@dataclass(frozen=True)
class Bound:
    """units: largest error in units in the last place; of_argument: an error of no more than this times |x| is allowed
    too. The smallest normal number is always allowed: what it errs by is flushed.
    """

    exact: Callable[[Reals], Reals]
    units: float
    of_argument: float = 0.0


def gelu(x: Reals) -> Reals:
    return x * 0.5 * ERFC(-x / math.sqrt(2))


def gelu_tanh(x: Reals) -> Reals:
    return x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


BOUNDS = {
    "exp": Bound(np.exp, 1.0),
    "log": Bound(np.log, 1.0),
    "tanh": Bound(np.tanh, 1.5),
    "erf": Bound(ERF, 1.25),
    "erfc": Bound(ERFC, 6.5),
    "reciprocal_square_root": Bound(lambda x: 1 / np.sqrt(x), 1.6),
    "sigmoid": Bound(lambda x: 1 / (1 + np.exp(-x)), 2.5),
    "silu": Bound(lambda x: x / (1 + np.exp(-x)), 2.5, 2.0**-126),
    "mish": Bound(lambda x: x * np.tanh(np.logaddexp(0, x)), 4.25, 2.0**-126),
    "gelu": Bound(gelu, 7.0, 2.0**-126),
    "gelu_tanh": Bound(gelu_tanh, 6.0, 2.0**-26),
}


def floats(start: int, count: int, step: int) -> Iterator[Reals]:
    """Every `step`-th bit pattern that is a normal number, in blocks."""
    for first in range(start, start + count * step, step << 20):
        bits = np.arange(first, min(first + (step << 20), start + count * step), step, dtype=np.uint64)
        x = bits[bits < 2**32].astype(np.uint32).view(np.float32)
        yield x[np.isfinite(x) & (np.abs(x) >= 2.0**-126)]


def check(name: str, x: Reals) -> float:
    """The largest error in units; asserts the bound."""
    bound = BOUNDS[name]
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        wanted, got = bound.exact(wide), evaluate(FLOAT_FUNCTIONS[name], x)
        nearest = wanted.astype(np.float32)
        error = np.abs(got.astype(np.float64) - wanted)
        counted = np.isfinite(nearest) & np.isfinite(got)
        counted &= error > np.maximum(bound.of_argument * np.abs(wide), 2.0**-126)
        units = np.where(counted, error / np.spacing(np.maximum(np.abs(nearest), np.float32(2.0**-126))), 0.0)
    # At the end of the range the nearest float32 may be infinite and the result its neighbour, or the reverse.
    ends = np.abs(wanted) > float(np.finfo(np.float32).max) * (1 - 2.0**-22)
    other = np.isnan(got) & np.isnan(wanted) | (got == nearest) | ends & (np.isinf(got) | np.isinf(nearest))
    wrong = np.flatnonzero(~(np.isfinite(nearest) & np.isfinite(got)) & ~other)
    assert not wrong.size, f"{name}({x[wrong[0]]!r}) is {got[wrong[0]]!r}, not {wanted[wrong[0]]!r}"
    worst = int(units.argmax())
    assert units[worst] <= bound.units, f"{name}({x[worst]!r}) is {got[worst]!r}: {units[worst]:.2f} units off"
    return float(units[worst])


@pytest.mark.parametrize("name", BOUNDS)
def test_every_exponent(name: str) -> None:
    for x in floats(0, 2**32 // 40009, 40009):
        check(name, x)


@pytest.mark.parametrize("name", BOUNDS)
def test_where_functions_bend(name: str) -> None:
    """Around the seams of the written sequences every float32 counts."""
    for seam in (0.34657, 0.5, 0.625, 0.70710678, 1.0, 1.41421356, 4.0, 10.0, 10.2, 13.0, 20.0, 87.33, 88.72, 104.0):
        bits = int(np.float32(seam).view(np.uint32))
        for sign in (0, 0x80000000):
            (x,) = floats(sign + bits - 3000, 6000, 1)
            check(name, x)


@pytest.mark.campaign
@pytest.mark.parametrize("name", BOUNDS)
def test_ten_million_numbers(name: str) -> None:
    worst = max(check(name, x) for x in floats(0, 2**32 // 401, 401) if x.size)
    print(f"\n{name}: {worst:.3f} units in the last place")


SPECIAL = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan])
NAN = math.nan


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("exp", [1, 1, np.inf, 0, NAN]),
        ("log", [-np.inf, -np.inf, np.inf, NAN, NAN]),
        ("tanh", [0.0, -0.0, 1, -1, NAN]),
        ("erf", [0.0, -0.0, 1, -1, NAN]),
        ("erfc", [1, 1, 0, 2, NAN]),
        ("reciprocal_square_root", [np.inf, -np.inf, 0, NAN, NAN]),
        ("sigmoid", [0.5, 0.5, 1, 0, NAN]),
        ("silu", [0.0, -0.0, np.inf, NAN, NAN]),
        ("mish", [0.0, -0.0, np.inf, NAN, NAN]),
        ("gelu", [0.0, -0.0, np.inf, NAN, NAN]),
        ("gelu_tanh", [0.0, -0.0, np.inf, NAN, NAN]),
    ],
)
def test_special_arguments(name: str, wanted: list[float]) -> None:
    got = evaluate(FLOAT_FUNCTIONS[name], SPECIAL)
    assert got.view(np.uint32).tolist() == np.float32(wanted).view(np.uint32).tolist()


def power_cases(random: np.random.Generator, count: int) -> tuple[Reals, Reals]:
    """Bases of all sizes and near 1, exponents whose powers span float32, small integers among them."""
    near = 1 + random.uniform(-1, 1, count) * 2.0 ** random.uniform(-22, -1, count)
    kind = random.integers(0, 3, count)
    x = np.choose(kind, [np.exp2(random.uniform(-126, 127, count)), near, np.exp2(random.uniform(-1, 1, count))])
    x = x.astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        y = random.uniform(-127, 128, count) / np.log2(x.astype(np.float64))
    kind = random.integers(0, 4, count)
    y = np.select([kind == 0, kind == 1], [random.uniform(-4, 4, count), random.integers(-9, 10, count)], y)
    y = np.where(np.isfinite(y), np.clip(y, -1e30, 1e30), 2.0).astype(np.float32)
    return np.where(random.random(count) < 0.2, -x, x).astype(np.float32), y


def check_power(x: Reals, y: Reals) -> float:
    with np.errstate(all="ignore"):
        wanted, got = np.power(x.astype(np.float64), y.astype(np.float64)), evaluate(POWER, x, y)
        nearest = wanted.astype(np.float32)
        counted = np.isfinite(nearest) & np.isfinite(got) & (np.abs(wanted) >= 2.0**-126)
        units = np.where(counted, np.abs(got - wanted) / np.spacing(np.abs(nearest)), 0.0)
    flushes = (np.abs(wanted) < 2.0**-126) & (np.abs(got) <= 2.0**-126)
    overflows = np.isinf(got) & (np.abs(wanted) > float(np.finfo(np.float32).max) * (1 - 2.0**-22))
    wrong = np.flatnonzero(~counted & ~flushes & ~overflows & (got != nearest) & ~(np.isnan(got) & np.isnan(wanted)))
    assert not wrong.size, f"{x[wrong[0]]!r}^{y[wrong[0]]!r} is {got[wrong[0]]!r}, not {wanted[wrong[0]]!r}"
    worst = int(units.argmax())
    assert units[worst] <= 2, f"{x[worst]!r}^{y[worst]!r} is {got[worst]!r}: {units[worst]:.2f} units off"
    return float(units[worst])


def test_powers() -> None:
    check_power(*power_cases(np.random.default_rng(5), 60_000))


@pytest.mark.campaign
def test_many_powers() -> None:
    worst = max(check_power(*power_cases(np.random.default_rng(seed), 10**6)) for seed in range(40))
    print(f"\npower: {worst:.3f} units in the last place")


def test_special_powers() -> None:
    numbers = np.float32([0, -0.0, 1, -1, 2, -2, 0.5, -0.5, np.inf, -np.inf, np.nan, 3, -3, 1e10, 16777217])
    x, y = np.meshgrid(numbers, numbers)
    with np.errstate(all="ignore"):
        wanted = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
    wanted = np.where(np.abs(wanted) < 2.0**-126, np.copysign(np.float32(0), wanted), wanted)
    wanted = np.where(np.isnan(wanted), np.float32(np.nan), wanted)
    assert evaluate(POWER, x, y).view(np.uint32).tolist() == wanted.view(np.uint32).tolist()


def test_polynomials_are_as_near_as_the_script_says() -> None:
    """The coefficients of the tables give the errors that benchmarks/coefficients.py prints for its own."""
    path = Path(__file__).parents[2] / "benchmarks" / "coefficients.py"
    spec = importlib.util.spec_from_file_location("coefficients", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    seen = set()
    for fit in script.FITS:
        if fit.name not in POLYNOMIALS:
            continue
        seen.add(fit.name)
        x = np.linspace(fit.low, fit.high, 5000)
        x = x[np.abs(x) > 1e-4]
        powers = np.stack([x**k for k in range(len(POLYNOMIALS[fit.name]))], 1)
        error = np.abs(fit.function(x) - powers @ np.array(POLYNOMIALS[fit.name])) * fit.weight(x)
        assert error.max() < 2.0**-25.5, fit.name
    assert seen == set(POLYNOMIALS)


@pytest.mark.parametrize(
    ("head", "text", "message"),
    [
        ("f(x) -> y", "y add x", "The line 'y add x' of f is not of the form: result = instruction(operand, ...)."),
        (
            "f(x) -> y",
            "y = add(x, z)",
            "The line 'y = add(x, z)' of f uses 'z', which is no number, input or result above.",
        ),
        ("f(x) -> y", "y = add(x)", "f gives add 1 operands; it takes 2."),
        ("f(x) -> y", "z = add(x, 1)", "f never says what its result 'y' is."),
        ("f(x) -> y", "y, z = add(x, 1)", "The line 'y, z = add(x, 1)' of f names 2 results; there are 1."),
    ],
)
def test_what_is_written_wrongly_is_refused(head: str, text: str, message: str) -> None:
    with pytest.raises(LithifyError) as caught:
        written(head, text)
    assert str(caught.value) == message


def test_an_unknown_instruction_is_refused_by_name() -> None:
    with pytest.raises(LithifyError, match=r"^f uses 'sinus', which is unknown; known are: add, subtract, "):
        written("f(x) -> y", "y = sinus(x)")


def test_constants_and_steps_are_data() -> None:
    exponential = FLOAT_FUNCTIONS["exp"]
    assert exponential.count() == len(exponential.steps) == 22
    assert exponential.count("divide") == 0
    assert math.inf not in exponential.constants and 104.0 in exponential.constants
    assert all(float(np.float32(value)) == value for value in exponential.constants)
