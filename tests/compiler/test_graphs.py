"""Random graphs on chips of all sizes: every tensor equals the reference's."""

import numpy as np
import pytest

from compiler.compiled import CHIPS, check
from compiler.random_graphs import draw
from reference.random_layers import inputs


def check_graphs(seed: int, first: int, end: int) -> None:
    for number in range(first, end):
        random = np.random.default_rng((seed, number))
        graph = draw(random, int(random.integers(2, 13)))
        chip = CHIPS[str(random.choice(list(CHIPS), p=[0.22, 0.22, 0.2, 0.18, 0.03, 0.05, 0.1]))]
        try:
            check(graph, chip, inputs(random, graph))
        except Exception as error:
            raise AssertionError(f"graph {number} of seed {seed} on '{chip.name}'") from error


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_random_graphs_equal_the_reference(part: int) -> None:
    check_graphs(3, part * 16, (part + 1) * 16)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(0, marks=pytest.mark.slow),
        *(pytest.param(part, marks=[pytest.mark.slow, pytest.mark.campaign]) for part in range(1, 10)),
    ],
)
def test_many_random_graphs_equal_the_reference(part: int) -> None:
    check_graphs(5, part * 100, (part + 1) * 100)
