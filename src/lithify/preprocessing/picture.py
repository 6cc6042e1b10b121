"""From a picture to the input of a network: what is resized, cut out, scaled and shifted.

Pillow reads and resizes pictures; it is an optional extra: pip install 'lithify[images]'.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
"""What counts as a picture in a folder."""

_COLORS = {"RGB": 3, "BGR": 3, "L": 1}

INTERPOLATIONS = ("bilinear", "bicubic", "nearest", "lanczos")
"""As Pillow computes them: larger steps are averaged over (but for nearest), not skipped."""


@dataclass(frozen=True)
class Preprocessing:
    """The steps, in this order; a picture is 8-bit, of any size.

    colors: "RGB", "BGR" or "L" (grey). resize: (height, width), or one number for the shorter side, the other in
    proportion; None leaves the size. interpolation: how, see INTERPOLATIONS. crop: (height, width), or one number for
    both, cut out of the middle. Sizes and the crop's place are those of torchvision.
    scale, mean, std: value = (pixel x scale - mean) / std, mean and std one number or one for each color.
    layout: "NCHW" or "NHWC".
    Raises LithifyError for values that are not allowed.
    """

    colors: Literal["RGB", "BGR", "L"] = "RGB"
    resize: int | tuple[int, int] | None = None
    interpolation: Literal["bilinear", "bicubic", "nearest", "lanczos"] = "bilinear"
    crop: int | tuple[int, int] | None = None
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["NCHW", "NHWC"] = "NCHW"

    def __post_init__(self) -> None:
        _check("colors", self.colors, isinstance(self.colors, str) and self.colors in _COLORS, "RGB, BGR or L")
        sizes = self.resize if isinstance(self.resize, tuple) else (self.resize, self.resize)
        pair = "a positive whole number for the shorter side, or height and width"
        _check("resize", self.resize, self.resize is None or _positive(sizes, 2), pair)
        words = f"one of {', '.join(INTERPOLATIONS)}"
        _check("interpolation", self.interpolation, self.interpolation in INTERPOLATIONS, words)
        crops = self.crop if isinstance(self.crop, tuple) else (self.crop, self.crop)
        pair = "a positive whole number for both sides, or height and width"
        _check("crop", self.crop, self.crop is None or _positive(crops, 2), pair)
        _check("layout", self.layout, self.layout in ("NCHW", "NHWC"), "NCHW or NHWC")
        _check("scale", self.scale, _numbers((self.scale,)) and self.scale > 0, "a number above 0")
        many = f"one number, or {self.channels} for the {self.channels} colors of {self.colors}"
        _check("mean", self.mean, _numbers(self.mean) and len(self.mean) in (1, self.channels), many)
        above = _numbers(self.std) and len(self.std) in (1, self.channels) and min(self.std) > 0
        _check("std", self.std, above, f"{many}, above 0")

    @property
    def channels(self) -> int:
        """How many colors a pixel has."""
        return _COLORS[self.colors]

    @property
    def normalizes(self) -> bool:
        """Whether pixel values change at all."""
        return self.scale != 1 or any(self.mean) or any(value != 1 for value in self.std)

    def factors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """a and b of each color, where value = a x pixel + b."""
        std = np.broadcast_to(np.array(self.std, np.float64), (self.channels,))
        mean = np.broadcast_to(np.array(self.mean, np.float64), (self.channels,))
        return self.scale / std, -mean / std

    @property
    def pixels(self) -> "Preprocessing":
        """The same picture as pixels from 0 to 255: nothing scaled, nothing shifted."""
        return replace(self, scale=1.0, mean=(0.0,), std=(1.0,))

    def to_json(self) -> str:
        """As JSON, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True)

    def normalize(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the normalisation makes of pixels [..., C, H, W] or, of layout NHWC, [..., H, W, C]."""
        shape = (-1, 1, 1) if self.layout == "NCHW" else (-1,)
        factor, shift = (values.reshape(shape) for values in self.factors())
        # float64, rounded once: no step of its own for each of scale, mean and std.
        return (pixels.astype(np.float64) * factor + shift).astype(np.float32)

    def apply(self, picture: str | Path | NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's input of one picture, without the batch: [C, H, W] or [H, W, C].

        picture: a file, or an array [H, W] or [H, W, C] of uint8 with its colors already in order.
        Raises LithifyError for what is no picture, is smaller than the crop, or has other colors.
        """
        pixels = _open(Path(picture), self.colors) if isinstance(picture, str | Path) else picture
        pixels = self.fit(pixels)
        return self.normalize(np.ascontiguousarray(pixels.transpose(2, 0, 1)) if self.layout == "NCHW" else pixels)

    def fit(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture resized and cropped: uint8 [H, W, C]."""
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != self.channels:
            raise LithifyError(
                f"A picture is {pixels.dtype} {_text(pixels.shape)}; with colors {self.colors} it must be uint8 "
                f"[height, width, {self.channels}]."
            )
        if self.resize is not None:
            pixels = _resized(pixels, _size(self.resize, pixels.shape), self.interpolation)
        if self.crop is None:
            return pixels
        height, width = self.crop if isinstance(self.crop, tuple) else (self.crop, self.crop)
        if pixels.shape[0] < height or pixels.shape[1] < width:
            raise LithifyError(
                f"A picture of {pixels.shape[0]} x {pixels.shape[1]} is smaller than the crop of {height} x {width}. "
                "Resize it first, or crop less."
            )
        top, left = round((pixels.shape[0] - height) / 2), round((pixels.shape[1] - width) / 2)
        return pixels[top : top + height, left : left + width]


def pictures(folder: str | Path) -> tuple[Path, ...]:
    """The pictures of a folder and the folders in it, sorted by path. Raises LithifyError where there is none."""
    found = tuple(sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES))
    if not found:
        raise LithifyError(f"The folder '{folder}' holds no pictures. Known are: {', '.join(SUFFIXES)}.")
    return found


def _check(name: str, value: object, allowed: bool, words: str) -> None:
    if not allowed:
        raise LithifyError(f"The preprocessing was given {name} = {value!r}; it must be {words}.")


def _positive(values: Sequence[object] | None, count: int) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == count
        and all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in values)
    )


def _numbers(values: object) -> bool:
    return isinstance(values, tuple) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value) for value in values
    )


def _size(resize: int | tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width to resize to; a shorter side keeps the proportion, cut to whole pixels (as torchvision)."""
    if isinstance(resize, tuple):
        return resize
    height, width = shape[:2]
    if height <= width:
        return resize, max(width * resize // height, 1)
    return max(height * resize // width, 1), resize


def _image() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise LithifyError("Pictures need Pillow, which is not installed: pip install 'lithify[images]'.") from error
    return Image


def _open(path: Path, colors: str) -> NDArray[np.uint8]:
    image = _image()
    try:
        with image.open(path) as picture:
            pixels = np.asarray(picture.convert("L" if colors == "L" else "RGB"))
    except FileNotFoundError as error:
        raise LithifyError(f"There is no file '{path}'. Give the path of a picture.") from error
    except Exception as error:  # Pillow raises what it meets in a damaged file
        raise LithifyError(f"'{path}' is not a picture that Pillow can read. Remove or replace it.") from error
    return np.ascontiguousarray(pixels[:, :, ::-1]) if colors == "BGR" else pixels


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int], interpolation: str) -> NDArray[np.uint8]:
    if pixels.shape[:2] == size:
        return pixels
    image = _image()
    picture = image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    made = np.asarray(picture.resize((size[1], size[0]), image.Resampling[interpolation.upper()]))
    return made.reshape(*size, pixels.shape[2])


def _text(shape: Sequence[int]) -> str:
    return f"[{', '.join(str(size) for size in shape)}]"
