"""Random graphs on random chips: every view agrees. And: what fails is found, and made small."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import lithify
from lithify.chip import load_chip, parse_chip, write_chip
from lithify.fuzz.check import check
from lithify.fuzz.chips import UNITS, random_chip
from lithify.fuzz.graphs import drawn, fuzz_graphs, rtl_chips
from lithify.fuzz.models import random_model
from lithify.fuzz.shrink import shrink
from lithify.runtime import FunctionalDevice


def test_random_graphs_on_random_chips_agree() -> None:
    found = fuzz_graphs(7, seed=3)
    assert found.failures == () and sum(found.counts.values()) == 7
    assert found.counts["agreed"] >= 5 and found.values_compared > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_many_random_graphs_on_random_chips_agree(part: int) -> None:
    assert fuzz_graphs(60, seed=10 + part).failures == ()


@pytest.mark.slow
def test_random_graphs_in_rtl_agree() -> None:
    found = fuzz_graphs(6, seed=4, rtl=6)
    assert found.failures == () and found.rtl == 6


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(20, 30))
def test_a_campaign_of_random_graphs(seed: int) -> None:
    assert fuzz_graphs(200, seed=seed).failures == ()


@pytest.mark.campaign
def test_random_graphs_in_the_rtl_of_random_chips_agree() -> None:
    found = fuzz_graphs(12, seed=50, rtl=12, chips=2)
    assert found.failures == () and found.rtl == 12


def test_drawn_chips_are_all_that_a_description_allows() -> None:
    chips = [random_chip(np.random.default_rng(number)) for number in range(300)]
    assert all(parse_chip(write_chip(chip), "drawn") == chip for chip in chips)
    assert {chip.rows for chip in chips} == {4, 8, 16, 32, 64}
    assert {unit for unit in UNITS if all(chip.has(unit) for chip in chips)} == set()
    assert {chip.rows for chip in rtl_chips(0, 40)} == {4, 8, 16}
    assert {chip.activation_ports for chip in chips} == {1, 2, 3}
    assert {chip.weight_ports for chip in chips} == {1, 2}
    assert min(chip.accumulators for chip in chips) == 2 and max(chip.queue_depth for chip in chips) == 64


def test_a_number_draws_the_same_again() -> None:
    first, again = drawn(5, 7), drawn(5, 7)
    assert first[1] == again[1] and [str(node) for node in first[0].graph] == [str(node) for node in again[0].graph]


def test_a_wrong_bit_is_found_and_its_model_made_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A functional simulator that is wrong in one value of each segment with a pool."""
    right = FunctionalDevice.run_segment

    def wrong(  # type: ignore[no-untyped-def]
        device: FunctionalDevice, program: object, segment: object, dram: dict[object, NDArray[np.uint8]], skip: int = 0
    ):
        found = right(device, program, segment, dram, skip)  # type: ignore[arg-type]
        if any(layer.operator == "MaxPool" for layer in program.layers):  # type: ignore[attr-defined]
            for place in segment.outputs:  # type: ignore[attr-defined]
                dram[place.base][place.offset] ^= 1
        return found

    number = next(
        number
        for number in range(50)
        if sum(node.op_type == "MaxPool" for node in random_model(6, number).graph) == 1
        and len(list(random_model(6, number).graph)) > 4
    )
    monkeypatch.setattr(FunctionalDevice, "run_segment", wrong)
    model, chip = random_model(6, number), load_chip("tiny")
    assert check(model, chip).kind == "difference"
    smallest = shrink(model, lambda cut: check(cut, chip).kind == "difference")
    assert [node.op_type for node in smallest.graph] == ["MaxPool"]


def test_a_failure_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("the order is\nunknown")

    monkeypatch.setattr("lithify.fuzz.check.check_order", broken)
    found = fuzz_graphs(1, seed=3, folder=tmp_path)
    (failure,) = found.failures
    assert failure.kind == "ZeroDivisionError" and failure.text == "the order is unknown" and failure.nodes == 1
    assert failure.file == str(tmp_path / "graph_0" / "model.onnx")
    assert len(list(lithify.load(failure.file).graph)) == 1
    assert load_chip(tmp_path / "graph_0" / "chip.toml").name == "drawn"
    text = (tmp_path / "graph_0" / "failure.txt").read_text(encoding="utf-8")
    assert text == "ZeroDivisionError: the order is unknown\n"
