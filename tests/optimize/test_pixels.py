"""Normalisation inside the network: where it goes, that nothing else changes, and what is said of it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.frontend.models import floats, operators, typed
from tests.quantize.judge import agree, by_runtime, kinds

from lithify.errors import LithifyError
from lithify.optimize.pixels import take_pixels
from lithify.preprocessing import Chain, Preprocessing
from lithify.quantize import inputs_of, quantize, read_data

WEIGHTS: dict[str, NDArray[Any]] = {
    "w": floats(1, 6, 3, 3, 3, scale=0.3), "b": floats(2, 6), "g": floats(3, 6, 1, 3, 3), "v": floats(4, 5, 3, 1, 1),
}  # fmt: skip
IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
UNIT = Preprocessing(std=(0.5, 0.25, 1.0))
FOLDED = "The chip normalises, in the weights of "
CASES = {
    "no padding": ("y = Conv(x, w, b)", IMAGENET, f"{FOLDED}'conv_0'.", ["Conv"]),
    "no bias": ("y = Conv(x, w)", IMAGENET, f"{FOLDED}'conv_0'.", ["Conv"]),
    "groups": ("y = Conv<group = 3>(x, g)", IMAGENET, f"{FOLDED}'conv_0'.", ["Conv"]),
    "two": (
        "a = Conv(x, v)\n c = Conv(x, v)\n y = Add(a, c)", IMAGENET, f"{FOLDED}'conv_0' and 'conv_1'.",
        ["Conv", "Conv", "Add"],
    ),
    "no shift": ("y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", UNIT, f"{FOLDED}'conv_0'.", ["Conv"]),
    "padding": (
        "y = Conv<pads = [0, 0, 1, 1]>(x, w, b)", IMAGENET,
        "The chip normalises, in a layer of its own: 'conv_0' pads the picture with zeros.", ["Conv", "Conv"],
    ),
    "same": (
        'y = Conv<auto_pad = "SAME_UPPER">(x, w, b)', IMAGENET,
        "The chip normalises, in a layer of its own: 'conv_0' pads the picture with zeros.", ["Conv", "Conv"],
    ),
    "pool first": (
        "a = MaxPool<kernel_shape = [2, 2]>(x)\n y = Conv(a, w)", IMAGENET,
        "The chip normalises, in a layer of its own: the first layer is no convolution.", ["Conv", "MaxPool", "Conv"],
    ),
}  # fmt: skip


def _model(body: str, head: str = "float[1, 3, 9, 9] x") -> ir.Model:
    return typed(f"n ({head}) => (float[a, c, h, w2] y) {{ {body} }}", {k: v for k, v in WEIGHTS.items() if k in body})


@pytest.mark.parametrize("name", CASES)
def test_where_it_goes(name: str) -> None:
    body, preprocessing, where, expected = CASES[name]
    model = _model(body)
    text = str(ir.serde.serialize_model(model))
    made = take_pixels(model, preprocessing)
    assert str(ir.serde.serialize_model(model)) == text
    assert made.chain == Chain("x", preprocessing, Preprocessing(scale=1.0), where) and made.chain.folded
    assert operators(made.model) == ["Cast", *expected]
    assert made.model.graph.inputs[0].dtype == ir.DataType.UINT8
    pixels = np.random.default_rng(1).integers(0, 256, (9, 9, 3), np.uint8)
    (before,) = by_runtime(model, {"x": preprocessing.apply(pixels)[None]}, False)
    (after,) = by_runtime(made.model, {"x": pixels.transpose(2, 0, 1)[None]}, False)
    assert np.abs(before - after).max() < 1e-4 * np.abs(before).max()  # float rounding


@pytest.mark.parametrize("name", CASES)
def test_pixels_are_exact_integers(name: str) -> None:
    """Whatever the samples hold: 256 values, 256 integers, and nothing of the host's ONNX Runtime."""
    body, preprocessing, _, _ = CASES[name]
    dark = [np.random.default_rng(seed).integers(30, 90, (1, 3, 9, 9), np.uint8) for seed in range(4)]
    made = quantize(_model(body), dark, preprocessing=preprocessing)
    graph = agree(made)
    assert kinds(graph)[0] == "Signed" and "Host" not in kinds(graph)
    tensor = graph.tensors[graph.nodes[0].outputs[0]]
    assert (tensor.scale, tensor.zero_point) == (np.float32(1), -128)


def test_channels_last() -> None:
    head = "float[1, 9, 9, 3] x"
    preprocessing = Preprocessing(mean=(0.5, 0.4, 0.3), layout="NHWC")
    model = _model("t = Transpose<perm = [0, 3, 1, 2]>(x)\n y = Conv(t, w, b)", head)
    made = take_pixels(model, preprocessing)
    assert made.chain.normalization == f"{FOLDED}'conv_1'."
    pixels = np.random.default_rng(1).integers(0, 256, (9, 9, 3), np.uint8)
    (before,) = by_runtime(model, {"x": preprocessing.apply(pixels)[None]}, False)
    (after,) = by_runtime(made.model, {"x": pixels[None]}, False)
    assert np.abs(before - after).max() < 1e-4 * np.abs(before).max()
    other = _model("y = Relu(x)", head)
    kept = take_pixels(other, preprocessing)
    assert kept.model is other and kept.chain.host == preprocessing and not kept.chain.folded
    assert kept.chain.normalization == (
        "The host normalises: not all that reads 'x' takes it as an image of 3 channels."
    )


def test_what_stays_on_the_host() -> None:
    model = _model("y = Conv(x, w, b)")
    plain = take_pixels(model, Preprocessing(scale=1.0))
    assert plain.chain.normalization == "The network takes pixels as they are: nothing to normalise."
    assert operators(plain.model) == ["Cast", "Conv"] and not plain.chain.folded
    again = take_pixels(plain.model, Preprocessing(scale=1.0))  # takes pixels as uint8 already
    assert operators(again.model) == ["Cast", "Conv"]
    quantized = quantize(model, [floats(1, 1, 3, 9, 9)])
    kept = take_pixels(quantized, IMAGENET)
    assert kept.model is quantized and kept.chain.host == IMAGENET
    assert kept.chain.normalization == "The host normalises: the network is quantised already."


def test_inputs_that_are_no_picture() -> None:
    with pytest.raises(LithifyError) as caught:
        take_pixels(_model("y = Conv(x, w, b)"), Preprocessing("L"))
    assert str(caught.value) == (
        "The network takes 'x' [1, 3, 9, 9]; pictures of colors L in the layout NCHW need one float32 input of 4 "
        "dimensions, 1 along dimension 1. Give the preprocessing that the network was trained with."
    )


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    inputs = inputs_of(_model("y = Conv(x, w, b)"))
    for index, name in enumerate(("b/two.png", "a/one.png", "c.PNG")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        image.fromarray(np.full((9, 12, 3), 10 * index, np.uint8)).save(path)
    (tmp_path / "notes.txt").write_text("no picture")
    preprocessing = Preprocessing(resize=9, crop=(9, 9), scale=1.0)
    samples = read_data(tmp_path, inputs, "calibration", preprocessing)
    assert samples.inputs["x"].shape == (3, 1, 3, 9, 9)
    assert samples.inputs["x"][:, 0, 0, 0, 0].tolist() == [10, 0, 20]
    assert read_data(samples, inputs) is samples
    for given, words in (
        (
            None,
            f"'{tmp_path}' is a folder, and nothing says how pictures become the network's input. Give a preprocessing "
            "(resize, crop, mean, std, layout) when the network is quantised, or give an .npz or .npy file.",
        ),
        (
            Preprocessing(),
            f"'{tmp_path / 'a' / 'one.png'}' becomes [3, 9, 12] by the preprocessing, but the input 'x' has the shape "
            "[1, 3, 9, 9]. Resize or crop to that size.",
        ),
    ):
        with pytest.raises(LithifyError) as caught:
            read_data(tmp_path, inputs, "calibration", given)
        assert str(caught.value) == words
