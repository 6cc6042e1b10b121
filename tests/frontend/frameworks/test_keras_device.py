"""`lithify.keras`: predictions and metrics of a Keras model by its compiled network."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")

import lithify.keras as on_device  # noqa: E402
from lithify.errors import LithifyError  # noqa: E402


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()]
    made = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(4, activation="softmax")])
    made.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


X = np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype(np.float32)
Y = np.arange(20) % 4


@pytest.mark.parametrize("device", ["/device:X1", "asic:0", "sim:0-1"])
def test_predictions_are_the_programs(model, device: str) -> None:
    found = on_device.predict(model, X, device=device, chip="tiny")
    program = on_device.compiled(model, X, chip="tiny")
    assert np.array_equal(found, np.concatenate([program.run(x[None])[0] for x in X]))
    assert np.abs(found - model.predict(X, verbose=0)).max() < 0.02


def test_metrics_are_the_models_own(model) -> None:
    found = on_device.evaluate(model, X, Y, chip="tiny", return_dict=True)
    predicted = on_device.predict(model, X, chip="tiny")
    assert found["accuracy"] == pytest.approx(float((predicted.argmax(1) == Y).mean()))
    assert found["loss"] == pytest.approx(float(-np.log(predicted[np.arange(20), Y]).mean()), rel=1e-4)
    assert on_device.evaluate(model, X, Y, chip="tiny") == pytest.approx(list(found.values()))
    assert set(found) == set(model.evaluate(X, Y, verbose=0, return_dict=True))


def test_changed_weights_are_compiled_again(model) -> None:
    before = on_device.compiled(model, X, chip="tiny")
    assert on_device.compiled(model, X, chip="tiny") is before
    weights = model.get_weights()
    model.set_weights([-weight for weight in weights])
    assert on_device.compiled(model, X, chip="tiny") is not before
    model.set_weights(weights)


def test_what_is_refused(model) -> None:
    for call, message in (
        (lambda: on_device.predict(model, X[:0]), "at least one"),
        (lambda: on_device.predict(model, [X, X]), "The model takes 1 inputs"),
        (lambda: on_device.predict(model, {"z": X}), "was not given"),
        (lambda: on_device.predict(model, X, chip="tiny", device="gpu"), "Unknown device 'gpu'"),
        (lambda: on_device.evaluate(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), X, Y), "has no loss"),
        (lambda: on_device.predict("model", X), "A Keras model is needed, and str was given"),
        (lambda: on_device.evaluate(model, X, Y[:3]), f"There are {len(X)} samples of x and 3 of y"),
        (lambda: on_device.fit(model, X, Y), "does not train on a device yet"),
    ):
        with pytest.raises(LithifyError, match=message):
            call()
