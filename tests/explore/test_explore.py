"""The search for a chip: budgets, the front by hand-worked cases, and whole searches for a small network."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnx.utils
import pytest
from tests.conftest import Ran

import lithify
from lithify import LithifyError
from lithify.chip import load_chip
from lithify.chip.area import area, macro_um2, tiling_um2
from lithify.explore.search import evaluate as evaluating
from lithify.explore.search import promise
from lithify.explore.search.budget import budget
from lithify.explore.search.evaluate import bounded, evaluate
from lithify.explore.search.exploration import Exploration
from lithify.explore.search.front import Judge, chosen, closest, front, volume
from lithify.explore.search.point import Point
from lithify.explore.search.point import Ran as NetworkRan
from lithify.explore.search.space import PARAMETERS, space

EXAMPLES = Path(__file__).parents[2] / "examples"
CNN = EXAMPLES / "digits_cnn.onnx"

SMALL = {
    "rows": (8, 16),
    "columns_by_rows": (1,),
    "accumulators": (8, 16),
    "rows_by_lanes": (1, 2),
    "bank_words": (64, 256),
    "scratchpad_banks": (6, 15),
    "bus_bytes": (4,),
    "queue_depth": (2,),
    "activation_ports": (1,),
    "weight_ports": (1, 2),
}
"""64 chips."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small example without its Softmax: nothing is left to the host, whose time would be measured."""
    path = tmp_path_factory.mktemp("network") / "digits.onnx"
    graph = onnx.load(CNN).graph
    (last,) = [node for node in graph.node if node.op_type == "Softmax"]
    onnx.utils.extract_model(str(CNN), str(path), [graph.input[0].name], [last.input[0]])
    return path


def test_area_by_hand() -> None:
    # 1024 words of 64 bits: 1024 (3.26 x 64 + 13.8) + 531 x 64 + 2260 = 227,778.56 + 33,984 + 2,260.
    assert macro_um2(1024, 64) == pytest.approx(264_022.56)
    # Areas that the kit's liberty files state, in square micrometres.
    stated = {(64, 64): 50489.1, (256, 32): 49488.5, (256, 64): 93180.5, (512, 32): 79719.9, (512, 64): 150102.4,
              (1024, 32): 140182.7, (1024, 64): 263946.1}  # fmt: skip
    assert all(macro_um2(*size) == pytest.approx(um2, rel=0.01) for size, um2 in stated.items())
    # Those of 1024 words are too slow for 200 MHz.
    assert tiling_um2(2048, 64) == 4 * macro_um2(512, 64) and tiling_um2(1000, 100) == 4 * macro_um2(512, 64)
    found = area(load_chip("tiny"))
    assert found.macros == pytest.approx(16 * 0.15013328) and found.mm2 == found.cells + found.macros
    assert found.error == pytest.approx((0.1 * found.cells + 0.01 * found.macros) / found.mm2)


def test_budgets() -> None:
    read = {("mm2", "4"): 4, ("mm2", "4mm2"): 4, ("mw", "0.2W"): 200, ("mw", "200"): 200, ("fps", "30"): 30,
            ("latency", "20ms"): 0.02, ("latency", "150 us"): 150e-6, ("energy", "1.5mJ"): 1.5e-3,
            ("accuracy", "98%"): 0.98, ("accuracy", "0.98"): 0.98}  # fmt: skip
    for (name, text), limit in read.items():
        assert budget(name, text).limit == pytest.approx(limit) and not budget(name, text).note
    assert budget("fps", "30").excess(20) == 0.5 and budget("mm2", "4").excess(6) == 0.5
    assert budget("mm2", "4").excess(4) == 0 and budget("latency", "one=20ms", ["one"]).network == "one"
    bare = budget("latency", "20")
    assert bare.limit == 0.02 and bare.note == "--latency 20 has no unit and is taken for 20 ms; units are s, ms, us."
    refused = {
        ("latency", "20MHz"): "--latency 20MHz has the unit 'MHz'; units of latency are s, ms, us.",
        ("latency", "fast"): "--latency fast is no number with a unit; units of latency are s, ms, us.",
        ("mm2", "-4"): "--mm2 -4 must be above 0.",
        ("accuracy", "98"): "--accuracy 98 is more than all; give a share up to 1, as 0.98 or 98%.",
        ("fps", "other=30"): "--fps other=30 is for a network 'other' that is not there; name one of one.",
    }
    for (name, text), sentence in refused.items():
        with pytest.raises(LithifyError, match="^" + re.escape(sentence) + "$"):
            budget(name, text, ["one"])


def a_point(number: int, mm2: float, latency: float, joules: float, **more: Any) -> Point:
    runs = (NetworkRan("net", 1, latency, joules, 0, 0.5, "array"),)
    return Point(number, {}, load_chip("tiny"), 1, mm2, latency, joules, **{"runs": runs, **more})


def test_front_by_hand() -> None:
    points = [a_point(0, 4, 2, 2), a_point(1, 3, 3, 3), a_point(2, 4, 3, 3), a_point(3, 1, 9, 9), a_point(4, 3, 3, 3)]
    points.append(replace(a_point(5, 0.1, 0.1, 0.1), bound="not compiled"))
    assert [point.number for point in front(points)] == [3, 1, 0]
    # Below (5, 5, 5): the boxes of (4, 2, 2), 9, and (3, 3, 3), 8, share 1 x 2 x 2 = 4.
    assert volume([(4, 2, 2)], (5, 5, 5)) == 9 and volume([(3, 3, 3)], (5, 5, 5)) == 8
    assert volume([(4, 2, 2), (3, 3, 3), (4, 4, 4), (6, 1, 1)], (5, 5, 5)) == 13


def test_choice_and_binding_by_hand() -> None:
    points = [a_point(0, 4, 0.02, 2), a_point(1, 3, 0.05, 3), a_point(2, 8, 0.01, 1)]
    accuracies = {"net": 0.9}

    def judge(**limits: str) -> Judge:
        return Judge(tuple(budget(name, text) for name, text in limits.items()), accuracies)

    # Nothing asked: least product, 0.16, 0.45 and 0.08. At 40 a second, 25 ms: of area and energy, 8 and 8: the first.
    assert chosen(points, judge()) == points[2] and chosen(points, judge(fps="40")) == points[0]
    assert chosen(points, judge(fps="40", mm2="4")) == points[0] and chosen(points, judge(mm2="3.5")) == points[1]
    none = judge(fps="100", mm2="5")
    assert chosen(points, none) is None
    best, binding = closest(points, none)
    # Point 2 has 8 of 5 mm2, 60 % too much; point 0 50 of 100 a second, 100 %.
    assert best == points[2] and [entry.budget.quantity.name for entry in binding] == ["mm2"]
    assert binding[0].alone == points[2] and binding[0].alone_reached == 8
    both = closest(points, judge(fps="1000", mm2="2"))
    assert both[0] == points[2] and [entry.budget.quantity.name for entry in both[1]] == ["fps", "mm2"]
    assert all(entry.alone is None for entry in both[1])
    assert [(entry.most, entry.most_reached) for entry in both[1]] == [(points[2], 100), (points[1], 3)]
    assert both[1][1].text == (
        "area <= 2.00 mm2 is missed: the closest point has 8.00 mm2, and whatever the other budgets 3.00 mm2 is the "
        "best found (point 1)."
    )
    # 2 J at the 40 a second that are asked for, 50 a second that it makes where nothing is asked, or more is.
    watts = [judge(**limits).milliwatts(points[0]) for limits in ({"fps": "40"}, {}, {"fps": "60"})]
    assert watts == pytest.approx([80_000, 100_000, 100_000])
    assert not judge(accuracy="0.95").meets(points[0]) and judge(accuracy="0.9").meets(points[0])


def test_space() -> None:
    whole = space({}, 200_000_000, 1e9, ("add",), True)
    chip = whole.chip({**{p.name: p.values[-1] for p in PARAMETERS}})
    assert (chip.rows, chip.columns, chip.lanes, chip.vector_lanes) == (64, 256, 8, 8)
    assert chip.words <= 65536 and chip.dram_bytes_per_cycle == 5 and chip.units == ("add",)
    least = whole.chip({p.name: p.values[0] for p in PARAMETERS})
    assert (least.rows, least.bus_bytes, least.dram_bytes_per_cycle, least.vector_lanes) == (4, 4, 4, 0)
    tiny = load_chip("tiny")
    kept = ("rows", "columns", "accumulators", "lanes", "scratchpad_bytes", "bus_bytes", "queue_depth")
    near = whole.chip(whole.values(tiny))
    assert all(getattr(near, name) == getattr(tiny, name) for name in kept)
    assert all(sum(a != b for a, b in zip(other.values(), whole.values(tiny).values(), strict=True)) == 1
               for other in whole.near(whole.values(tiny)))  # fmt: skip
    assert space({}, 200_000_000, 1e9, (), False).parameters[-1].values == (0,)
    for vary, sentence in (
        ({"width": (8,)}, "There is no parameter 'width' to vary; the parameters are rows, "),
        ({"rows": (7,)}, "No chip has rows = 7; it is one of 4, 8, 16, 32, 64, 128."),
        ({"accumulators": (4, 1000)}, "No chip has accumulators = 1000: input should be less than or equal to 128."),
    ):
        with pytest.raises(LithifyError, match="^" + re.escape(sentence)):
            space(vary, 200_000_000, 1e9, (), True)


def search(network: Path, **more: Any) -> Exploration:
    return lithify.explore(network, **{"vary": SMALL, "points": 16, **more})


def figures(found: Exploration) -> list[tuple[Any, ...]]:
    return [(point.number, point.chip, [run.cycles for run in point.runs], point.joules) for point in found.points]


@pytest.fixture(scope="module")
def found(network: Path) -> Exploration:
    return search(network)


def test_points_are_what_the_compiler_makes(found: Exploration) -> None:
    assert found.counts()["points"] == len({point.chip for point in found.points}) == 16
    point = found.chosen
    assert point is not None and found.best == point and point in found.front
    program = lithify.compile(found.sources[0].quantized, point.chip)
    assert point.runs[0].cycles == program.simulate().cycles and point.runs[0].host == program.host_nodes
    assert point.mm2 == area(point.chip).mm2
    least = bounded(0, {}, point.chip, [found.sources[0].workload], "")
    for other in found.points:
        least = bounded(0, {}, other.chip, [found.sources[0].workload], "")
        assert not other.compiled or (least.latency < other.latency and least.joules < other.joules)


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_stopped(found: Exploration, network: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.log"
    seen: list[Point] = []

    def stop(point: Point) -> None:
        seen.append(point)
        if len(seen) == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(network, study=study, found=stop)
    computed: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        compiled = evaluating.compiled
        patch.setattr(evaluating, "compiled", lambda work, chip: computed.append(1) or compiled(work, chip))
        again = search(network, study=study)
    assert figures(again) == figures(found)
    assert not computed, "the second batch had been computed whole before it was told"
    with pytest.raises(LithifyError, match="is of another search"):
        search(network, study=study, seed=1)


@pytest.mark.slow
def test_bounds_settle_what_cannot_be_better(found: Exploration, network: Path) -> None:
    limit = min(point.mm2 for point in found.points) * 1.2
    bounds = search(network, budgets={"mm2": f"{limit}"})
    settled = [point for point in bounds.points if point.bound]
    assert settled and all(point.mm2 > limit or "better whatever" in point.bound for point in settled)
    assert bounds.chosen is not None and bounds.chosen.mm2 <= limit
    assert not any(point in bounds.front for point in settled)


def test_a_clock_that_the_process_does_not_allow_is_said(network: Path) -> None:
    fast = lithify.explore(network, vary=SMALL, points=2, clock_hz=400_000_000)
    assert fast.best is not None
    assert fast.sentences()[0] == (
        f"The clock of 400 MHz is more than the 244 MHz at which point {fast.best.number} closes on IHP SG13G2 "
        "(modelled; slowest: lanes and control)."
    )


def test_a_network_that_no_chip_takes() -> None:
    tight = {**SMALL, "scratchpad_banks": (5,), "bank_words": (4,), "rows": (64,), "accumulators": (2,)}
    none = lithify.explore(CNN, vary=tight, points=4)
    assert none.best is None and none.front == [] and none.counts()["do_not_fit"] == none.counts()["points"] > 0
    assert "too small" in none.sentences()[-1]


def test_the_command(run: Callable[..., Ran], network: Path, tmp_path: Path) -> None:
    folder, page = tmp_path / "out", tmp_path / "page.html"
    vary = [word for name, values in SMALL.items() for word in ("--vary", f"{name}={','.join(map(str, values))}")]
    words = ("explore", network, *vary, "--points", 4, "--jobs", 1, "--rtl", "none", "-o", folder)
    ran = run(*words, "--mm2", 9, "--latency", "50ms", "--html", page, "--json")
    assert ran.status == 0, ran.err
    told = json.loads(ran.out)
    assert told["met"] and told["promise"]["kept"] and told["chosen"]["mm2"] <= 9
    chip = load_chip(folder / "chip.toml")
    assert chip.model_dump(mode="json", by_alias=True) == told["chosen"]["chip"]
    program = lithify.Program.load(folder / "digits.lith", chip=chip)
    assert program.simulate().cycles == told["chosen"]["networks"][0]["cycles"]
    assert json.loads((folder / "explore.json").read_text(encoding="utf-8"))["promise"]["kept"]
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3 and not set(re.findall(r'(?:src|href)="(?!#)([^"]+)"', text))
    missed = run(*words, "--mm2", 2, "--fps", "1kHz", "--latency", 1)
    assert missed.status == 1 and "MISSED" in missed.out
    assert "--latency 1 has no unit and is taken for 1 ms" in missed.out
    assert "No chip that was tried is within all budgets; point " in missed.out
    assert "area <= 2.00 mm2 is missed: the closest point has " in missed.out
    refused = run(*words, "--accuracy", "0.9")
    assert refused.status == 1 and "without samples that have labels" in refused.err
    assert run(*words, "--vary", "rows=a").status == 2


def test_a_broken_promise_is_told(found: Exploration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object, **named: object) -> None:
        raise LithifyError("The simulated chip reports an error: two units met in one bank.")

    monkeypatch.setattr(promise, "verify", fails)
    monkeypatch.setattr(promise, "ran", lambda *given: replace(found.best.runs[0], cycles=1))  # type: ignore[union-attr]
    broken = promise.keep(found, tmp_path / "out")
    assert broken is not None and not broken.kept and (tmp_path / "out" / "chip.toml").exists()
    missed = {check.what: check.found for check in broken.checks if check.kept is False}
    assert missed == {
        "cycles of digits": "1 cycles",
        "digits in RTL": "The simulated chip reports an error: two units met in one bank.",
    }


@pytest.mark.slow
def test_the_front_is_as_good_as_the_whole_grid(network: Path) -> None:
    whole = search(network, points=1000)
    assert whole.counts()["points"] == whole.space.size == 64
    works = [whole.sources[0].workload]
    grid = [evaluate(at, values, whole.space.chip(values), works, {}) for at, values in enumerate(whole.space.all())]
    assert {point.numbers for point in whole.front} == {point.numbers for point in front(grid)}
    # Of half the points the front fills nearly as much.
    worst = tuple(1.1 * max(point.numbers[axis] for point in grid) for axis in range(3))
    filled = volume((point.numbers for point in grid), worst)
    assert volume((point.numbers for point in search(network, points=32).front), worst) >= 0.97 * filled
    genetic = search(network, points=32, sampler="nsga2")
    assert volume((point.numbers for point in genetic.front), worst) >= 0.97 * filled


@pytest.mark.slow
def test_processes_find_the_same(found: Exploration, network: Path) -> None:
    assert figures(search(network, jobs=2)) == figures(found)


@pytest.mark.slow
def test_one_chip_for_two_networks(network: Path) -> None:
    both = lithify.explore(network, CNN, vary=SMALL, points=12, budgets={"latency": ["digits=10ms", "digits_cnn=20ms"]})
    assert both.networks == ("digits", "digits_cnn")
    point = both.chosen
    assert point is not None and [run.network for run in point.runs] == list(both.networks)
    assert point.latency == sum(run.latency for run in point.runs)
    # What either of them needs is built.
    assert set(point.chip.units) == set(both.sources[0].workload.units) | set(both.sources[1].workload.units)


@pytest.mark.slow
def test_the_promise_in_rtl(run: Callable[..., Ran], network: Path, tmp_path: Path) -> None:
    smallest = {**SMALL, "rows": (8,), "accumulators": (8,), "bank_words": (256,), "scratchpad_banks": (6,)}
    vary = [word for name, values in smallest.items() for word in ("--vary", f"{name}={values[0]}")]
    data = ("--data", EXAMPLES / "digits.npz", "--accuracy", "0.9")
    ran = run("explore", network, *vary, *data, "--points", 1, "--jobs", 1, "-o", tmp_path / "out", "--json")
    assert ran.status == 0, ran.err
    checks = {check["what"]: check for check in json.loads(ran.out)["promise"]["checks"]}
    assert checks["digits in RTL"]["kept"] is True and " 0 of " in checks["digits in RTL"]["found"]
    assert checks["accuracy of digits"]["kept"] is True and checks["area"]["kept"] is None
