"""What changes of a chip do: verdicts by hand-worked cases, and a small network as a whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Ran

import lithify
from lithify.chip import load_chip
from lithify.chip.area import area
from lithify.explore.search.point import Point
from lithify.explore.search.point import Ran as NetworkRan
from lithify.explore.search.sensitivity import RESOURCES, Change, Sensitivity

CNN = Path(__file__).parents[2] / "examples" / "digits_cnn.onnx"


def a_point(mm2: float, cycles: int, **more: str) -> Point:
    runs = (NetworkRan("net", cycles, cycles / 100, 1.0, 0, 0.5, "array"),)
    return Point(0, {}, load_chip("tiny"), 1, mm2, cycles / 100, 1.0, runs, **more)


def test_verdicts_by_hand() -> None:
    def change(more: bool, point: Point | None, array: bool = False, error: str = "") -> Change:
        return Change("columns", "columns of the array", more, array, "columns 8 -> 16", point, error)

    changes = (
        change(True, a_point(5, 80)),
        change(True, a_point(6, 100), array=True),
        change(True, a_point(6, 110)),
        change(False, a_point(3, 100)),
        change(False, a_point(3, 150)),
        change(False, replace(a_point(3, 150), error="too small")),
        change(False, None, error="columns is 4"),
    )
    spent = {"net": {"transfers": 70, "array": 25, "drain": 5, "weight port": 0}}
    found = Sensitivity(("net",), a_point(4, 100), changes, {"net": (60, "bytes from memory")}, spent)
    assert [found.verdict(entry) for entry in changes] == [
        "helps", "does not help", "makes it slower", "not missed", "missed", "does not fit: too small",
        "cannot be: columns is 4",
    ]  # fmt: skip
    assert found.saved(changes[0]) == pytest.approx(0.2) and found.mm2(changes[0]) == 1
    assert found.sentences() == [
        "net: 100 cycles, 70 % of them go to transfers, 25 % to array, 5 % to drain; no schedule takes fewer than 60, "
        "for its bytes from memory.",
        "More columns of the array (columns 8 -> 16): -20.0 % time, +1.00 mm2.",
        "A bigger array does not help: columns of the array, columns 8 -> 16: +0.0 % time, +2.00 mm2.",
        "Fewer columns of the array (columns 8 -> 16) would not be missed: +0.0 % time, -1.00 mm2.",
    ]


def test_every_preset_can_be_changed_in_most_ways() -> None:
    for name in ("tiny", "edge"):
        chip = load_chip(name)
        for resource in RESOURCES:
            for update in (resource.more(chip), resource.less(chip)):
                assert set(update) <= set(type(chip).model_fields)


@pytest.mark.slow
def test_changes_are_what_the_compiler_makes(run: Callable[..., Ran]) -> None:
    ran = run("sensitivity", CNN, "--chip", "tiny", "--jobs", 1, "--json")
    assert ran.status == 0, ran.err
    told = json.loads(ran.out)
    model = lithify.quantize(lithify.optimize(lithify.load(CNN)))
    tiny = load_chip("tiny")
    wide = tiny.model_copy(update={"columns": 16})
    rows = {(row["resource"], row["more"]): row for row in told["changes"]}
    row = rows["columns", True]
    assert row["cycles"] == {"digits_cnn": lithify.compile(model, wide).simulate().cycles}
    assert row["mm2"] == pytest.approx(area(wide).mm2 - area(tiny).mm2)
    assert rows["columns", False]["verdict"].startswith("cannot be: ")
    assert rows["dram", True]["verdict"] == "helps" and rows["queue_depth", True]["verdict"] == "does not help"
    assert told["sentences"][0].startswith("digits_cnn: ")
    text = run("sensitivity", CNN, "--chip", "tiny", "--jobs", 1).out
    assert "more: columns of the array" in text and "does not help" in text
