"""The examples that need a framework."""

import pytest
from tests.examples.test_examples import printed


def test_torch_compile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch._dynamo.reset()
    *batches, compiled = printed("torch_compile", monkeypatch, capsys)
    assert [line.split()[0] for line in batches] == ["2", "2", "4"]
    assert all(float(line.split()[4]) < 0.05 for line in batches)
    assert compiled == "compiled for 2 shapes; on the host: Softmax"


def test_keras_predict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    predicted, evaluated = printed("keras_predict", monkeypatch, capsys)
    assert float(predicted.split()[2]) < 0.05
    assert evaluated.startswith("loss ") and ", accuracy " in evaluated
