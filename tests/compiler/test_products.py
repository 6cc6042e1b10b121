"""Products of matrices that do not fit on the chip: every number, and how well the array is used."""

from pathlib import Path

import pytest
from tests.compiler.compiled import CHIPS, check

from lithify import networks
from lithify.chip import Chip, load_chip
from lithify.compiler import Compilation
from lithify.networks.builder import Builder
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.graph import Graph
from lithify.sim.inference import costs, run_segments

MAC256 = load_chip(Path(__file__).parents[2] / "benchmarks" / "chips" / "mac256.toml")


def product(rows: int, depth: int, columns: int) -> Graph:
    """[rows, depth] times weights [depth, columns]."""
    net = Builder("product", (1, rows, depth), 0)
    model = optimize(net.model([net.linear(net.input, columns)]))
    return read(quantize(model, seeded(inputs_of(model), 2)))


def compiled(rows: int, depth: int, columns: int, chip: Chip) -> Compilation:
    """The compilation, every tensor of which equals the reference's."""
    return check(product(rows, depth, columns), chip, {"input": networks.sample((1, rows, depth), seed=5)})


@pytest.mark.parametrize(("rows", "depth", "columns"), [(70, 200, 90), (130, 90, 300), (40, 700, 40)])
@pytest.mark.parametrize("chip", ["tiny", "small", "wide"])
def test_products_larger_than_the_scratchpad(rows: int, depth: int, columns: int, chip: str) -> None:
    assert not compiled(rows, depth, columns, CHIPS[chip]).reasons


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "depth", "columns", "percent"), [(512, 512, 512, 95), (128, 3072, 768, 91)])
def test_the_array_is_used(rows: int, depth: int, columns: int, percent: int) -> None:
    """Where all inputs, or all weights, would not fit: those that can stay do, the others pass."""
    program = compiled(rows, depth, columns, MAC256).program
    assert costs(program, run_segments(program)).mac_utilisation > percent / 100
