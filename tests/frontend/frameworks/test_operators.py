"""Operator by operator: each framework's answers, and where it runs, against the page."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch", reason="needs PyTorch: pip install 'lithify[test-frameworks]'")
keras = pytest.importorskip("keras", reason="needs Keras: pip install 'lithify[test-frameworks]'")
pytest.importorskip("tflite", reason="needs tflite: pip install 'lithify[test-frameworks]'")
pytest.importorskip("ai_edge_litert", reason="needs LiteRT: pip install 'lithify[test-frameworks]'")

from tests.frontend.frameworks import keras_cases, tflite_cases, torch_cases  # noqa: E402
from tests.frontend.frameworks.line import agree, answers  # noqa: E402
from tests.frontend.frameworks.status import (  # noqa: E402
    TOGETHER,
    by_onnx_tests,
    check,
    of_tflite,
    recorded,
    status,
)

import lithify  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", torch_cases.CASES)
def test_pytorch(name: str) -> None:
    module, x = torch_cases.build(name)
    try:
        model = lithify.load(module, inputs=(x,))
    except lithify.LithifyError:
        assert recorded()["PyTorch"][name] == "refused"
        return
    agree(answers(model, {str(model.graph.inputs[0].name): x.numpy()}), torch_cases.answers(module, x))
    check("PyTorch", name, status(lambda: model))


@pytest.mark.parametrize("name", keras_cases.CASES)
def test_keras(name: str) -> None:
    network = keras_cases.build(name)
    model = lithify.load(network)
    x = np.random.default_rng(5).standard_normal((1, *network.inputs[0].shape[1:])).astype(np.float32)
    agree(answers(model, {"x": x}), [one.detach().numpy() for one in keras.tree.flatten(network(x, training=False))])
    check("Keras", name, status(lambda: model))


@pytest.mark.parametrize("name", tflite_cases.CASES)
def test_tflite(name: str, tmp_path: Path) -> None:
    check("TFLite", name, of_tflite(name, tmp_path))


def test_every_case_has_its_row_and_no_row_is_left_over() -> None:
    tables = recorded()
    tested = by_onnx_tests()
    for operator, cells in tables.pop(TOGETHER).items():
        assert cells.partition("|")[0].strip() == tested.get(operator, ""), (
            f"{operator}: docs/operators.md says otherwise"
        )
    assert {front_end: set(table) for front_end, table in tables.items()} == {
        "PyTorch": set(torch_cases.CASES),
        "Keras": set(keras_cases.CASES),
        "TFLite": set(tflite_cases.CASES),
    }
