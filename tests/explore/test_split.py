"""The best cut against all cuts, frames against a queue that is played out, and a small network as a whole."""

import itertools
import json
import random
import sys
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest
from tests.conftest import Ran

import lithify
from lithify import LithifyError
from lithify.explore.compare import processor
from lithify.explore.split import split as splitting
from lithify.explore.split.cut import Crossing, Unit, best_cut, reasons, seconds_of, stretches
from lithify.explore.split.found import verdict
from lithify.explore.split.handover import Handover, handover
from lithify.explore.split.realtime import on_way, real_time

DIGITS = Path(__file__).parents[2] / "examples" / "digits_cnn.onnx"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "LEAST_SECONDS", 0.01)


def cheapest(units: list[Unit], crossings: list[Crossing]) -> float:
    """By trying all."""
    return min(
        seconds_of(units, crossings, where) for where in itertools.product((False, True), repeat=len(units))
    )  # fmt: skip


def test_a_cut_by_hand() -> None:
    units = [Unit("a", ("a",), 1.0, 5.0), Unit("b", ("b",), inf, 1.0, "no unit"), Unit("c", ("c",), 1.0, 3.0)]
    crossings = [
        Crossing("in", None, (0,), 0.5),
        Crossing("ab", 0, (1,), 0.5),
        Crossing("bc", 1, (2,), 0.5),
        Crossing("out", 2, (), 1.0, wanted=True),
    ]
    # a on the chip: 1 + 0.5 in + 0.5 out of it, for 5; c would be 1 + 0.5 + 1 for 3: it goes too. 1 + 1 + 1 + 2.5.
    assert best_cut(units, crossings) == (True, False, True)
    assert seconds_of(units, crossings, (True, False, True)) == 5.5 == cheapest(units, crossings)
    # With a dearer way out c stays, although the chip is faster.
    dear = [*crossings[:3], Crossing("out", 2, (), 2.0, wanted=True)]
    assert best_cut(units, dear) == (True, False, False)
    why = reasons(units, dear, (True, False, False))
    assert why["a"] == "faster here by 4e+03 ms" and why["b"] == "no unit"
    assert why["c"] == "the chip would be faster by 2e+03 ms, and crossing cost more: 500 ms in all"
    assert stretches((True, False, False)) == ((0, 0), (1, 2))


def test_a_tensor_crosses_once_however_many_read_it() -> None:
    units = [Unit("a", ("a",), 9.0, 1.0), *(Unit(name, (name,), 1.0, 2.0) for name in "bcd")]
    crossings = [Crossing("ab", 0, (1, 2, 3), 2.5)]
    # Three times a second gained for one crossing of 2.5: taken; for one reader it would not be.
    assert best_cut(units, crossings) == (False, True, True, True)
    assert best_cut(units[:2], [Crossing("ab", 0, (1,), 2.5)]) == (False, False)


def test_the_cut_is_the_best_of_all() -> None:
    draw = random.Random(5)
    for _ in range(60):
        count = draw.randint(2, 8)
        units = [
            Unit(
                str(n), (str(n),), inf if draw.random() < 0.2 else draw.uniform(0, 5) * 1e-4, draw.uniform(0, 9) * 1e-4
            )
            for n in range(count)
        ]
        crossings = [Crossing("in", None, (0,), draw.uniform(0, 2) * 1e-4)]
        for n in range(count):
            readers = tuple(sorted(draw.sample(range(n + 1, count), draw.randint(0, count - n - 1))))
            crossings.append(Crossing(f"t{n}", n, readers, draw.uniform(0, 3) * 1e-4, 0, draw.random() < 0.3))
        # Whole picoseconds are cut: half of one for each of some thirty numbers.
        assert seconds_of(units, crossings, best_cut(units, crossings)) == pytest.approx(
            cheapest(units, crossings), abs=1e-10
        )


def test_what_no_cut_can_be_found_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LithifyError, match="'a' can run neither on the chip nor on the processor"):
        best_cut([Unit("a", ("a",), inf, inf)], [])
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(LithifyError, match=r"pip install 'lithify\[split\]'"):
        best_cut([Unit("a", ("a",), 1.0, 1.0)], [])


def test_frames_by_hand() -> None:
    # 10 frames/s in fours, 50 ms each: a batch gathers in 400 ms and takes 200. The first waits 300 and is served.
    frames = real_time(10, 4, 0.05)
    assert frames.utilisation == pytest.approx(0.5) and frames.worst_s == pytest.approx(0.5)
    assert frames.deadline_s == pytest.approx(0.4) and frames.first_late == 0 and frames.most_fps == pytest.approx(20)
    # Of the four the first is late (500 > 400), the second just in time.
    assert real_time(10, 4, 0.05, 0.401).late == 0.25
    # One by one nobody waits: 50 ms, due after 100; and two at once would be due after 200: 100 + 100.
    alone = real_time(10, 1, 0.05)
    assert alone.worst_s == pytest.approx(0.05) and alone.first_late is None and alone.late == 0
    assert alone.most_batch == 2
    # 30 frames/s at 40 ms: each starts 6.67 ms later; due after 66.7 ms, 40 + 6.67 n > 66.7 from n = 5 at the latest.
    grows = real_time(30, 1, 0.04, 0.066)
    assert grows.worst_s == inf and grows.late == 1 and grows.first_late == 4
    assert grows.to_json()["worst_s"] is None and grows.most_batch is None


def test_frames_as_played_out() -> None:
    """A server, frame by frame, against the formulas."""
    draw = random.Random(1)
    for _ in range(200):
        fps, batch = draw.choice((10.0, 25.0, 30.0, 60.0)), draw.randint(1, 6)
        one, call = draw.uniform(0.001, 0.06), draw.choice((0.0, 0.002))
        deadline = draw.choice((None, 0.05, 0.1, 0.3))
        frames = real_time(fps, batch, one, deadline, call)
        free, waits = 0.0, []
        for first in range(0, 100 * batch, batch):
            free = max(free, (first + batch - 1) / fps) + frames.service_s
            waits += [free - (first + place) / fps for place in range(batch)]
        assert waits == pytest.approx([on_way(k, batch, 1 / fps, frames.service_s) for k in range(len(waits))])
        late = [k for k, wait in enumerate(waits) if wait > frames.deadline_s + 1e-12]
        if frames.first_late is None or frames.first_late >= len(waits):
            assert not late
        else:
            assert late[0] == frames.first_late
        fit = [
            b for b in range(1, 300)
            if call + b * one <= b / fps + 1e-12
            and (b - 1) / fps + call + b * one <= (b / fps if deadline is None else deadline) + 1e-12
        ]  # fmt: skip
        assert frames.most_batch == max(fit, default=None)


def test_handing_over_takes_time() -> None:
    found = handover()
    assert found.call_s > 0 and found.number_s >= 0 and found.converted(1000) >= found.conversion_s >= 0


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor on which every operator takes a millisecond, the Softmax ten, and the whole 30."""
    model = lithify.optimize(lithify.load(DIGITS))
    nodes = {str(node.name): 1e-3 for node in model.graph}
    nodes |= {str(node.name): 1e-2 for node in model.graph if node.op_type == "Softmax"}
    monkeypatch.setattr(splitting.processor, "profiled", lambda *_: (0.03, nodes))
    monkeypatch.setattr(splitting, "handover", lambda: Handover(1e-6, 1e-9, 1e-6))


@pytest.mark.usefixtures("fixed")
def test_a_network_as_a_whole() -> None:
    found = lithify.split(DIGITS, "tiny", fps=30, batch=2, deadline_s=0.1)
    cpu, every, best = found.ways
    assert not any(cpu.on_chip) and cpu.seconds.value == 0.03
    # The chip has no unit for the Softmax; all else is faster there.
    assert [unit.name for unit, there in zip(found.units, best.on_chip, strict=True) if not there] == [
        unit.name for unit in found.units if unit.chip_s == inf
    ]
    assert best.on_chip == every.on_chip and best.ran is not None and "cycles simulated" in best.ran.source
    assert best.seconds.value == pytest.approx(cheapest(list(found.units), list(found.crossings)), rel=1e-9)
    program = lithify.compile(lithify.quantize(lithify.optimize(lithify.load(DIGITS))), "tiny")
    cycles = program.simulate().cycles
    chip = sum(unit.chip_s for unit in found.units if unit.chip_s != inf)
    assert chip == pytest.approx(cycles / program.chip.clock_hz) and f"{cycles:,} cycles" in best.ran.source
    named = [name for unit in found.units for name in unit.members]
    assert sorted(named) == sorted(str(node.name) for node in lithify.optimize(lithify.load(DIGITS)).graph)
    assert found.frames is not None and found.frames.first_late is None and "none is late" in verdict(found)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {row["on"] for row in told["units"]} == {"chip", "processor"} and len(told["crossing"]) == 2


@pytest.mark.usefixtures("fixed")
def test_a_slow_link_keeps_all_on_the_processor() -> None:
    found = lithify.split(DIGITS, "tiny", bytes_per_s=1e3)
    assert not any(found.best.on_chip) and verdict(found).startswith("All on the processor is fastest: 30 ms")
    assert set(found.why.values()) == {"all in one call of the processor takes least", "the chip has no unit for it"}


@pytest.mark.usefixtures("fixed")
def test_a_cut_inside_is_compiled_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    every = lithify.split(DIGITS, "tiny")
    # What costs the chip most costs the processor nothing, and nothing costs the link anything.
    largest = max((unit for unit in every.units if unit.chip_s != inf), key=lambda unit: unit.chip_s)
    nodes = {name: 0.0 if unit is largest else 1e-3 for unit in every.units for name in unit.members}
    monkeypatch.setattr(splitting.processor, "profiled", lambda *_: (0.03, nodes))
    monkeypatch.setattr(splitting, "handover", lambda: Handover(0.0, 0.0, 0.0))
    found = lithify.split(DIGITS, "tiny", call_s=0.0, bytes_per_s=1e12)
    where = dict(zip((unit.name for unit in found.units), found.best.on_chip, strict=True))
    assert [name for name, there in where.items() if not there] == sorted(
        [largest.name, *(unit.name for unit in found.units if unit.chip_s == inf)], key=list(where).index
    )
    best, others = found.best, found.ways[1]
    assert best.ran is not None and others.ran is not None
    cycles = [int(way.ran.source.split()[0].replace(",", "")) for way in (best, others) if way.ran is not None]
    assert cycles[0] < cycles[1], "the chip has less to do than with all of it"


def test_the_command(run: Callable[..., Ran]) -> None:
    words = ("split", DIGITS, "--chip", "tiny")
    ran = run(*words, "--slower", "50", "--bandwidth", "100MB/s", "--link-latency", "20us", "--fps", "30")
    assert ran.status == 0, ran.err
    assert "the best cut" in ran.out and "30 frames/s in batches of 1" in ran.out and "given" in ran.out
    told = json.loads(run(*words, "--json").out)
    assert told["link"] == {"bytes_per_s": 1e9, "call_s": 1e-5, "how": "assumed"} and told["frames"] is None
    for more, said in (
        (("--bandwidth", "5"), "--bandwidth was given as '5', without a unit; write it as in 1GB/s or 100Mbit/s."),
        (("--batch", "2"), "--batch and --deadline are of frames that come at a rate; give --fps too."),
        (("--host", "gpu"), "ONNX Runtime can use no GPU here; install the build for it, or leave --host out."),
    ):
        refused = run(*words, *more)
        assert (refused.status, refused.out, refused.err) == (1, "", f"Error: {said}\n")


def test_a_quantised_model_is_not_cut() -> None:
    model = lithify.quantize(lithify.optimize(lithify.load(DIGITS)))
    with pytest.raises(LithifyError, match="is quantised already, and what stays on the processor of a cut computes"):
        lithify.split(model, "tiny")


def test_numbers_that_cannot_be() -> None:
    for name, more in (
        ("bandwidth", {"bytes_per_s": 0.0}),
        ("frame rate", {"fps": -1.0}),
        ("deadline", {"deadline_s": inf}),
        ("slowness", {"slower": 0.0}),
    ):
        with pytest.raises(LithifyError, match=f"The {name} was given as .*; it must be above 0"):
            lithify.split(DIGITS, "tiny", **more)
    with pytest.raises(LithifyError, match="There is no host 'tpu'"):
        lithify.split(DIGITS, "tiny", host="tpu")
