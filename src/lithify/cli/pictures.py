"""The options that say how a picture becomes a network's input, and the preprocessing that they make together."""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lithify.cli.typed import Typed

if TYPE_CHECKING:
    from lithify.preprocessing import Preprocessing

_PATH = click.Path(path_type=Path)


class Size(Typed[int | tuple[int, int]]):
    """`256`, or `256x341`: height and width."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, int]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        parts = value.lower().replace(",", "x").split("x")
        if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
            self.fail(f"'{value}' is no size: write one number, or height x width, as in 256 or 256x341.", param, ctx)
        sizes = tuple(int(part) for part in parts)
        return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


class Numbers(Typed[tuple[float, ...]]):
    """`0.5`, or one number for each color: `0.485,0.456,0.406`; a fraction as `1/255`."""

    name = "NUMBERS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        try:
            return tuple(_number(part) for part in value.split(","))
        except (ValueError, ZeroDivisionError):
            self.fail(f"'{value}' is no list of numbers: write them as in 0.485,0.456,0.406 or 1/255.", param, ctx)


def _number(text: str) -> float:
    over, slash, under = text.partition("/")
    return float(over) / float(under) if slash else float(over)


_OPTIONS = (
    click.option(
        "--preprocess",
        type=_PATH,
        default=None,
        metavar="FILE",
        help="How pictures become the input, as TOML with the keys colors, resize, interpolation, crop, scale, mean, "
        "std and layout; the options below change single keys.",
    ),
    click.option(
        "--colors",
        type=click.Choice(["RGB", "BGR", "L"], case_sensitive=False),
        default=None,
        help="Colors of a picture, in this order; L is grey.  [default: RGB]",
    ),
    click.option("--resize", type=Size(), default=None, help="Resize pictures: the shorter side, or height x width."),
    click.option(
        "--interpolation",
        type=click.Choice(["bilinear", "bicubic", "nearest", "lanczos"]),
        default=None,
        help="How pictures are resized.  [default: bilinear]",
    ),
    click.option("--crop", type=Size(), default=None, help="Cut this out of the middle: a side, or height x width."),
    click.option(
        "--scale", type=Numbers(), default=None, help="Value = (pixel x SCALE - MEAN) / STD.  [default: 1/255]"
    ),
    click.option("--mean", type=Numbers(), default=None, help="One number, or one for each color.  [default: 0]"),
    click.option("--std", type=Numbers(), default=None, help="One number, or one for each color.  [default: 1]"),
    click.option(
        "--layout",
        type=click.Choice(["NCHW", "NHWC"], case_sensitive=False),
        default=None,
        help="Order of the input's dimensions.  [default: NCHW]",
    ),
)
_KEYS = ("colors", "resize", "interpolation", "crop", "scale", "mean", "std", "layout")


def preprocessing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command these options; its argument `preprocessing` is what they say, None where none is given."""

    @wraps(command)
    def call(*words: Any, **options: Any) -> Any:
        file = options.pop("preprocess")
        given = {key: value for key in _KEYS if (value := options.pop(key)) is not None}
        return command(*words, preprocessing=_stated(file, given), **options)

    for option in reversed(_OPTIONS):
        call = option(call)
    return call


def _stated(file: Path | None, given: Mapping[str, Any]) -> "Preprocessing | None":
    if file is None and not given:
        return None
    from dataclasses import replace

    from lithify.preprocessing import Preprocessing, from_toml

    values = dict(given)
    if "scale" in values:
        numbers = values["scale"]
        values["scale"] = numbers[0] if len(numbers) == 1 else numbers
    return replace(from_toml(file) if file is not None else Preprocessing(), **values)
