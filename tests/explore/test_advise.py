"""Advice: formulas by worked examples of their sources, needs and assumptions, the rules, the page and the command."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from math import exp, inf, isfinite
from pathlib import Path

import pytest
from tests.conftest import Ran

import lithify
from lithify import LithifyError
from lithify.chip import load_chip
from lithify.chip.area import Area, area, tiling_um2
from lithify.explore.advise.advice_page import advice_page
from lithify.explore.advise.advise import Advice, judged, reaches, verdict
from lithify.explore.advise.assumptions import changed, load_assumptions, stated
from lithify.explore.advise.cost import (
    break_even,
    clustered_yield,
    dies_per_wafer,
    murphy_yield,
    poisson_yield,
    unit_cost,
)
from lithify.explore.advise.die import area_factor, delay_factor, die_mm2, energy_factor
from lithify.explore.advise.option import Facts, Needs, OnChip, Option, best_of, options, written
from lithify.explore.advise.risk import Circumstances
from lithify.explore.compare import processor
from lithify.explore.figure import ASSUMED, GIVEN, HOW, MODELLED, Figure
from lithify.explore.quantity import BANDWIDTH, COUNT, POWER, TIME, Kind, quantity

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS = EXAMPLES / "digits_cnn.onnx"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "LEAST_SECONDS", 0.01)


@pytest.fixture(scope="module")
def found() -> Advice:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor, "LEAST_SECONDS", 0.01)
        return lithify.advise(DIGITS, 100_000, power_w=2, latency_s=0.02, chips=("tiny",))


def known(
    cycles: int = 2_000_000, host_s: float = 0.0, operations: int = 600_000_000, weights: int = 3_500_000
) -> Facts:
    """A network of MobileNetV2's size on a chip of 10 mm2."""
    chip = OnChip("own", 256, 200e6, cycles, 500.0, 1500.0, host_s, Area(5.0, 5.0), 5)
    small = replace(chip, name="small", multipliers=64, cycles=4 * cycles)
    return Facts(operations, weights, (chip,), (chip, small), 0.004)


QUIET = Circumstances({"Conv": 50, "Softmax": 1}, (), True)


def test_dies_and_yields_of_the_textbooks() -> None:
    # Hennessy and Patterson, 4th edition, section 1.6: a 300 mm wafer holds 640 dies of 1 cm and 270 (269.9) of 1.5 cm;
    # with 0.4 defects a cm2 and alpha = 4 they yield 0.68 and 0.44.
    assert dies_per_wafer(300, 100) == 640 and dies_per_wafer(300, 225) == 269
    assert round(clustered_yield(0.4 * 1.0, 4), 2) == 0.68 and round(clustered_yield(0.4 * 2.25, 4), 2) == 0.44
    assert dies_per_wafer(200, 40_000) == 0
    # Leachman, IEOR 130 (Berkeley, 2009), homework 4: A D -> Poisson, Murphy, Seeds (alpha = 1).
    for defects, poisson, murphy, seeds in (
        (0.05, 0.9512, 0.9514, 0.9524),
        (0.5, 0.6065, 0.6193, 0.6667),
        (1.0, 0.3679, 0.3996, 0.5000),
        (3.0, 0.0498, 0.1003, 0.2500),
    ):
        assert round(poisson_yield(defects), 4) == poisson and round(murphy_yield(defects), 4) == murphy
        assert round(clustered_yield(defects, 1), 4) == seeds
    assert murphy_yield(0) == 1 and clustered_yield(0.5, 1e9) == pytest.approx(exp(-0.5))


def test_unit_cost_and_break_even() -> None:
    # AnySilicon, "5 Easy Steps to Calculate ASIC Unit Cost": 2,000 $ a wafer of 1,000 dies, QFN 0.2, test 0.3,
    # logistics 0.1, yield 90 %: 2.889 $.
    assert round(unit_cost(2000, 1000, 0.2, 0.3, 0.1, 0.9), 3) == 2.889
    assert unit_cost(2000, 0, 0.2, 0.3, 0.1, 0.9) == inf
    # A million once and 5 $ a piece against 100,000 $ and 20 $: the same at 60,000 pieces.
    assert break_even(1e6, 5, 1e5, 20) == 60_000
    assert break_even(1e5, 20, 1e6, 5) == inf and break_even(1e5, 5, 1e6, 20) == 0


def test_scaling_is_the_published_tables() -> None:
    # The paper's corrigendum: 1 pJ at 65 nm and 1.3 V becomes 0.1755 pJ at 32 nm and 0.9 V.
    assert round(energy_factor(32, 0.9), 4) == 0.4571 and round(energy_factor(65, 1.3), 3) == 2.604
    assert energy_factor(32, 0.9) / energy_factor(65, 1.3) == pytest.approx(0.1755, rel=1e-3)
    assert area_factor(130) == 1 and area_factor(7) == 0.0092
    # 28 nm lies between 32 and 20 nm; on logarithms (28 / 20)^k with k from the two.
    assert area_factor(20) < area_factor(28) < area_factor(32)
    assert area_factor(28) == pytest.approx(0.033 * (28 / 20) ** 1.6598, rel=1e-3)
    assert [delay_factor(nm, v) for nm, v in ((90, 1.2), (45, 1.0), (7, 0.7))] == pytest.approx(
        [23.59, 12.5, 3.24], rel=2e-3
    )


def test_area_is_that_of_synthesis() -> None:
    # `lithify synth`: edge 7.911 of cells and 9.457 of macros; tiny 6.623 in all, 2.402 of it macros.
    edge, tiny = area(load_chip("edge")), area(load_chip("tiny"))
    assert edge.cells == pytest.approx(7.911, rel=0.1) and edge.macros == pytest.approx(9.457, rel=0.01)
    assert tiny.mm2 == pytest.approx(6.623, rel=0.1) and tiny.macros == pytest.approx(2.402, rel=0.01)
    # Two of 512 words above each other: one of 1024, 263,946, is too slow for 200 MHz.
    assert tiling_um2(1024, 64) == pytest.approx(2 * 150_102, rel=1e-3)
    assert tiling_um2(1024, 128) == pytest.approx(2 * tiling_um2(1024, 64))


def test_the_die_is_cells_macros_and_pads() -> None:
    # 4 mm2 of cells that fill half of their rows, 1 of macros: a core of 3 x 3 mm, and pads of half a millimetre.
    assert die_mm2(Area(4, 1), 130, 0.5, 1.0, 0.5) == pytest.approx(16)
    assert die_mm2(Area(4, 1), 7, 0.5, 1.0, 0.5) == pytest.approx((3 * 0.0092**0.5 + 1) ** 2)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("2W", POWER, 2.0),
        ("500 mW", POWER, 0.5),
        ("20ms", TIME, 0.02),
        ("1.5 s", TIME, 1.5),
        ("100k", COUNT, 1e5),
        ("100,000", COUNT, 1e5),
        ("1_000", COUNT, 1000.0),
        ("2e6", COUNT, 2e6),
        ("1GB/s", BANDWIDTH, 1e9),
        ("100Mbit/s", BANDWIDTH, 12.5e6),
    ],
)
def test_quantities(text: str, kind: Kind, value: float) -> None:
    assert quantity(text, kind, "--x") == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("2", POWER, "--x was given as '2', without a unit; write 2W, or 2mW for thousandths."),
        ("20", TIME, "--x was given as '20', without a unit; write 20s, or 20ms for thousandths."),
        ("5", BANDWIDTH, "--x was given as '5', without a unit; write it as in 1GB/s or 100Mbit/s."),
        ("much", POWER, "--x was given as 'much', which is no power; write it as in 2W or 500mW."),
        ("1,5W", POWER, "--x was given as '1,5W', which is no power; write it as in 2W or 500mW."),
        (
            "2V",
            POWER,
            "--x was given as '2V'; its unit 'V' is none of uW, µW, mW, W, kW; write it as in 2W or 500mW.",
        ),
        ("-1s", TIME, "--x was given as '-1s'; it must be above 0."),
        ("0", COUNT, "--x was given as '0'; it must be above 0."),
    ],
)
def test_what_is_no_quantity(text: str, kind: Kind, said: str) -> None:
    with pytest.raises(LithifyError) as error:
        quantity(text, kind, "--x")
    assert str(error.value) == said


def test_every_assumption_has_a_source_or_says_that_it_has_none() -> None:
    every = stated(load_assumptions())
    assert len(every) > 100 and all(entry.value.how in HOW for entry in every)
    assert all(entry.value.source or entry.value.how == ASSUMED for entry in every)
    assert all(entry.value.source for entry in every if entry.value.year is not None)
    table = changed(load_assumptions(), "node.28.wafer_usd", 1.0)
    assert table.node[28].wafer_usd.value == 1 and load_assumptions().node[28].wafer_usd.value == 3000


def test_a_file_changes_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[node.90]\nwafer_usd = 1500\n\n[part]\ntest_usd = { value = 0.4, source = 'quotation' }\n")
    table = load_assumptions(path)
    assert table.node[90].wafer_usd.value == 1500 and table.node[90].wafer_usd.how == GIVEN
    assert table.part.test_usd.source == "quotation" and table.node[90].masks_usd.value == 300_000
    assert {entry.place for entry in stated(table) if entry.value.how == GIVEN} == {
        "node.90.wafer_usd",
        "part.test_usd",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[node.90]\nwafer = 1\n", "node.90.wafer: there is no such name"),
        ("[node.90]\nwafer_usd = 'much'\n", "node.90.wafer_usd: it must be a number"),
        ("[part]\nfinal_yield = 1.2\n", "part.final_yield: it must be above 0 and at most 1"),
        ("[node.90]\nwafer_usd = -1\n", "node.90.wafer_usd: it must be above 0"),
        ("[node.5]\nvolts = 0.7\n", "node.5.wafer_mm: it is missing"),
        ("[node.90]\nvolts = 5\n", "node.90.volts: the scaling table does not hold at 5 V"),
        ("[alternative.x]\nname = 'x'\nkind = 'gpu'\nusd = 1\nwatts = 1\nproject_usd = 0\nneeds_board = false\n",
         "alternative.x: its speed is missing: give latency_s"),
        ("colour = 'red'\n", "colour: there is no such name"),
        ("=", "are no TOML"),
    ],
)  # fmt: skip
def test_assumptions_that_do_not_fit(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(LithifyError, match=re.escape(said)):
        load_assumptions(path)
    with pytest.raises(LithifyError, match="Cannot read the assumptions"):
        load_assumptions(tmp_path / "none.toml")


def test_costs_follow_from_the_assumptions_by_hand() -> None:
    table = load_assumptions()
    for place, value in {
        "silicon.cell_fill": 1.0, "silicon.macro_fill": 1.0, "silicon.pad_mm": 0.0, "silicon.scribe_mm": 0.0,
        "silicon.edge_mm": 0.0, "node.130.defects_per_cm2": 0.0, "node.130.wafer_usd": 2850.0,
        "part.package_usd": 1.0, "part.test_usd": 0.5, "part.logistics_usd": 0.5, "part.final_yield": 1.0,
        "project.respins": 1.0, "project.design_share": 0.5,
    }.items():  # fmt: skip
        table = changed(table, place, value)
    option = next(option for option in options(known(), Needs(1000), table) if option.nm == 130)
    # 10 mm2 on 200 mm: pi 40000 / 40 - pi 200 / sqrt(20) = 3141.6 - 140.5, so 3001 dies; all of them work.
    assert option.parts["dies"].value == 3001 and option.parts["yield"].value == 1
    assert option.parts["packaged"].value == pytest.approx(2850 / 3001 + 2)
    # Twice the masks, half of the design, test development and a prototype; open tools.
    assert option.value("project") == 2 * 150_000 + 2_000_000 + 100_000 + 45_000
    assert option.value("unit") == pytest.approx(2850 / 3001 + 2 + 6)
    assert option.value("each") == pytest.approx(option.value("unit") + option.value("project") / 1000)
    # 2 million cycles at 200 MHz; 500 uJ become 500 x 1.5 (overhead) on the same process, 1500 uJ of DRAM stay.
    assert option.value("latency") == pytest.approx(0.01)
    assert option.value("power") == pytest.approx((500e-6 * 1.5 + 1500e-6) / 0.01 + 0.1)


def test_the_cheapest_that_keeps_to_everything_is_advised() -> None:
    table = load_assumptions()
    advice = judged("net", 3_500_000, known(), Needs(100_000, 2.0, 0.02), table, QUIET)
    assert advice.best is not None and advice.best.kind == "asic" and advice.best.nm == 130
    assert all(option.misses for option in advice.options if option.kind != "asic")
    assert "Nothing that can be bought keeps to what is asked" in verdict(advice)
    # Without limits on power and time what is bought is cheaper for few pieces, the chip for many.
    few, many = (judged("net", 3_500_000, known(), Needs(count), table, QUIET) for count in (1000, 1_000_000))
    assert few.best is not None and few.best.kind != "asic" and "would be cheaper from" in verdict(few)
    assert many.best is not None and many.best.kind == "asic"
    for advice in (few, many):
        assert advice.best is not None
        assert advice.best.value("total") == min(option.value("total") for option in advice.options if option.fits)
        assert [turn.option for turn in advice.turns] and all(turn.option != advice.best.name for turn in advice.turns)


def test_what_cannot_be_kept_is_said_with_the_closest() -> None:
    advice = judged("net", 3_500_000, known(), Needs(1000, 0.01, 1e-4), load_assumptions(), QUIET)
    assert advice.best is None and advice.reaches == () and advice.asic is None
    said = verdict(advice)
    assert said.startswith("Nothing here keeps to what is asked. The closest is ") and "of 100 us" in said
    for option in advice.options:
        assert option.worst > 1 and advice.closest.worst <= option.worst


def test_a_chip_is_no_faster_than_its_power_allows() -> None:
    table = load_assumptions()
    free = next(option for option in options(known(), Needs(1000), table) if option.nm == 7)
    limit = 0.1 + (free.value("power") - 0.1) / 2
    slowed = next(option for option in options(known(), Needs(1000, limit), table) if option.nm == 7)
    # Half of the power is twice the time, at half of the clock; the host's tenth of a watt stays.
    assert slowed.fits and slowed.value("power") == pytest.approx(limit)
    assert slowed.value("latency") == pytest.approx(2 * free.value("latency"))
    assert slowed.parts["clock"].value == pytest.approx(free.parts["clock"].value / 2)
    assert "would draw more than is asked" in slowed.figures["latency"].source
    # Beneath what the host draws nothing helps.
    assert not next(option for option in options(known(), Needs(1000, 0.05), table) if option.nm == 7).fits


def test_a_die_beyond_a_reticle_and_a_chip_with_nothing_to_do() -> None:
    facts, table = known(), load_assumptions()
    large = replace(facts, chips=(replace(facts.chips[0], silicon=Area(500.0, 500.0)),))
    misses = {option.nm: option.misses for option in options(large, Needs(1000), table) if option.kind == "asic"}
    # 500 / 0.55 + 500 / 0.9 = 1,464.6 mm2 and a ring of 0.3 mm; at 90 nm 0.44 of it.
    assert misses[130] == ("is a die of 1,511 mm2, beyond a reticle",) and misses[90] == ()
    idle = replace(facts, chips=(replace(facts.chips[0], cycles=0, host_s=1e-3),))
    told = {note.topic: note.text for note in judged("net", 1, idle, Needs(1000), table, QUIET).notes}
    assert told["nothing to do"] == "own: no unit for anything in this network; all of it runs on the host."


def test_numbers_for_people() -> None:
    assert [written(value, "W") for value in (12.0, 0.9999999, 0.5, 2e-6)] == ["12 W", "1 W", "500 mW", "2 uW"]
    assert [written(value, "$") for value in (8.214, 934_176.0, 1.53e6, inf)] == [
        "8.21 $",
        "934,176 $",
        "1.53 M$",
        "never",
    ]


def test_nothing_is_left_out_silently() -> None:
    table = load_assumptions()
    small = replace(table.alternative["ecp5_85"].multipliers, value=16)
    little = replace(
        table, alternative={"little": replace(table.alternative["ecp5_85"], name="little", multipliers=small)}
    )
    advice = judged("net", 1, known(), Needs(1000), little, QUIET)
    told = {note.topic: note.text for note in advice.notes}
    assert told["left out"] == "little: the smallest chip here has 64 multipliers, more than they hold."
    assert "FPGA memory" not in told and all(option.kind == "asic" for option in advice.options)
    assert (
        "block RAM"
        in {note.topic: note.text for note in judged("n", 1, known(), Needs(9), table, QUIET).notes}["FPGA memory"]
    )


def test_reaches_are_the_lower_envelope() -> None:
    def line(name: str, once: float, unit: float) -> Option:
        return Option(name, "x", {"project": Figure(once, MODELLED), "unit": Figure(unit, MODELLED)})

    lines = (line("buy", 0, 100), line("fpga", 9_000, 10), line("asic", 1_000_000, 1), line("dear", 2_000_000, 5))
    found = reaches(lines)
    # 9,000 / 90 = 100 pieces; 991,000 / 9 = 110,111 pieces; the fourth is never cheapest.
    assert [reach.option for reach in found] == ["buy", "fpga", "asic"]
    assert found[0].last == 100 and found[1].last == pytest.approx(991_000 / 9) and found[2].last == inf
    for volume in (11, 99, 101, 100_000, 120_000, 10_000_000):
        inside = next(reach for reach in found if reach.first <= volume <= reach.last)
        assert inside.option == min(lines, key=lambda option: option.at(volume)).name


def test_notes_speak_of_what_is_there() -> None:
    table = load_assumptions()

    def topics(around: Circumstances, facts: Facts | None = None, volume: float = 1e5) -> dict[str, str]:
        advice = judged("net", 1, facts or known(), Needs(volume), table, around)
        return {note.topic: note.text for note in advice.notes}

    quiet = topics(QUIET, volume=1e7)
    assert "operators that change" not in quiet and "on the host" not in quiet and "accuracy" not in quiet
    assert {"schedule", "licences", "models", "memory"} <= set(quiet) and "volume" not in quiet
    moving = topics(Circumstances({"Attention": 2, "LayerNormalization": 4, "Softmax": 1}, ("NonZero",), False))
    assert "Attention" in moving["operators that change"] and "LayerNormalization" in moving["operators that change"]
    assert "Softmax" not in moving["operators that change"] and "Prefer an FPGA" in moving["operators that change"]
    assert "NonZero" in moving["on the host"] and "--data" in moving["accuracy"]
    assert "1,000 are planned" in topics(QUIET, volume=1000)["volume"]


def test_needs_that_cannot_be() -> None:
    for name, more in (("volume", {}), ("power", {"power_w": 0.0}), ("latency", {"latency_s": -1.0})):
        with pytest.raises(LithifyError, match=f"The {name} was given as .*; it must be above 0"):
            lithify.advise(DIGITS, 0.0 if name == "volume" else 10.0, **more)
    with pytest.raises(LithifyError, match="No chip was given"):
        lithify.advise(DIGITS, 10.0, chips=())


def test_a_whole_advice(found: Advice) -> None:
    assert found.best is not None and found.options[0] is found.best
    cycles = next(option for option in found.options if option.nm == 130).figures["latency"].source
    assert re.match(r"[\d,]+ cycles, simulated, at 200 MHz", cycles)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["advice"] == found.best.name and told["verdict"] == verdict(found)
    assert len(told["assumptions"]) == len(found.stated) and all(row["how"] in HOW for row in told["assumptions"])
    assert all(figure["how"] in HOW for row in told["options"] for figure in row["figures"].values())
    assert best_of(found.options) == found.best and isfinite(found.cpu_s)


def test_the_page(found: Advice) -> None:
    page = advice_page(found)
    told = unescape(page)
    assert verdict(found) in told and page.count("<svg") == 1 and advice_page(found) == page
    assert all(entry.place in page for entry in found.stated) and all(note.text in told for note in found.notes)
    assert not set(re.findall(r'(?:src|href)="(?!#)([^"]+)"', page)), "the page must open without a network"


def test_the_command(run: Callable[..., Ran], tmp_path: Path) -> None:
    words = ("advise", DIGITS, "--volume", "100k", "--chip", "tiny")
    ran = run(*words, "--power", "2W", "--latency", "20ms", "--html", tmp_path / "page.html")
    assert ran.status == 0, ran.err
    assert "<- advised" in ran.out and "assumed: our guess" in ran.out and (tmp_path / "page.html").exists()
    told = json.loads(run(*words, "--power", "1uW", "--json").out)
    assert told["advice"] is None and "Nothing here keeps" in told["verdict"] and told["needs"]["power_w"] == 1e-6
    refused = run(*words, "--power", "2")
    assert refused.status == 1 and refused.out == ""
    assert refused.err == "Error: --power was given as '2', without a unit; write 2W, or 2mW for thousandths.\n"
    assert run("advise", DIGITS).status == 2
    mine = tmp_path / "mine.toml"
    assert run("advise", "--write-assumptions", mine).status == 0
    assert stated(load_assumptions(mine)) == stated(load_assumptions())
