"""The whole line: what a build folder holds, that it is whole or absent; every example on three chips in RTL."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import lithify
from lithify.chip import Chip, load_chip, write_chip
from lithify.sim.cost import SPENT

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = EXAMPLES / "digits.npz"
FILES = (
    "chip.toml",
    "inputs.npz",
    "outputs_functional.npz",
    "outputs_reference.npz",
    "program.lith",
    "quantized.onnx",
    "report.html",
    "report.json",
    "report.txt",
    "rtl",
)


def build(name: str, folder: Path, chip: str | Path, rtl: str, **options: object) -> lithify.report.Report:
    """A build of an example."""
    return lithify.build(EXAMPLES / f"{name}.onnx", folder, chip=chip, data=DATA, rtl=rtl, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build without RTL, in a folder whose name has a space."""
    path = tmp_path_factory.mktemp("builds") / "digits cnn"
    build("digits_cnn", path, "tiny", "none", save_steps=True)
    return path


def test_the_folder_holds_what_is_promised(folder: Path) -> None:
    assert sorted(entry.name for entry in folder.iterdir()) == sorted((*FILES, "steps"))
    assert not list(folder.parent.glob(".*")), "the folder it was made in is gone"
    assert load_chip(folder / "chip.toml") == load_chip("tiny")
    assert (folder / "rtl" / "lithify_chip.v").read_text(encoding="utf-8") == lithify.rtl("tiny")["lithify_chip.v"]
    inputs = np.load(folder / "inputs.npz")["input"]
    assert inputs.shape == (8, 1, 1, 28, 28)
    reference, functional = (np.load(folder / f"outputs_{view}.npz") for view in ("reference", "functional"))
    assert reference["probabilities"].shape == (8, 10)
    assert np.array_equal(reference["probabilities"], functional["probabilities"])


def test_the_report_has_the_promised_keys(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["model"] == "digits_cnn" and report["chip"] == "tiny"
    assert report["macs"] == 248768 and report["macs_on_chip_share"] == 1.0
    assert report["host_nodes"] == ["Softmax"]
    assert report["latency_ms"] == report["cycles"] / 200_000_000 * 1000
    assert report["mac_utilisation"] == report["macs"] / (report["cycles"] * 64)
    assert report["dram_bytes"] > 0 and report["gates"] > 0 and report["onchip_bytes"] > 65_536
    assert report["accuracy"]["float"] >= 0.97 and report["accuracy"]["samples"] == 360
    assert abs(report["accuracy"]["chip"] - report["accuracy"]["int8"]) <= 1 / 360
    verify = report["verify"]
    assert verify["inputs"] == 8 and verify["values_different"] == 0 and verify["agreed"]
    assert verify["values_compared"] == 8 * sum(
        int(np.prod(shape)) for shape in ((1, 28, 28), (32, 13, 13), (32, 26, 26), (10,), (10,), (10,))
    )
    assert verify["cycles_timing"] == report["cycles"]
    assert verify["cycles_rtl"] is None and verify["rtl_sha256"] is None and verify["rtl"] == "none"
    assert sum(layer["cycles"] for layer in report["layers"]) == report["cycles"]
    for layer in report["layers"]:
        assert set(layer["spent"]) == set(SPENT) and sum(layer["spent"].values()) == layer["cycles"]
    assert lithify.report(folder).to_json() == report


def test_the_text_says_that_rtl_was_not_run(folder: Path) -> None:
    text = (folder / "report.txt").read_text(encoding="utf-8")
    assert "reference = functional" in text and "reference = functional = RTL" not in text
    assert "not run" in text and "timing simulator; RTL not run" in text


def test_the_page_of_the_folder(folder: Path, tmp_path: Path) -> None:
    """It has the report's cycles and proof; `report --html` writes the same from the folder."""
    from lithify.cli import invoke

    page = (folder / "report.html").read_text(encoding="utf-8")
    report = lithify.report(folder)
    assert f'<b id="cycles">{report.cycles:,}</b>' in page and "<title>digits_cnn on tiny</title>" in page
    assert "Proof: all that was compared agrees" in page and f"{report.verify.values_compared:,} values" in page
    assert invoke(["report", str(folder), "--html", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_every_step_is_an_onnx_file_of_the_same_meaning(folder: Path) -> None:
    """ONNX Runtime runs each of them; the float ones agree with the model up to float rounding."""
    import onnxruntime

    image = np.load(DATA)["images_28"][:1]
    steps = sorted((folder / "steps").iterdir())
    names = [step.stem[3:] for step in steps]
    assert names[0] == "load" and names[-1] == "quantize" and "fold_affine" in names
    outputs = [
        onnxruntime.InferenceSession(step, providers=["CPUExecutionProvider"]).run(None, {"input": image})[0]
        for step in steps
    ]
    for output in outputs[:-1]:
        assert np.abs(output - outputs[0]).max() < 1e-5
    assert np.abs(outputs[-1] - outputs[0]).max() < 0.05


def test_run_later_without_the_model(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.load(folder / "inputs.npz")["input"][1])
    words = [sys.executable, "-m", "lithify", "run", str(folder / "program.lith"), "image.npy", "-o", "out.npz"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lithify.__file__).parents[1])}
    subprocess.run(words, check=True, cwd=tmp_path, env=environment, capture_output=True)
    expected = np.load(folder / "outputs_functional.npz")["probabilities"][1]
    assert np.array_equal(np.load(tmp_path / "out.npz")["probabilities"][0], expected)


def test_a_second_build_replaces_the_first_and_keeps_other_files(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "digits"
    target.mkdir()
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    (target / "rtl").mkdir()
    (target / "rtl" / "stale.v").write_text("", encoding="utf-8")
    build("digits_cnn", target, "tiny", "none")
    assert sorted(entry.name for entry in target.iterdir()) == sorted((*FILES, "notes.txt"))
    assert not (target / "rtl" / "stale.v").exists()
    assert (target / "program.lith").read_bytes() == (folder / "program.lith").read_bytes()
    assert (target / "report.json").read_text() != "" and not list(tmp_path.glob(".*"))


def test_a_failed_build_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "digits"
    target.mkdir()
    (target / "report.json").write_text("an earlier one", encoding="utf-8")
    with pytest.raises(lithify.LithifyError, match="too small for one tile of layer"):
        build("digits_cnn", target, too_small(tmp_path), "none")
    assert [entry.name for entry in target.iterdir()] == ["report.json"]
    assert (target / "report.json").read_text(encoding="utf-8") == "an earlier one"
    assert not list(tmp_path.glob(".*"))


def too_small(folder: Path) -> Path:
    """A chip with 32 words of scratchpad, where one weight set takes 128."""
    chip = load_chip("tiny").model_dump(by_alias=True)
    chip.update(name="small", rows=32, columns=128, lanes=32, scratchpad_bytes=1024, scratchpad_banks=16)
    path = folder / "small.toml"
    path.write_text(write_chip(Chip.model_validate(chip)), encoding="utf-8")
    return path


def heed_ctrl_c() -> None:
    """A process started in the background of a script inherits that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "lithify", "build", str(EXAMPLES / "digits_cnn.onnx"), "--rtl", "none"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lithify.__file__).parents[1])}
    process = subprocess.Popen(
        [*words, "--chip", "tiny", "-o", "out/digits"], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/.digits.*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == "" and "Traceback" not in err and err.endswith("Stopped; nothing was left half written.\n")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["tiny", "edge", EXAMPLES / "wide.toml"], ids=["tiny", "edge", "8x32"])
@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet8", "digits_mobilenet"])
def test_whole_networks_in_rtl(name: str, chip: str | Path, tmp_path: Path) -> None:
    """Reference = functional = RTL on every value, timing = RTL on every cycle, for eight inputs."""
    report = build(name, tmp_path / "build", chip, "full")
    verify = report.verify
    assert (verify.inputs, verify.rtl_inputs, verify.saturating_inputs) == (8, 8, 4)
    assert verify.values_different == verify.words_different == verify.retirements_different == 0
    assert verify.cycles_rtl == verify.cycles_timing == report.cycles
    assert verify.values_compared > 200_000 and verify.words_compared > 10_000
    reference, rtl = (np.load(tmp_path / "build" / f"outputs_{view}.npz") for view in ("reference", "rtl"))
    assert np.array_equal(reference["probabilities"], rtl["probabilities"])
    names = sorted((tmp_path / "build" / "rtl").iterdir())
    assert verify.rtl_sha256 == _digest({path.name: path.read_text(encoding="utf-8") for path in names})
    assert report.accuracy.chip is not None and report.accuracy.chip >= 0.97


def _digest(files: dict[str, str]) -> str:
    """Of names and texts in the order of the names, each with its length before it."""
    total = hashlib.sha256()
    for name in sorted(files):
        for part in (name, files[name]):
            data = part.encode()
            total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()


@pytest.mark.slow
def test_rtl_of_one_input(tmp_path: Path) -> None:
    verify = build("digits_cnn", tmp_path / "build", "tiny", "layers").verify
    assert verify.agreed and (verify.inputs, verify.rtl_inputs) == (8, 1)
    assert verify.cycles_rtl == verify.cycles_timing
    assert len(np.load(tmp_path / "build" / "outputs_rtl.npz")["probabilities"]) == 1


def test_without_data_the_accuracy_is_not_measured(tmp_path: Path) -> None:
    report = lithify.build(EXAMPLES / "digits_cnn.onnx", tmp_path / "build", chip="tiny", rtl="none", seed=3)
    assert report.accuracy.float_model is None and report.accuracy.chip is None
    assert report.to_json()["accuracy"]["float"] is None
    text = (tmp_path / "build" / "report.txt").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if "accuracy" in line]
    assert "not measured" in line and "needs --data with labels" in line
    assert report.agreed
