"""Files that the commands are tried on, made once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import lithify
from lithify.cli import invoke

EXAMPLES = Path(__file__).parents[2] / "examples"
NETWORK = EXAMPLES / "digits_cnn.onnx"
DATA = EXAMPLES / "digits.npz"


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs one command line in this process."""

    def call(*words: object) -> Ran:
        status = invoke([str(word) for word in words])
        seen = capsys.readouterr()
        return Ran(status, seen.out, seen.err)

    return call


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small example, quantised."""
    path = tmp_path_factory.mktemp("quantized") / "cnn.onnx"
    model = lithify.quantize(lithify.optimize(lithify.load(NETWORK)), DATA)
    lithify.frontend.save(model, path)
    return path


@pytest.fixture(scope="session")
def program(quantized: Path) -> Path:
    """The small example, compiled for `tiny`."""
    path = quantized.with_name("cnn.lith")
    lithify.compile(lithify.load(quantized), "tiny").save(path)
    return path
