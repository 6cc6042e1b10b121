"""Random layers on chips of all sizes: what the compiled program computes is the reference's result, bit for bit."""

import numpy as np
import pytest
from numpy.random import Generator

from compiler.compiled import CHIPS, check
from lithify.reference.graph import Graph
from reference import random_layers, random_movement, random_resize

LAYERS = 200


def layer(random: Generator) -> Graph:
    """A layer of any operator that the chip runs."""
    kind = str(random.choice(random_layers.SCALES))
    match int(random.integers(0, 13)):
        case 0 | 1 | 2:
            return random_layers.conv(random, kind, depthwise=False)
        case 3:
            return random_layers.conv(random, kind, depthwise=True)
        case 4:
            return random_layers.gemm(random, kind, bias=True)
        case 5:
            return random_layers.add(random, kind)
        case 6:
            return random_layers.conv_transpose(random, kind)
        case 7:
            return random_resize.nearest(random)[0] if random.integers(0, 2) else random_resize.linear(random, kind)[0]
        case 8 | 9:
            rules = (random_movement.transpose, random_movement.tile, random_movement.pad, random_movement.take)
            return rules[int(random.integers(0, 4))](random)
        case choice:
            operator = ("MaxPool", "AveragePool", "GlobalAveragePool")[choice - 10]
            return random_layers.pool(random, kind, operator, dilated=bool(random.integers(0, 2)))


def check_layers(seed: int, first: int, end: int) -> None:
    for number in range(first, end):
        random = np.random.default_rng((seed, number))
        graph = layer(random)
        chip = CHIPS[str(random.choice(list(CHIPS), p=[0.2, 0.2, 0.2, 0.16, 0.04, 0.08, 0.12]))]
        try:
            compilation = check(graph, chip, random_layers.inputs(random, graph))
        except Exception as error:
            raise AssertionError(f"layer {number} of seed {seed} ({graph.name}) on '{chip.name}'") from error
        if chip.units and len(graph.tensors["x"].shape) != 3:
            # Weights of a blend that hardly repeat would take an operation for each pixel.
            left = [why for why in compilation.reasons.values() if not why.startswith("its weights ")]
            assert not left, f"layer {number} of seed {seed} runs on the host"


@pytest.mark.parametrize("part", range(4))
def test_random_layers_equal_the_reference(part: int) -> None:
    check_layers(7, part * LAYERS // 4, (part + 1) * LAYERS // 4)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(0, marks=pytest.mark.slow),
        *(pytest.param(part, marks=[pytest.mark.slow, pytest.mark.campaign]) for part in range(1, 10)),
    ],
)
def test_many_random_layers_equal_the_reference(part: int) -> None:
    check_layers(11, part * 100, (part + 1) * 100)
