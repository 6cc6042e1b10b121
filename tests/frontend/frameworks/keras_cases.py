"""One small network for each Keras layer: a layer, then the one in question, as it stands in a network."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

IMAGE, ROW, TOKENS = (6, 6, 4), (12,), (5, 8)

CASES: Mapping[str, tuple[tuple[int, ...], Callable[[], Callable[..., Any]]]] = {
    "Conv2D": (IMAGE, lambda: layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")),
    "DepthwiseConv2D": (IMAGE, lambda: layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "SeparableConv2D": (IMAGE, lambda: layers.SeparableConv2D(8, 3)),
    "Conv2DTranspose": (IMAGE, lambda: layers.Conv2DTranspose(6, 3, strides=2, padding="same")),
    "Conv1D": (TOKENS, lambda: layers.Conv1D(6, 3, padding="causal")),
    "Dense": (ROW, lambda: layers.Dense(7)),
    "BatchNormalization": (IMAGE, layers.BatchNormalization),
    "LayerNormalization": (TOKENS, layers.LayerNormalization),
    "Normalization": (IMAGE, lambda: layers.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1, 2, 3, 4])),
    "Rescaling": (IMAGE, lambda: layers.Rescaling(0.5, -1.0)),
    "ReLU": (IMAGE, lambda: layers.ReLU(6.0)),
    "LeakyReLU": (IMAGE, layers.LeakyReLU),
    "PReLU": (IMAGE, lambda: layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_uniform")),
    "Activation silu": (IMAGE, lambda: layers.Activation("silu")),
    "Activation gelu": (IMAGE, lambda: layers.Activation("gelu")),
    "Activation hard_swish": (IMAGE, lambda: layers.Activation("hard_silu")),
    "Softmax": (TOKENS, lambda: lambda x: layers.Dense(3)(layers.Softmax()(x))),
    "Softmax, at the end": (ROW, layers.Softmax),
    "MaxPooling2D": (IMAGE, lambda: layers.MaxPooling2D(3, 2, padding="same")),
    "AveragePooling2D": (IMAGE, lambda: layers.AveragePooling2D(2)),
    "GlobalAveragePooling2D": (IMAGE, layers.GlobalAveragePooling2D),
    "GlobalMaxPooling2D": (IMAGE, layers.GlobalMaxPooling2D),
    "UpSampling2D": (IMAGE, layers.UpSampling2D),
    "ZeroPadding2D": (IMAGE, layers.ZeroPadding2D),
    "Cropping2D": (IMAGE, layers.Cropping2D),
    "Flatten": (IMAGE, layers.Flatten),
    "Reshape": (ROW, lambda: layers.Reshape((3, 4))),
    "Permute": (TOKENS, lambda: layers.Permute((2, 1))),
    "Add": (IMAGE, lambda: lambda x: layers.Add()([x, layers.ReLU()(x)])),
    "Multiply": (IMAGE, lambda: lambda x: layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])),
    "Concatenate": (IMAGE, lambda: lambda x: layers.Concatenate()([x, layers.ReLU()(x)])),
    "MultiHeadAttention": (TOKENS, lambda: lambda x: layers.MultiHeadAttention(2, 4)(x, x)),
    "LSTM": (TOKENS, lambda: layers.LSTM(6)),
    "GRU": (TOKENS, lambda: layers.GRU(6)),
}
"""Layer -> the shape that the layer before it makes, and what makes the layer."""


def build(name: str) -> Any:
    """The network of seed 1."""
    keras.utils.set_random_seed(1)
    shape, make = CASES[name]
    x = layers.Input(shape, name="x")
    before = layers.Conv2D(shape[-1], 1)(x) if len(shape) == 3 else layers.Dense(shape[-1])(x)
    return keras.Model(x, make()(before))
