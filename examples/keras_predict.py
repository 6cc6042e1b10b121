"""A Keras model on the chip: `python examples/keras_predict.py` (needs the extra `keras`)."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

import lithify.keras


def main() -> None:
    """`predict` and `evaluate` as of the model, on a device of TensorFlow's name."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, activation="softmax"),
    ])  # fmt: skip
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(0)
    images, labels = random.normal(size=(32, 8, 8, 3)).astype(np.float32), random.integers(0, 5, 32)

    scores = lithify.keras.predict(model, images, device="/device:X1", chip="tiny")
    print(f"at most {np.abs(scores - model.predict(images, verbose=0)).max():.4f} from float32")
    found = lithify.keras.evaluate(model, images, labels, device="/device:ASIC:0", chip="tiny", return_dict=True)
    print(", ".join(f"{name} {value:.3f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
