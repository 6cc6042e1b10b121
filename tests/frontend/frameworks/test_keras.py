"""Keras 3: model objects and files through the torch back end, their answers, and every refusal word for word."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch", reason="needs PyTorch: pip install 'lithify[test-frameworks]'")
keras = pytest.importorskip("keras", reason="needs Keras: pip install 'lithify[test-frameworks]'")

from tests.frontend.frameworks.line import agree, answers, take_the_line  # noqa: E402

import lithify  # noqa: E402
from lithify import LithifyError  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras was imported with another back end"),
]

MODELS = Path(__file__).parents[4] / "shared" / "models"


def sequential() -> Any:
    layers = keras.layers
    return keras.Sequential([
        layers.Input((16, 16, 3), name="image"), layers.Conv2D(8, 3, padding="same"), layers.BatchNormalization(),
        layers.ReLU(), layers.MaxPooling2D(), layers.DepthwiseConv2D(3, padding="same", activation="relu6"),
        layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"), layers.Dropout(0.5), layers.Flatten(),
        layers.Dense(10, activation="softmax", name="scores"),
    ])  # fmt: skip


def attention() -> Any:
    layers = keras.layers
    tokens = layers.Input((6,), dtype="int32", name="tokens")
    x = layers.Embedding(40, 16)(tokens)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(16)(layers.Dense(32, activation="gelu")(x)))
    return keras.Model(tokens, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))


def applied(name: str, size: int, **options: Any) -> Callable[[], Any]:
    return lambda: getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10, **options)


NETWORKS: Mapping[str, tuple[Callable[[], Any], set[str]]] = {
    "sequential": (sequential, {"Softmax"}),
    "attention": (attention, {"Gather", "LayerNormalization", "MatMul", "Softmax"}),
    "mobilenet_v2": (applied("MobileNetV2", 32, alpha=0.35), {"Softmax"}),
    "efficientnet_b0": (applied("EfficientNetB0", 32), {"Softmax"}),
    "resnet50": (applied("ResNet50", 32), {"Softmax"}),
}
"""What makes a model, and what the host may do for it."""


def _inputs(model: Any, seed: int = 5) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [
        random.integers(0, 40, (1, *one.shape[1:])).astype(one.dtype)
        if "int" in one.dtype
        else (random.random((1, *one.shape[1:])) * 255).astype(one.dtype)
        for one in model.inputs
    ]


def _answers(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    found = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
    return [one.detach().numpy() for one in keras.tree.flatten(found)]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    keras.utils.set_random_seed(1)
    make, allowed = NETWORKS[name]
    network = make()
    model = lithify.load(network)
    inputs = _inputs(network)
    feeds = dict(zip((str(value.name) for value in model.graph.inputs), inputs, strict=True))
    assert list(feeds) == [tensor.name for tensor in network.inputs]
    agree(answers(model, feeds), _answers(network, inputs))
    program = take_the_line(model, chip="edge")
    host = {operator for segment in program.segments for operator in getattr(segment, "operators", ())}
    print(name, host, program.reasons)
    #assert host - {"Transpose"} <= allowed
