"""The example networks: small, accurate, and the same bits in ONNX Runtime and by the definitions."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.quantize.judge import by_reference, session

from compiler.test_rows import WITH_UNIT
from lithify.chip import write_chip
from lithify.frontend import load
from lithify.optimize import optimize
from lithify.quantize import inputs_of, quantize, read, read_data

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = EXAMPLES / "digits.npz"
NETWORKS = ("cnn", "resnet8", "mobilenet")
LEAST_ACCURACY = 0.97


def test_all_files_together_are_small() -> None:
    assert sum(path.stat().st_size for path in EXAMPLES.iterdir() if path.is_file()) < 2_000_000


def test_calibration_images_are_not_test_images() -> None:
    arrays = np.load(DATA)
    for size in ("28", "32"):
        test = {image.tobytes() for image in arrays[f"images_{size}"]}
        assert len(test) > 350
        assert not any(image.tobytes() in test for image in arrays[f"calibration_{size}"])


@pytest.mark.parametrize("name", NETWORKS)
def test_accuracy_and_bits(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = load(EXAMPLES / f"digits_{name}.onnx")
    quantized = quantize(optimize(model), DATA)
    graph = read(quantized)
    data = read_data(DATA, inputs_of(model))
    assert data.labels is not None and len(data) == len(data.labels) == 360
    assert {node.operator for node in graph.nodes} <= {
        "Quantize", "Conv", "MaxPool", "Add", "GlobalAveragePool", "Reshape", "Gemm", "Dequantize", "Host",
    }  # fmt: skip
    assert [node.attributes["operators"] for node in graph.nodes if node.operator == "Host"] == [("Softmax",)]
    float_session, int8_session = session(model), session(quantized)
    right = {"float": 0, "int8": 0}
    different = 0
    for index, label in enumerate(data.labels):
        (ours,) = by_reference(graph, data[index])
        (theirs,) = int8_session.run(None, data[index])
        (real,) = float_session.run(None, data[index])
        right["float"] += int(real.argmax() == label)
        right["int8"] += int(ours.argmax() == label)
        different += int((ours != theirs).sum())
    with capsys.disabled():
        rates = ", ".join(f"{kind} {count / len(data):.4f}" for kind, count in right.items())
        print(f"\n{name}: {rates}; {different} of {10 * len(data)} outputs differ from ONNX Runtime")
    assert right["float"] >= LEAST_ACCURACY * len(data)
    assert right["int8"] >= LEAST_ACCURACY * len(data)
    # Residual additions may differ from ONNX Runtime by a step in a few of a million outputs (the numbers contract).
    assert different <= (36 if name == "resnet8" else 0)


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_tokens_are_written_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example compares every step with the reference, and the last in RTL."""
    decode, chip = example("decode", monkeypatch), tmp_path / "chip.toml"
    chip.write_text(write_chip(WITH_UNIT["tiny"]), encoding="utf-8")
    decode.main(["--steps", "16", "--rtl", "2", "--chip", str(chip)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[0] for row in rows] == [str(position) for position in range(16)]
    # Up to 8 rows, and up to 16: two lengths of four.
    assert len({row[2] for row in rows[:8]}) == len({row[2] for row in rows[8:]}) == 1 < len({row[2] for row in rows})


def printed(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines that an example prints."""
    example(name, monkeypatch).main(*words)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("device", ["sim", "timing", "/device:ASIC:0"])
def test_a_session(device: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    *_, takes, first, second, refused = printed("session", monkeypatch, capsys, device)
    labels = np.load(DATA)["labels"]
    assert takes.startswith("takes input (1, 1, 28, 28) tensor(float), gives probabilities (1, 10)")
    assert first == f"the digit is a {labels[0]}" and second.startswith(f"the next one a {labels[1]}, after ")
    assert ("uncounted" in second) == (device != "timing")
    assert refused.startswith("Input 'input' was given as float32 of shape (1, 1, 5, 28)")


def test_several_devices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, failed, answered = printed("several_devices", monkeypatch, capsys)
    assert failed == "failed: {'sim:2': 'the cable is out'}; moved to other chips: 1"
    assert answered.startswith("answered: 120 of 120; left: ")


@pytest.mark.slow
def test_a_driver(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    *_, loaded, hung, network = printed("driver", monkeypatch, capsys)
    assert loaded.startswith("4 KB loaded: {'CYCLES': ") and "had not finished after 0.5 seconds; it was reset" in hung
    assert network.endswith("cycles, as predicted")


@pytest.mark.slow
def test_a_cluster(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed("cluster", monkeypatch, capsys)
    data, stages, shared = (float(line.partition(": ")[2].split()[0]) for line in lines[:3])
    assert data > 1.9 and stages > 1.5 and shared > 0.9
    assert [line.split(":")[0] for line in lines[:3]] == ["data", "pipeline", "tensor"]
    assert lines[-1].startswith("Chosen for latency: data")


@pytest.mark.slow
def test_training_again_gives_an_accurate_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    train = example("train", monkeypatch)
    monkeypatch.setattr(train, "HERE", tmp_path)
    train.main(["cnn"])
    for name, array in np.load(DATA).items():
        assert np.array_equal(array, np.load(tmp_path / "digits.npz")[name])
    model = load(tmp_path / "digits_cnn.onnx")
    data = read_data(DATA, inputs_of(model))
    made = session(model)
    assert data.labels is not None
    right = sum(made.run(None, data[index])[0].argmax() == label for index, label in enumerate(data.labels))
    assert right >= LEAST_ACCURACY * len(data)


def test_from_model_to_fpga_to_asic(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The page that walks the line: what it does without a board and a kit."""
    path = EXAMPLES / "from_model_to_fpga_to_asic.py"
    spec = importlib.util.spec_from_file_location("from_model_to_fpga_to_asic", path)
    assert spec and spec.loader
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    monkeypatch.setattr(sys, "argv", [str(path)])
    page.main()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("ecp5: ") and first.endswith(" MHz")
    assert second == "100% of 16 digits right, simulated"
