"""Keras 3: model objects and files through the torch back end, their answers, and every refusal word for word."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch", reason="needs PyTorch: pip install 'lithify[test-frameworks]'")
keras = pytest.importorskip("keras", reason="needs Keras: pip install 'lithify[test-frameworks]'")

from tests.compiler.test_rows import WITH_UNIT  # noqa: E402
from tests.frontend.frameworks.line import agree, answers, take_the_line  # noqa: E402

import lithify  # noqa: E402
from lithify import LithifyError  # noqa: E402
from lithify.frontend.keras import _elsewhere  # noqa: E402

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
    "attention": (attention, set()),
    "mobilenet_v2": (applied("MobileNetV2", 32, alpha=0.35), {"Softmax"}),
    "efficientnet_b0": (applied("EfficientNetB0", 32), {"Softmax"}),
    "resnet50": (applied("ResNet50", 32), {"Softmax"}),
}
"""What makes a model, and what the host may do for it: nothing but a Softmax at the end."""


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
    program = take_the_line(model, WITH_UNIT["edge"])
    host = {operator for segment in program.segments for operator in getattr(segment, "operators", ())}
    assert host <= allowed


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0", "ResNet50"])
def test_networks_of_their_own_size(name: str) -> None:
    """As `keras.applications` makes them, 224 x 224 and 1000 classes: all on the chip but the last Softmax."""
    keras.utils.set_random_seed(1)
    network = getattr(keras.applications, name)(weights=None)
    model = lithify.load(network)
    inputs = _inputs(network)
    agree(answers(model, {str(network.inputs[0].name): inputs[0]}), _answers(network, inputs))
    assert set(take_the_line(model, "edge").host_nodes) <= {"Softmax"}


ELSEWHERE = """
import sys
import keras, numpy
import lithify
from lithify.frontend import save

assert keras.backend.backend() == sys.argv[1]
keras.utils.set_random_seed(1)
layers = keras.layers
model = keras.Sequential([
    layers.Input((8, 8, 3), name="image"), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(),
    layers.GlobalAveragePooling2D(), layers.Dense(5, name="scores"),
])
image = numpy.random.default_rng(5).standard_normal((1, 8, 8, 3)).astype(numpy.float32)
numpy.savez(sys.argv[3], image=image, scores=keras.ops.convert_to_numpy(model(image)))
save(lithify.load(model), sys.argv[2])
"""
"""A process whose Keras has another back end, and a model that lives there."""


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_models_that_live_in_another_back_end(backend: str, tmp_path: Path) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"needs the back end: pip install {backend}")
    model, answer = tmp_path / "model.onnx", tmp_path / "answer.npz"
    words = [sys.executable, "-c", ELSEWHERE, backend, str(model), str(answer)]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        words, env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path}, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    loaded = lithify.load(model)
    with np.load(answer) as arrays:
        agree(answers(loaded, {"image": arrays["image"]}), [arrays["scores"]])
    assert take_the_line(loaded, "tiny").host_nodes == ()


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file goes through a process of its own where this one has no Keras, as for the command line; the same model."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    keras.utils.set_random_seed(1)
    network = sequential()
    inputs = _inputs(network)
    path = tmp_path / "net.keras"
    network.save(path)
    for source in (path, str(path)):
        agree(answers(lithify.load(source), {"image": inputs[0]}), _answers(network, inputs))
    apart = _elsewhere(path, path, None, None)
    assert [value.name for value in apart.graph.outputs] == ["scores"]
    agree(answers(apart, {"image": inputs[0]}), _answers(network, inputs))
    with pytest.raises(LithifyError) as caught:
        _elsewhere(path, path, {"picture": (1, 16, 16, 3)}, None)
    assert str(caught.value) == "--shape names the input 'picture'; the model's inputs are: image."


def test_an_h5_file(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network = sequential()
    inputs = _inputs(network)
    network.save(tmp_path / "net.h5")
    agree(answers(lithify.load(tmp_path / "net.h5"), {"image": inputs[0]}), _answers(network, inputs))


def test_the_file_of_an_older_keras() -> None:
    path = MODELS / "resnet8_cifar10.h5"
    if not path.exists():
        pytest.skip(f"needs {path.name} in ../shared/models")
    network = keras.models.load_model(path, compile=False)
    inputs = _inputs(network)
    model = lithify.load(path)
    agree(answers(model, {str(model.graph.inputs[0].name): inputs[0]}), _answers(network, inputs))
    program = take_the_line(model, WITH_UNIT["edge"])
    host = {operator for segment in program.segments for operator in getattr(segment, "operators", ())}
    assert host <= {"Softmax"}


def _refusal(source: object, **options: object) -> str:
    with pytest.raises(LithifyError) as caught:
        lithify.load(source, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_sizes_that_a_model_leaves_open() -> None:
    network = keras.Sequential([keras.layers.Input((None, None, 3), name="image"), keras.layers.Conv2D(4, 3)])
    assert _refusal(network) == (
        "Input 'image' has the dynamic shape [?, ?, ?, 3] and Lithify compiles fixed shapes. "
        "Give --shape image=1,?,?,3 with numbers for the question marks."
    )
    assert _refusal(network, shape={"image": (1, 8, 8, 1)}) == (
        "--shape image=1,8,8,1 does not fit the input 'image', whose shape is [?, ?, ?, 3]."
    )
    assert lithify.load(network, {"image": (1, 8, 8, 3)}).graph.outputs[0].shape == (1, 6, 6, 4)


class Own(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_a_model_without_inputs_of_its_own() -> None:
    network, example = Own(), np.ones((1, 5), np.float32)
    network(example)
    assert _refusal(network) == (
        "'Own' is a Keras model without inputs of its own; give an example: lithify.load(model, inputs=(example,))."
    )
    model = lithify.load(network, inputs=(example,))
    (name,) = (str(value.name) for value in model.graph.inputs)
    agree(answers(model, {name: example}), [network(example).detach().numpy()])


def test_files_that_keras_cannot_load(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    assert _refusal(path) == f"There is no file '{path}'. Give the path of a Keras model."
    path.write_bytes(b"nothing")
    message = _refusal(path)
    assert message.startswith(f"Keras cannot load '{path}': ")
    assert message.endswith("is given to lithify.load as an object, with the torch back end of Keras.")
