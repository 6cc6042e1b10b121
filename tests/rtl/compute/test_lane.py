"""The post-processing lane against numpy's float32, result by result."""

import ctypes
import functools
from typing import Any

import numpy as np
import pytest

from lithify.chip import Chip, load_chip
from lithify.chip.pipeline import compute_pipeline
from lithify.rtl.compute.lane import Lane

from .verilated import build

CHIPS = {
    name: load_chip("tiny").model_copy(update={"units": units}) for name, units in (("plain", ()), ("add", ("add",)))
}
SCALE = ("sum", "bias", "multiplier", "zero_point", "minimum", "maximum")
ADD = (
    "b", "a_zero_point", "b_zero_point", "a_multiplier", "b_multiplier", "sum_zero_point", "sum_minimum", "sum_maximum",
)  # fmt: skip
FLOATS = ("multiplier", "a_multiplier", "b_multiplier")
WIDE = (*FLOATS, "sum", "bias")


def names(chip: Chip) -> tuple[str, ...]:
    return SCALE + ADD if chip.has("add") else SCALE


@functools.cache
def lane(chip_name: str) -> Any:
    return built(CHIPS[chip_name])


def built(chip: Chip, files: dict[str, str] | None = None) -> Any:
    """The lane of a chip, or what `files` hold in place of its Verilog."""
    lines = []
    for column, name in enumerate(names(chip)):
        mask = 0x7FFFFFFF if name in FLOATS else 0xFFFFFFFF if name in WIDE else 0xFF
        value = f"cases[at * {len(names(chip))} + {column}] & {mask}u"
        lines.append(
            f"    {{ int32_t at = case_of(cycle - delays[{column}], count); if (at < 0) at = cycle % count; "
            f"dut.{name} = {value}; }}"
        )
    header = (
        "#pragma once\nstatic void set_inputs(Vdut &dut, const int32_t *cases, const int32_t *delays, int32_t count, "
        "int32_t cycle) {\n" + "\n".join(lines) + "\n}\n"
    )
    return build(Lane(chip), "lane.cpp", {"inputs.h": header}, files)


def run(chip_name: str, cases: dict[str, np.ndarray]) -> np.ndarray:
    """The results of the hardware; the cases' arrays are of one length."""
    chip = CHIPS[chip_name]
    pipeline = compute_pipeline(chip)
    delays = {"sum": 0, "bias": pipeline.bias, "multiplier": pipeline.multiplier + 1}
    delays |= dict.fromkeys(("zero_point", "minimum", "maximum"), pipeline.rounded)
    delays |= dict.fromkeys(("b", "a_zero_point", "b_zero_point"), pipeline.rounded + 1)
    delays |= dict.fromkeys(("a_multiplier", "b_multiplier"), pipeline.addend)
    delays |= dict.fromkeys(("sum_zero_point", "sum_minimum", "sum_maximum"), pipeline.result - 1)
    columns = [cases[n].view(np.int32) if n in FLOATS else cases[n].astype(np.int32) for n in names(chip)]
    table = np.ascontiguousarray(np.stack(columns, 1))
    results = np.zeros(len(table), np.uint8)
    delay = np.array([delays[n] for n in names(chip)], np.int32)
    pointer = ctypes.c_void_p
    lane(chip_name).run(pointer(table.ctypes.data), pointer(delay.ctypes.data), len(table), pipeline.result,
                        pointer(results.ctypes.data))  # fmt: skip
    return results.view(np.int8)


def expected(c: dict[str, np.ndarray], add: bool) -> np.ndarray:
    with np.errstate(over="ignore"):
        total = (c["sum"].astype(np.int32) + c["bias"].astype(np.int32)).astype(np.float32)
        scaled = np.rint(total * c["multiplier"]).astype(np.float64) + c["zero_point"]
        q = np.clip(scaled, c["minimum"], c["maximum"])
        if not add:
            return q.astype(np.int8)
        a = (q - c["a_zero_point"]).astype(np.float32) * c["a_multiplier"]
        b = (c["b"] - c["b_zero_point"]).astype(np.float32) * c["b_multiplier"]
        total = np.rint(a + b).astype(np.float64) + c["sum_zero_point"]
    return np.clip(total, c["sum_minimum"], c["sum_maximum"]).astype(np.int8)


def near_halves(rng: np.random.Generator, total: np.ndarray) -> np.ndarray:
    """Multipliers that bring ``total`` close to a half, where rounding decides."""
    target = rng.integers(-140, 140, len(total)) + 0.5
    with np.errstate(divide="ignore", over="ignore"):
        exact = np.abs(target / total.astype(np.float64)).astype(np.float32)
    exact = np.where(np.isfinite(exact) & (exact > 0), exact, np.float32(1))
    return (exact.view(np.int32) + rng.integers(-2, 3, len(total)).astype(np.int32)).view(np.float32)


def random_cases(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    bits = rng.integers(1, 32, count)
    spread = rng.integers(-(2**31), 2**31, count) >> rng.integers(0, 32, count)
    corners = rng.choice([0, 1, -1, 2**31 - 1, -(2**31), 2**24, 2**24 + 1, -(2**24) - 1, 2**25 + 3, 127, -128], count)
    powers = np.where(rng.random(count) < 0.5, 1, -1) * (1 << bits.astype(np.int64)) + rng.integers(-2, 3, count)
    sums = np.choose(rng.integers(0, 4, count), [spread, corners, powers, rng.integers(-70000, 70000, count)])
    bias = np.where(rng.random(count) < 0.3, 0, rng.integers(-(2**31), 2**31, count) >> rng.integers(0, 31, count))
    c = {"sum": sums.astype(np.int64).astype(np.int32), "bias": bias.astype(np.int32)}
    with np.errstate(over="ignore"):
        total = c["sum"] + c["bias"]
    any_float = (rng.integers(1, 255, count) << 23 | rng.integers(0, 1 << 23, count)).astype(np.int32).view(np.float32)
    scale = (2.0 ** rng.uniform(-30, 3, count)).astype(np.float32)
    power = (2.0 ** rng.integers(-24, 3, count)).astype(np.float32)
    kind = rng.integers(0, 8, count)
    c["multiplier"] = np.select(
        [kind == 0, kind == 1, kind <= 4], [any_float, power, near_halves(rng, total)], scale
    ).astype(np.float32)
    for name in ("zero_point", "minimum", "maximum", "b", "a_zero_point", "b_zero_point", "sum_zero_point"):
        c[name] = np.where(rng.random(count) < 0.2, rng.choice([-128, 127, 0], count), rng.integers(-128, 128, count))
    full = rng.random(count) < 0.8
    c["minimum"], c["maximum"] = np.minimum(c["minimum"], c["maximum"]), np.maximum(c["minimum"], c["maximum"])
    c["minimum"], c["maximum"] = np.where(full, -128, c["minimum"]), np.where(full, 127, c["maximum"])
    for name in ("a_multiplier", "b_multiplier"):
        scale = (2.0 ** rng.uniform(-9, 1, count)).astype(np.float32)
        wide = (2.0 ** rng.uniform(-40, 40, count)).astype(np.float32)
        # Below 2 ** 118 no product is infinite, so no sum is not a number.
        any_float = (rng.integers(1, 245, count) << 23 | rng.integers(0, 1 << 23, count)).astype(np.int32)
        few_bits = (rng.integers(1, 64, count) * 2.0 ** rng.integers(-14, 2, count)).astype(np.float32)
        kind = rng.integers(0, 8, count)
        c[name] = np.select(
            [kind == 0, kind == 1, kind <= 4], [any_float.view(np.float32), wide, few_bits], scale
        ).astype(np.float32)
    # Multipliers that are close or equal: cancellation.
    near = rng.random(count) < 0.4
    step = rng.choice([0, 0, 1, -1, 2, 1 << 23, -(1 << 23)], count).astype(np.int32)
    close = np.clip(c["a_multiplier"].view(np.int32) + step, 1 << 23, (245 << 23) - 1).astype(np.int32)
    c["b_multiplier"] = np.where(near, close.view(np.float32), c["b_multiplier"])
    ends = np.sort(rng.integers(-128, 128, (2, count)), 0)
    c["sum_minimum"], c["sum_maximum"] = np.where(full, -128, ends[0]), np.where(full, 127, ends[1])
    return c


@pytest.mark.parametrize("name", list(CHIPS))
def test_results_equal_numpy(name: str) -> None:
    cases = random_cases(np.random.default_rng(7), 200_000)
    got, wanted = run(name, cases), expected(cases, CHIPS[name].has("add"))
    wrong = np.flatnonzero(got != wanted)
    first = {key: value[wrong[:1]] for key, value in cases.items()}
    assert not len(wrong), f"{len(wrong)} differ; the first: {first}, {got[wrong[:1]]} for {wanted[wrong[:1]]}"
    values, counts = np.unique(wanted, return_counts=True)
    assert len(values) == 256 and counts.max() < 0.6 * len(wanted)


def test_exact_halves_go_to_the_even_integer() -> None:
    sums = np.arange(-600, 600)
    cases = {"sum": sums, "bias": np.zeros_like(sums), "multiplier": np.full(len(sums), 0.5, np.float32),
             "zero_point": np.zeros_like(sums), "minimum": np.full_like(sums, -128),
             "maximum": np.full_like(sums, 127)}  # fmt: skip
    halves = [2 * round(value / 4) if value % 2 else value // 2 for value in range(-600, 600)]
    assert run("plain", cases).tolist() == [min(127, max(-128, value)) for value in halves]


def test_a_sum_is_rounded_to_float32_before_it_is_rounded_to_an_integer() -> None:
    """0.5 + 2 ** -26 is 0.5 in float32, and then 0; the exact sum would give 1."""
    one = np.ones(1, np.int64)
    cases = {name: 0 * one for name in SCALE + ADD} | {"sum": one, "b": one, "multiplier": np.float32([1])}
    cases |= {"minimum": -128 * one, "maximum": 127 * one, "sum_minimum": -128 * one, "sum_maximum": 127 * one}
    cases |= {"a_multiplier": np.float32([0.5]), "b_multiplier": np.float32([2.0**-26])}
    assert run("add", cases).tolist() == [0]
    cases["b_multiplier"] = np.float32([2.0**-24])
    assert run("add", cases).tolist() == [1]
