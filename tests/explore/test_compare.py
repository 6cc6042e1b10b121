"""Comparisons: formulas by hand-worked cases, the file of published figures, a small network as a whole."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from tests.conftest import Ran

import lithify
from lithify import LithifyError
from lithify.chip import load_chip
from lithify.doctor import Finding
from lithify.explore.compare import processor
from lithify.explore.compare.compare import COLUMNS, Comparison, Contender, _accuracies, _gained, _of_others
from lithify.explore.compare.published import Published, entries, standard_name
from lithify.explore.compare.speedup import amdahl, amdahl_limit, beta, gamma, operations_per_cycle
from lithify.explore.figure import HOW, MEASURED, Figure
from lithify.explore.plots import comparison_page
from lithify.explore.terminal import MARKS, si
from lithify.networks import NETWORKS
from lithify.program import Program
from lithify.progress import Silent
from lithify.report import Accuracy

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "LEAST_SECONDS", 0.01)


@pytest.fixture(scope="module")
def found() -> Comparison:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor, "LEAST_SECONDS", 0.01)
        patch.setattr(processor, "cpu_clock_hz", lambda: 2e9)
        return lithify.compare(
            EXAMPLES / "digits_cnn.onnx", ("tiny",), data=EXAMPLES / "digits.npz", cpu_watts=20.0
        )  # fmt: skip


def test_formulas() -> None:
    # Amdahl, 1967: of a program of which 95 % can be made faster no machine makes it more than 20 times faster.
    assert amdahl(0.95, inf) == pytest.approx(20)
    assert amdahl_limit(100.0, 5.0) == 20 and amdahl_limit(1.0, 0.0) == inf
    # Hennessy and Patterson, Computer Architecture, section 1.9: 40 % of the time made 10 times faster gives 1.5625.
    assert amdahl(0.4, 10) == pytest.approx(1.5625)
    # A network of 8 operations: 4 s at 1 Hz, 2 operations a cycle, against 1 s at 0.5 Hz, 16 a cycle.
    original, chip = operations_per_cycle(8, 4, 1), operations_per_cycle(8, 1, 0.5)
    assert (original, chip, gamma(original, chip), beta(4, 1)) == (2, 16, 8, 4)
    assert beta(4, 1) == gamma(original, chip) * 0.5 / 1


def test_published_figures() -> None:
    for entry in entries():
        stated = (entry.latency_ms, entry.per_second, entry.cycles)
        assert sum(value is not None for value in stated) == 1 and entry.seconds > 0, entry.system
        assert entry.network in NETWORKS and entry.source and 2010 <= entry.year <= 2030
        assert (entry.cycles is None) or entry.clock_hz
    assert {"processor", "accelerator", "fpga", "simulator"} <= {entry.kind for entry in entries()}
    nvdla = next(entry for entry in entries() if entry.per_second == 46)
    # 256 multipliers at 1 GHz: 512 billion operations a second; 46 frames of 8.18 billion are 73 % of them.
    assert nvdla.peak == 512e9 and nvdla.seconds == 1 / 46
    assert Published("x", "fpga", "resnet8", 2020, "y", cycles=200, clock_hz=100.0).seconds == 2


def test_networks_are_known_by_their_size() -> None:
    for name in ("resnet50", "mobilenet_v2", "resnet8"):
        network = NETWORKS[name]
        assert standard_name(network.macs, network.parameters) == name
    assert standard_name(NETWORKS["resnet50"].macs, 1000) is None


def test_every_figure_follows_from_the_others(found: Comparison) -> None:
    assert found.standard is None
    kinds = [row.kind for row in found.rows]
    assert kinds.count("chip") == 1 and kinds[0] == "processor" and "float32" in found.original.name
    for row in found.rows:
        value = {name: figure.value for name, figure in row.figures.items()}
        assert value["per_second"] == 1 / value["latency"]
        assert value["operations_per_s"] == found.operations / value["latency"]
        assert value["beta"] == found.original.figures["latency"].value / value["latency"]
        assert row.clock_hz is not None and found.original.clock_hz == 2e9
        assert value["beta"] == pytest.approx(value["gamma"] * row.clock_hz / 2e9)
        assert value["per_joule"] == pytest.approx(1 / value["energy"]) and 0.9 < value["accuracy"] <= 1
        assert value["clock"] == row.clock_hz and value["operations_per_cycle"] * row.clock_hz == pytest.approx(
            value["operations_per_s"]
        )
        assert all(figure.how in HOW and figure.source for figure in row.figures.values())
    chip = found.rows[-1]
    program = lithify.compile(
        lithify.quantize(lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx")), EXAMPLES / "digits.npz"), "tiny"
    )
    cycles = program.simulate().cycles
    host = chip.figures["host_seconds"].value
    assert chip.figures["latency"].value == cycles / program.chip.clock_hz + host
    assert f"{cycles:,} cycles" in chip.figures["latency"].source and "Softmax" in chip.note
    assert chip.figures["amdahl_limit"].value == found.original.figures["latency"].value / host
    # What the host draws for its Softmax is in the chip's energy.
    assert chip.figures["energy"].value > 20 * host and "20 W while the host computes" in chip.figures["energy"].source
    watts = found.original.figures["energy"]
    assert watts.value == 20 * found.original.figures["latency"].value and watts.how == "given"


def test_published_rows_stand_beside_a_standard_network() -> None:
    rows = lithify.compare("resnet8", ("tiny",)).rows
    (other,) = [row for row in rows if row.kind == "fpga"]
    assert other.figures["latency"].how == "published" and "MLPerf Tiny" in other.figures["latency"].source
    assert other.figures["beta"].value == rows[0].figures["latency"].value * 661


def test_alpha_is_that_of_published_training() -> None:
    entry = next(entry for entry in entries() if entry.system == "NVIDIA V100 16 GB, mixed precision")
    original = Contender("here", "processor", {"latency": Figure(0.05, MEASURED, "clock")})
    row = _gained(_of_others(entry, 8_000_000_000), original)
    # A step here is three inferences, 150 ms; there 1,200 are done in a second: 180 times.
    assert row.figures["alpha"].value == pytest.approx(180) and row.figures["alpha"].how == "modelled"
    assert "1200 images a second in training" in row.figures["alpha"].source
    assert row.figures["beta"].value == pytest.approx(0.05 / 0.01278)
    assert "alpha" not in _gained(_of_others(replace(entry, training_per_second=None), 1), original).figures


def test_chips_that_leave_other_operators_to_the_host_are_judged_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def measure(model: object, quantized: object, program: Program, *more: object) -> Accuracy:
        judged.append(program.chip.name)
        return Accuracy(chip=len(judged) / 10)

    monkeypatch.setattr("lithify.accuracy.measure", measure)
    tiny = load_chip("tiny")
    same = tiny.model_copy(update={"name": "same", "queue_depth": 2})
    less = tiny.model_copy(update={"name": "less", "units": tuple(unit for unit in tiny.units if unit != "max_pool")})
    model = lithify.quantize(lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx")))
    programs = [lithify.compile(model, chip) for chip in (tiny, same, less)]
    assert programs[2].host_nodes != programs[0].host_nodes
    samples, found = _accuracies(model, model, programs, EXAMPLES / "digits.npz", Silent())
    assert samples is not None and judged == ["tiny", "less"] and [one.chip for one in found] == [0.1, 0.1, 0.2]
    assert _accuracies(model, model, programs, None, Silent()) == (None, [Accuracy()] * 3)


def test_the_page(found: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    page = comparison_page(found)
    titles = [title for name, (title, _) in COLUMNS.items() if sum(name in row.figures for row in found.rows) > 1]
    assert page.count("<svg") == len(titles) and all(f"<h2>{title}</h2>" in page for title in titles)
    assert page.count("<tr>") == 2 * (1 + len(found.rows))
    outside = set(re.findall(r'(?:src|href)="(?!#)([^"]+)"', page))
    assert not outside, "the page must open without a network"
    assert comparison_page(found) == page
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(LithifyError, match=r"pip install 'lithify\[plots\]'"):
        comparison_page(found)


def test_the_command(run: Callable[..., Ran], tmp_path: Path) -> None:
    words = ("compare", EXAMPLES / "digits_cnn.onnx", "--chip", "tiny", "--html", tmp_path / "page.html")
    ran = run(*words, "--json")
    assert ran.status == 0, ran.err
    rows = json.loads(ran.out)["rows"]
    assert rows[-1]["figures"]["latency"]["how"] == "simulated" and (tmp_path / "page.html").stat().st_size > 10_000
    assert "energy" not in rows[0]["figures"] or rows[0]["figures"]["energy"]["how"] == "measured"
    text = run(*words[:4]).out
    assert "tiny (64)" in text and "simulated: cycles of the timing simulator" in text
    refused = run(*words[:4], "--cpu-watts", "0")
    assert refused.status == 1 and refused.out == ""
    assert refused.err == "Error: The processor's power was given as 0.0 W; it must be above 0.\n"


def test_an_accelerator_that_cannot_be_measured_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Finding("accelerators", "NVIDIA H200", True, "driver 1", "140 GB"),
        Finding("accelerators", "TPU", True, "", "/dev/accel0"),
        Finding("accelerators", "AMD GPU", False, "", "comparisons"),
        Finding("processors", "CPU", True, "", ""),
    ]
    monkeypatch.setattr("lithify.doctor.doctor", lambda: found)
    assert processor.unmeasured() == (
        "NVIDIA H200 (pip install onnxruntime-gpu)",
        "TPU (no provider of ONNX Runtime that is known here takes it)",
    )
    monkeypatch.setattr(processor, "processors", lambda: {processor.CPU: "x", "CUDAExecutionProvider": "GPU (CUDA)"})
    assert len(processor.unmeasured()) == 1


def test_numbers() -> None:
    assert Figure(inf, MEASURED).to_json() == {"value": None, "how": "measured", "source": ""}
    assert [si(value, "s") for value in (0.00123, 45.6, 7.0e-6, 0)] == ["1.23 ms", "45.6 s", "7.00 us", "0.000 ns"]
    assert [si(value, "") for value in (1234.5, 9.87e10)] == ["1.23 k", "98.7 G"]
    assert len(set(MARKS.values())) == len(HOW) == len(MARKS)
