"""Pictures through the whole line: stated once, calibrated with, carried by model and program, applied at run time.

The chip takes raw pixels where it normalises: reference = functional = RTL with uint8 as input.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cli.conftest import DATA, EXAMPLES, NETWORK
from tests.conftest import Ran
from tests.frontend.models import floats, typed
from tests.quantize.judge import by_runtime

import lithify
from lithify.preprocessing import Preprocessing
from lithify.quantize import chain_of

Image = pytest.importorskip("PIL.Image")

GREY = Preprocessing("L")
SHIFTED = Preprocessing("L", mean=(0.25,), std=(0.5,))
"""As if the network had been trained on (pixel / 255 - 0.25) / 0.5."""


def pixels(name: str, count: int = 400) -> NDArray[np.uint8]:
    """Images of the examples' data as they were scanned: uint8 [N, 1, H, W]. They are whole 255ths."""
    values = np.load(DATA)[name][:count] * 255
    assert np.array_equal(values, np.rint(values))
    return values.astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty digits as pictures of 56 x 70, in folders named by their labels, below a folder with a space."""
    path = tmp_path_factory.mktemp("some pictures") / "my digits"
    labels = np.load(DATA)["labels"]
    for index, picture in enumerate(pixels("images_28", 20)[:, 0]):
        wide = np.pad(picture.repeat(2, 0).repeat(2, 1), ((0, 0), (7, 7)))
        file = path / str(labels[index]) / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wide).save(file)
    return path


@pytest.fixture(scope="module")
def program(folder: Path) -> lithify.Program:
    """digits_cnn, quantised with the pictures of the folder."""
    model = lithify.optimize(lithify.load(NETWORK))
    return lithify.compile(lithify.quantize(model, folder, preprocessing=CHAIN), "tiny")


CHAIN = Preprocessing("L", resize=28, crop=28)


def test_a_picture_at_run_time_goes_the_way_of_the_calibration(program: lithify.Program, folder: Path) -> None:
    assert program.preprocessing is not None and program.preprocessing.stated == CHAIN
    assert program.tensors["input"].dtype == "uint8"
    file = sorted(folder.rglob("*.png"))[3]
    (scores,) = program.run(file)
    given = CHAIN.fit(np.asarray(Image.open(file)))[:, :, 0]
    assert given.shape == (28, 28)
    assert np.array_equal(program.run(given)[0], scores), "an array of the input's shape is taken as it is"
    (many,) = program.run(folder)
    assert many.shape == (20, 10) and np.array_equal(many[3:4], scores)
    labels = [int(path.parent.name) for path in sorted(folder.rglob("*.png"))]
    assert (many.argmax(axis=1) == labels).mean() >= 0.95
    stack = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))])
    assert np.array_equal(program.run(stack)[0], many), "uint8 [N, H, W] of another size are pictures"
    assert np.array_equal(program.run(stack[..., None])[0], many)


def test_a_saved_program_carries_it(program: lithify.Program, folder: Path, tmp_path: Path) -> None:
    program.save(tmp_path / "net.lith")
    loaded = lithify.Program.load(tmp_path / "net.lith")
    assert loaded.preprocessing == program.preprocessing
    assert np.array_equal(loaded.run(folder)[0], program.run(folder)[0])


def test_the_model_between_the_steps_carries_it(run: Callable[..., Ran], folder: Path, tmp_path: Path) -> None:
    """quantize -> compile -> run as commands, each from file to file."""
    quantized, made = tmp_path / "q.onnx", tmp_path / "net.lith"
    words = ("--data", folder, "--colors", "L", "--resize", "28", "--crop", "28x28", "--layout", "nchw")
    ran = run("quantize", NETWORK, *words, "-o", quantized)
    assert ran.status == 0, ran.err
    assert (
        "pictures: colors L, resize shorter side 28, bilinear, crop 28 x 28, layout NCHW, normalise pixel / 255. "
        "The chip normalises, in the weights of 'node_conv2d'.\n"
    ) in ran.out
    chain = chain_of(lithify.load(quantized))
    assert chain is not None and chain.folded and chain.stated == replace(CHAIN, crop=(28, 28))
    assert run("compile", quantized, "--chip", "tiny", "-o", made).status == 0
    files = sorted(folder.rglob("*.png"))
    ran = run("run", made, files[0], files[1], "--json")
    assert ran.status == 0, ran.err
    whole = json.loads(run("run", made, folder, "--json").out)
    assert json.loads(ran.out)["probabilities"] == whole["probabilities"][:2]
    ran = run("verify", made, "--model", quantized, "--data", folder, "--rtl", "none", "--json")
    assert ran.status == 0 and json.loads(ran.out)["values_different"] == 0


@pytest.mark.slow
def test_a_build_with_pictures(run: Callable[..., Ran], folder: Path, tmp_path: Path) -> None:
    """Accuracy by the folders' names; the report says which step runs where."""
    toml = tmp_path / "my digits.toml"
    toml.write_text('colors = "L"\nresize = 28\ncrop = 20\n', encoding="utf-8")
    target = tmp_path / "build"
    words = ("--chip", "tiny", "--data", folder, "--preprocess", toml, "--crop", "28", "--rtl", "none")
    ran = run("build", NETWORK, *words, "-o", target)
    assert ran.status == 0, ran.err
    assert "on the chip" in ran.out and "The chip normalises, in the weights of 'node_conv2d'." in ran.out
    report = json.loads((target / "report.json").read_text(encoding="utf-8"))
    assert report["accuracy"]["samples"] == 20 and report["accuracy"]["float"] >= 0.95
    assert report["preprocessing"] == {
        "input": "input",
        "normalization": "The chip normalises, in the weights of 'node_conv2d'.",
        "steps": [
            {"what": "colors", "value": "L", "where": "host"},
            {"what": "resize", "value": "shorter side 28, bilinear", "where": "host"},
            {"what": "crop", "value": "28 x 28", "where": "host"},
            {"what": "layout", "value": "NCHW", "where": "host"},
            {"what": "normalise", "value": "pixel / 255", "where": "chip"},
        ],
    }
    layers = report["quantization"]["layers"]
    assert [layer["layer"] for layer in layers][:2] == ["input_pixels", "node_conv2d"]
    assert layers[0]["noise_db"] is None and layers[0]["step"] == 1 and layers[0]["zero_point"] == -128
    assert lithify.report(target).to_json() == report
    assert np.load(target / "inputs.npz")["input"].dtype == np.uint8
    assert lithify.Program.load(target).verify(folder, rtl="none").agreed


def test_where_the_host_normalises(tmp_path: Path) -> None:
    """A model that came quantised keeps its bits: its input stays float, and the host does every step."""
    quantized = lithify.quantize(lithify.optimize(lithify.load(NETWORK)), DATA)
    made = lithify.quantize(quantized, preprocessing=SHIFTED)
    program = lithify.compile(made, "tiny")
    assert program.preprocessing is not None and not program.preprocessing.folded
    assert program.preprocessing.normalization == "The host normalises: the network is quantised already."
    assert [where for _, _, where in program.preprocessing.steps()] == ["host"] * 3
    picture = pixels("images_28", 1)[0, 0]
    Image.fromarray(picture).save(tmp_path / "one.png")
    (ours,) = program.run(tmp_path / "one.png")
    expected = ((picture / 255.0 - 0.25) / 0.5).astype(np.float32)
    assert np.array_equal(ours, program.run(expected[None, None])[0])


def test_pixels_give_what_normalised_numbers_give() -> None:
    """The same float network with its normalisation outside and inside: the scores differ by quantisation only."""
    model = lithify.optimize(lithify.load(NETWORK))
    given = pixels("images_28", 64)
    outside = lithify.compile(lithify.quantize(model, given.astype(np.float32) / 255), "tiny")
    inside = lithify.compile(lithify.quantize(model, given, preprocessing=GREY), "tiny")
    (before,), (after,) = outside.run(given.astype(np.float32) / 255), inside.run(given)
    assert inside.tensors["input"].dtype == "uint8"
    assert np.abs(before - after).max() < 0.02
    assert "Host" not in [node.operator for node in inside.graph.nodes if node.name != "node_softmax"]  # type: ignore[union-attr]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_colored_pictures(layout: Any, tmp_path: Path) -> None:
    """The chain of ImageNet: what the chip makes of a file is what ONNX Runtime makes of the pixels cut out of it."""
    weights = {"w": floats(1, 6, 3, 3, 3, scale=0.3), "b": floats(2, 6)}
    turn = {"NCHW": ("1, 3, 8, 8", "t = Identity(x)"), "NHWC": ("1, 8, 8, 3", "t = Transpose<perm = [0, 3, 1, 2]>(x)")}
    shape, before = turn[layout]
    model = typed(f"g (float[{shape}] x) => (float[1, 6, 6, 6] y) {{ {before}\n y = Conv(t, w, b) }}", weights)
    stated = Preprocessing(resize=10, crop=8, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), layout=layout)
    taken = np.random.default_rng(3).integers(0, 256, (6, 20, 31, 3), np.uint8)
    quantized = lithify.quantize(lithify.optimize(model), taken, preprocessing=stated)
    program = lithify.compile(quantized, "tiny", strict=True)
    assert program.preprocessing is not None and program.preprocessing.folded
    Image.fromarray(taken[4]).save(tmp_path / "four.png")
    (ours,) = program.run(tmp_path / "four.png")
    cut = stated.fit(taken[4])[None]
    feed = {"x": cut.transpose(0, 3, 1, 2) if layout == "NCHW" else cut}
    assert np.array_equal(ours, by_runtime(quantized, feed)[0])
    (real,) = by_runtime(model, {"x": stated.apply(taken[4])[None]})
    assert np.abs(ours - real).max() < 0.03 * np.abs(real).max()
    assert program.verify(taken, rtl="none").agreed


def test_refusals(program: lithify.Program, folder: Path, tmp_path: Path) -> None:
    def refused(call: Callable[..., Any], *given: Any, **named: Any) -> str:
        with pytest.raises(lithify.LithifyError) as caught:
            call(*given, **named)
        return str(caught.value)

    assert refused(program.run, np.zeros((1, 1, 28, 28), np.float32)) == (
        "The values of array 0 are float32, but the network normalises its input itself and takes pixels from 0 to "
        "255. Give them as uint8, or leave the preprocessing out."
    )
    plain = lithify.compile(lithify.quantize(lithify.optimize(lithify.load(NETWORK)), DATA), "tiny")
    file = sorted(folder.rglob("*.png"))[0]
    for given, kind in ((file, "picture"), (folder, "folder")):
        assert refused(plain.run, given) == (
            f"'{given}' is a {kind}, and nothing says how pictures become the network's input. Give a preprocessing "
            "(resize, crop, mean, std, layout) when the network is quantised, or give an .npz or .npy file."
        )
    model = lithify.optimize(lithify.load(NETWORK))
    assert refused(lithify.quantize, model, folder, preprocessing=Preprocessing("L", resize=30)) == (
        f"'{file}' becomes [1, 30, 37] by the preprocessing, but the input 'input' has the shape [1, 1, 28, 28]. "
        "Resize or crop to that size."
    )
    assert refused(lithify.quantize, model, folder, preprocessing=Preprocessing()) == (
        "The network takes 'input' [1, 1, 28, 28]; pictures of colors RGB in the layout NCHW need one float32 input of "
        "4 dimensions, 3 along dimension 1. Give the preprocessing that the network was trained with."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--resize", "wide"), "'wide' is no size: write one number, or height x width, as in 256 or 256x341."),
        (("--mean", "a,b"), "'a,b' is no list of numbers: write them as in 0.485,0.456,0.406 or 1/255."),
        (("--std", "1/0"), "'1/0' is no list of numbers: write them as in 0.485,0.456,0.406 or 1/255."),
        (("--layout", "chw"), "'chw' is not one of"),
    ],
)
def test_wrong_options(run: Callable[..., Ran], words: tuple[str, str], message: str, tmp_path: Path) -> None:
    ran = run("quantize", NETWORK, *words, "-o", tmp_path / "q.onnx")
    assert ran.status == 2 and message in " ".join(ran.err.split())


def test_wrong_values_are_one_sentence(run: Callable[..., Ran], tmp_path: Path) -> None:
    ran = run("quantize", NETWORK, "--mean", "1,2", "-o", tmp_path / "q.onnx")
    assert (ran.status, ran.err) == (
        1,
        "Error: The preprocessing was given mean = (1.0, 2.0); it must be one number, or 3 for the 3 colors of RGB.\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "preprocessing", "layer"),
    [
        ("digits_cnn", SHIFTED, "in the weights of 'node_conv2d'."),
        ("digits_mobilenet", GREY, "in the weights of 'node_Conv_219'."),
        ("digits_mobilenet", SHIFTED, "in a layer of its own: 'node_Conv_219' pads the picture with zeros."),
    ],
)
def test_pixels_in_rtl(name: str, preprocessing: Preprocessing, layer: str, tmp_path: Path) -> None:
    """Eight inputs of uint8 through reference, functional simulator and RTL; the float network sees what it was
    trained on, so with a shift its scores fall for all three forms alike.
    """
    size = 28 if name == "digits_cnn" else 32
    data = tmp_path / "pixels.npz"
    arrays = {key: pixels(f"{key}_{size}") for key in ("images", "calibration")}
    np.savez(data, labels=np.load(DATA)["labels"], **arrays)
    target = tmp_path / "build"
    report = lithify.build(
        EXAMPLES / f"{name}.onnx", target, chip="tiny", data=data, preprocessing=preprocessing, rtl="full"
    )
    verify, accuracy = report.verify, report.accuracy
    assert verify.agreed and (verify.inputs, verify.rtl_inputs) == (8, 8)
    assert verify.values_different == verify.words_different == verify.retirements_different == 0
    assert verify.cycles_rtl == verify.cycles_timing == report.cycles
    assert report.pictures is not None and report.pictures.normalization == f"The chip normalises, {layer}"
    assert report.host_nodes == ("Softmax",)
    assert np.load(target / "inputs.npz")["input"].dtype == np.uint8
    reference, rtl = (np.load(target / f"outputs_{view}.npz")["probabilities"] for view in ("reference", "rtl"))
    assert np.array_equal(reference, rtl)
    assert accuracy.float_model is not None and accuracy.int8 is not None and accuracy.chip is not None
    assert accuracy.int8 >= accuracy.float_model - 0.02 and abs(accuracy.chip - accuracy.int8) <= 0.02
    if preprocessing is GREY:
        assert accuracy.chip >= 0.97
