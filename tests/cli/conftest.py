"""Files that the commands are tried on, made once."""

from pathlib import Path

import pytest

import lithify

EXAMPLES = Path(__file__).parents[2] / "examples"
NETWORK = EXAMPLES / "digits_cnn.onnx"
DATA = EXAMPLES / "digits.npz"


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
