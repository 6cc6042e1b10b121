"""Every command takes the files of every framework."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'lithify[test-frameworks]'")
keras = pytest.importorskip("keras", reason="needs Keras: pip install 'lithify[test-frameworks]'")
pytest.importorskip("tflite", reason="needs tflite: pip install 'lithify[test-frameworks]'")
pytest.importorskip("ai_edge_litert", reason="needs LiteRT: pip install 'lithify[test-frameworks]'")

from tests.conftest import Ran  # noqa: E402
from tests.frontend.frameworks import tflite_cases  # noqa: E402

pytestmark = pytest.mark.slow

Run = Callable[..., Ran]


def of_torch(path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 3, 1)).eval()
    torch.export.save(torch.export.export(module, (torch.randn(1, 2, 8, 8),)), path)


def of_keras(path: Path) -> None:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    keras.Sequential([layers.Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(3, 1)]).save(path)


def of_tflite(path: Path) -> None:
    path.write_bytes(tflite_cases.int8_file("CONV_2D")[0])


FILES: dict[str, Callable[[Path], None]] = {
    "net.pt2": of_torch,
    "net.keras": of_keras,
    "net.h5": of_keras,
    "net.tflite": of_tflite,
}


@pytest.mark.parametrize("name", FILES)
def test_the_line_takes_the_file(name: str, tmp_path: Path, run: Run) -> None:
    path, folder = tmp_path / name, tmp_path / "build"
    FILES[name](path)
    ran = run("build", path, "--chip", "tiny", "--rtl", "none", "--strict", "--json", "-o", folder)
    assert ran.status == 0, ran.err
    assert (folder / "program.lith").exists() and json.loads(ran.out)["host_nodes"] == []


COMMANDS = {
    "load": (),
    "optimize": ("-o", "made.onnx"),
    "quantize": ("-o", "made.onnx"),
    "compile": ("-o", "made.lith", "--chip", "tiny"),
    "profile": ("--chip", "tiny"),
    "compare": ("--chip", "tiny"),
    "advise": ("--chip", "tiny", "--volume", "10k"),
    "split": ("--chip", "tiny"),
    "sensitivity": ("--chip", "tiny"),
    "explore": ("--points", "2", "--jobs", "1", "--rtl", "none", "--mm2", "9"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_it(command: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if command == "split":  # what stays on the processor computes in float
        Path("net.tflite").write_bytes(tflite_cases.float_file("CONV_2D")[0])
    else:
        of_tflite(Path("net.tflite"))
    ran = run(command, "net.tflite", *COMMANDS[command])
    assert ran.status == 0, ran.err
