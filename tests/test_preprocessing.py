"""Pictures as inputs: every step against Pillow and plain numpy, its forms as text, and every refusal word for word."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.preprocessing import INTERPOLATIONS, Preprocessing, from_json, from_mapping, from_toml, pictures

Image = pytest.importorskip("PIL.Image")


def _pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def _refusal(call: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(LithifyError) as caught:
        call(*given, **named)
    return str(caught.value)


IMAGENET = Preprocessing(resize=256, crop=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def test_the_steps_of_imagenet() -> None:
    pixels = _pixels(300, 401)
    made = IMAGENET.apply(pixels)
    resized = np.asarray(Image.fromarray(pixels).resize((342, 256), Image.Resampling.BILINEAR))
    cut = resized[16:240, 59:283].astype(np.float64) / 255
    expected = (cut - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    assert made.dtype == np.float32 and made.shape == (3, 224, 224)
    assert np.abs(made - expected.transpose(2, 0, 1)).max() < 1e-6  # one rounding to float32 instead of three


@pytest.mark.parametrize(("resize", "shape"), [(5, (5, 7)), ((4, 9), (4, 9)), (None, (10, 15))])
def test_sizes(resize: Any, shape: tuple[int, int]) -> None:
    assert Preprocessing(resize=resize, scale=1.0).apply(_pixels(10, 15)).shape == (3, *shape)
    assert Preprocessing(resize=5).apply(_pixels(15, 10)).shape == (3, 7, 5)


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_interpolations(name: Any) -> None:
    pixels = _pixels(20, 30)
    made = Preprocessing(resize=(9, 11), interpolation=name, scale=1.0, layout="NHWC").apply(pixels)
    assert np.array_equal(made, np.asarray(Image.fromarray(pixels).resize((11, 9), Image.Resampling[name.upper()])))


def test_one_number_crops_both_sides_where_torchvision_does() -> None:
    """torchvision rounds half a pixel to the even side: 57.5 to 58, 58.5 to 58."""
    for size, first in ((339, 58), (341, 58)):
        pixels = np.zeros((224, size, 3), np.uint8)
        pixels[:, first] = 255
        made = Preprocessing(crop=224, scale=1.0, layout="NHWC").apply(pixels)
        assert made.shape == (224, 224, 3) and made[0, 0, 0] == 255


def test_files_colors_and_layouts(tmp_path: Path) -> None:
    pixels = _pixels(6, 8)
    path = tmp_path / "a b.png"
    Image.fromarray(pixels).save(path)
    raw = Preprocessing(scale=1.0, layout="NHWC")
    assert np.array_equal(raw.apply(path), pixels)
    assert np.array_equal(Preprocessing("BGR", scale=1.0).apply(path), pixels[:, :, ::-1].transpose(2, 0, 1))
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    assert np.array_equal(Preprocessing("L", scale=1.0, layout="NHWC").apply(path)[:, :, 0], grey)
    assert np.array_equal(Preprocessing("L", scale=1.0, layout="NHWC").apply(grey)[:, :, 0], grey)


@pytest.mark.parametrize("made", [IMAGENET, Preprocessing(), Preprocessing("L", (3, 4), mean=(0.5,), layout="NHWC")])
def test_json_and_back(made: Preprocessing) -> None:
    assert from_json(made.to_json()) == made
    assert list(json.loads(made.to_json())) == sorted(json.loads(made.to_json()))


def test_toml(tmp_path: Path) -> None:
    text = "resize = 256\ncrop = [224, 224]\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n"
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "b.toml").write_text(f"[preprocessing]\n{text}")
    assert from_toml(tmp_path / "a.toml") == from_toml(tmp_path / "b.toml") == IMAGENET
    assert from_mapping({"mean": 0.5}).mean == (0.5,)
    (tmp_path / "c.toml").write_text("resize = \n")
    assert _refusal(from_toml, tmp_path / "c.toml").startswith(f"'{tmp_path / 'c.toml'}' is not valid TOML: ")
    assert _refusal(from_toml, tmp_path / "d.toml") == (
        f"Cannot read '{tmp_path / 'd.toml'}': No such file or directory. Give a TOML file."
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"colors": "CMYK"}, "colors = 'CMYK'; it must be RGB, BGR or L."),
        ({"resize": 0}, "resize = 0; it must be a positive whole number for the shorter side, or height and width."),
        (
            {"resize": [1, 2, 3]},
            "resize = (1, 2, 3); it must be a positive whole number for the shorter side, or height and width.",
        ),
        ({"crop": [3]}, "crop = (3,); it must be a positive whole number for both sides, or height and width."),
        ({"interpolation": "area"}, "interpolation = 'area'; it must be one of bilinear, bicubic, nearest, lanczos."),
        ({"layout": "CHW"}, "layout = 'CHW'; it must be NCHW or NHWC."),
        ({"scale": -1.0}, "scale = -1.0; it must be a number above 0."),
        ({"mean": [1, 2]}, "mean = (1, 2); it must be one number, or 3 for the 3 colors of RGB."),
        ({"std": [0.5, 0, 1]}, "std = (0.5, 0, 1); it must be one number, or 3 for the 3 colors of RGB, above 0."),
        ({"mean": "x"}, "mean = 'x'; it must be one number, or 3 for the 3 colors of RGB."),
    ],
)
def test_wrong_values(values: dict[str, Any], words: str) -> None:
    assert _refusal(from_mapping, values) == f"The preprocessing was given {words}"


def test_wrong_text() -> None:
    keys = "colors, resize, interpolation, crop, scale, mean, std, layout"
    assert _refusal(from_mapping, {"size": 3}) == f"The preprocessing has no key 'size'; its keys are {keys}."
    assert _refusal(from_json, "[1]") == f"The preprocessing is [1]; give the keys {keys}."
    assert _refusal(from_json, "{") == ("The preprocessing is not valid JSON. Write it with Preprocessing.to_json.")


def test_wrong_pictures(tmp_path: Path) -> None:
    small = Preprocessing(crop=(8, 8))
    assert _refusal(small.apply, _pixels(7, 9)) == (
        "A picture of 7 x 9 is smaller than the crop of 8 x 8. Resize it first, or crop less."
    )
    assert _refusal(small.apply, _pixels(9, 9, 4)) == (
        "A picture is uint8 [9, 9, 4]; with colors RGB it must be uint8 [height, width, 3]."
    )
    assert _refusal(small.apply, np.zeros((9, 9, 3))) == (
        "A picture is float64 [9, 9, 3]; with colors RGB it must be uint8 [height, width, 3]."
    )
    path = tmp_path / "broken.png"
    assert _refusal(small.apply, path) == f"There is no file '{path}'. Give the path of a picture."
    path.write_bytes(b"not a picture")
    assert _refusal(small.apply, path) == f"'{path}' is not a picture that Pillow can read. Remove or replace it."
    assert _refusal(pictures, tmp_path / "empty") == (
        f"The folder '{tmp_path / 'empty'}' holds no pictures. "
        "Known are: .png, .jpg, .jpeg, .bmp, .gif, .webp, .ppm, .pgm, .tif, .tiff."
    )


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    expected = "Pictures need Pillow, which is not installed: pip install 'lithify[images]'."
    assert _refusal(Preprocessing(resize=4).apply, _pixels(5, 5)) == expected
    assert Preprocessing().apply(_pixels(5, 5)).shape == (3, 5, 5)
