"""The compute unit against the loops of section 4, word by word."""

import numpy as np
import pytest

from lithify.chip import Chip, load_chip
from lithify.sim.timing.compute import ComputeTiming

from .naive import Naive
from .programs import random_program, scratchpad
from .unit import run

TINY = load_chip("tiny")
TWO = {"weight_ports": 2, "scratchpad_banks": 64}
"""Small banks: the halves of some of them hold an instruction's weights."""
CHIPS = {
    "8x8": TINY,
    "16x16": load_chip("edge").model_copy(update={"activation_ports": 3, "lanes": 16}),
    "8x32": TINY.model_copy(update={"columns": 32}),
    "lanes": TINY.model_copy(update={"columns": 16, "lanes": 2, "accumulators": 13}),
    "bare": TINY.model_copy(update={"units": ()}),
    "pool": TINY.model_copy(update={"units": ("max_pool",), "lanes": 4, "activation_ports": 2}),
    "lookup": TINY.model_copy(update={"units": ("depthwise", "lookup"), "lanes": 4}),
    "multiply": TINY.model_copy(update={"units": ("multiply",), "columns": 16, "lanes": 8}),
    "old": TINY.model_copy(update={"units": ("depthwise", "add", "max_pool")}),
    "32x32": load_chip("edge").model_copy(update={"rows": 32, "columns": 32, "lanes": 8}),
    "3 ports": TINY.model_copy(update={"activation_ports": 3}),
    "2 ports": TINY.model_copy(update={"rows": 16, "columns": 32, "lanes": 4, "activation_ports": 2}),
    "2 weights": TINY.model_copy(update={"columns": 32, **TWO}),
    "2 weights 32": load_chip("edge").model_copy(
        update={"rows": 32, "columns": 32, "lanes": 8, "scratchpad_bytes": 1 << 18, **TWO}
    ),
    "2 weights 4": TINY.model_copy(update={"rows": 4, "columns": 4, "lanes": 1, **TWO}),
    "4x4": TINY.model_copy(update={"rows": 4, "columns": 4, "lanes": 4, "accumulators": 2}),
}


def check(chip: Chip, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    memory = scratchpad(chip, rng)
    program = random_program(chip, memory, rng, count)
    earliest = np.cumsum(rng.choice([0, 0, 0, 5, 300], len(program))).tolist()
    naive = Naive(chip, memory)
    for entry in program:
        naive.run(entry)
    got = run(chip, program, memory, earliest)
    for number, (left, right) in enumerate(zip(got.results, naive.results, strict=False)):
        assert left == right, f"word {number} of {len(naive.results)}: {left} for {right}"
    assert len(got.results) == len(naive.results)
    assert len(got.retired) == len(program)
    assert got.signals == [entry.integer("signal") for entry in program]
    assert got.active == naive.fires

    timing, ready, fires = ComputeTiming(chip), 0, 0
    for number, entry in enumerate(program):
        start = max(ready, earliest[number])
        assert start == got.starts[number], f"instruction {number} starts in {got.starts[number]}, not {start}"
        issue = timing.issue(entry, start)
        ready, fires = issue.ready, fires + issue.fires
        assert issue.retire == got.retired[number], f"{number} retires in {got.retired[number]}, not {issue.retire}"
    assert fires == naive.fires


@pytest.mark.slow
def test_results_equal_the_loops() -> None:
    for seed in range(3):
        check(TINY, seed, 20)
        check(CHIPS["3 ports"], seed, 20)
        check(CHIPS["2 weights"], seed, 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHIPS)
def test_many_results_equal_the_loops(name: str) -> None:
    for seed in range(25):
        check(CHIPS[name], 100 + seed, 20)
