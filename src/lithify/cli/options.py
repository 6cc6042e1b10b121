"""Options that several commands share, and how their text is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lithify.cli.typed import Typed

PATH = click.Path(path_type=Path)


class Shape(Typed[tuple[str, tuple[int, ...]]]):
    """`name=1,3,32,32`: the shape to compile an input for, batch included."""

    name = "NAME=1,3,32,32"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        if isinstance(value, tuple):
            return value
        name, sign, sizes = str(value).rpartition("=")
        parts = sizes.replace("x", ",").split(",")
        if not sign or not name or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            self.fail(
                f"'{value}' is no shape: write the input's name, '=' and its sizes, as in input=1,3,32,32.", param, ctx
            )
        return name, tuple(int(part) for part in parts)


class InputRange(Typed[tuple[str, tuple[float, float]]]):
    """`name=0,255`: the least and the greatest value of an input."""

    name = "NAME=LOW,HIGH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[float, float]]:
        if isinstance(value, tuple):
            return value
        name, sign, numbers = str(value).rpartition("=")
        try:
            low, high = (float(part) for part in numbers.split(","))
            if not sign or not name or not low < high:
                raise ValueError
        except ValueError:
            self.fail(
                f"'{value}' is no range: write the input's name, '=', the least and the greatest value, as in "
                "input=0,255.",
                param,
                ctx,
            )
        return name, (low, high)


class State(Typed[tuple[str, str]]):
    """`h=h_out`: an input, and the output that it was in the run before."""

    name = "INPUT=OUTPUT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, _, output = str(value).partition("=")
        if not name or not output:
            self.fail(f"'{value}' is no state: write an input's name, '=' and an output's, as in h=h_out.", param, ctx)
        return name, output


class Vary(Typed[tuple[str, tuple[int, ...]]]):
    """`rows=8,16`: a parameter, and the values to try."""

    name = "NAME=VALUES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        if isinstance(value, tuple):
            return value
        name, _, values = str(value).partition("=")
        parts = [part.strip() for part in values.split(",")]
        if not name or not all(part.isdigit() for part in parts):
            self.fail(f"'{value}' is no choice: write a parameter, '=' and its values, as in rows=8,16.", param, ctx)
        return name, tuple(int(part) for part in parts)


def shapes(given: tuple[tuple[str, tuple[int, ...]], ...]) -> dict[str, tuple[int, ...]]:
    """The mapping that `lithify.load` takes."""
    return dict(given)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
chip = click.option(
    "--chip", default=None, metavar="NAME|FILE", help="A preset or a chip description (.toml).  [default: edge]"
)
data = click.option(
    "--data",
    type=PATH,
    default=None,
    metavar="PATH",
    help="Samples (.npz, .npy or a folder of pictures) to calibrate and judge with; without it: seeded random input, "
    "accuracy not measured.",
)
shape = click.option(
    "--shape", "shape", type=Shape(), multiple=True, help="Shape of an input whose sizes the model leaves open."
)
strict = click.option(
    "--strict", is_flag=True, help="Refuse a network that needs the host for more than a final Softmax."
)
method = click.option(
    "--method",
    type=click.Choice(["minmax", "percentile", "entropy", "mse", "auto"]),
    default="minmax",
    help="How calibration finds ranges; auto takes what comes closest to the float model.  [default: minmax]",
)
keep_float = click.option(
    "--keep-float", multiple=True, metavar="LAYER", help="A layer that stays float, on the host; may be repeated."
)
bias_correction = click.option(
    "--bias-correction/--no-bias-correction",
    default=None,
    help="Take the mean error of rounded weights out of the biases.  [default: no; with --method auto: what is best]",
)
equalize = click.option(
    "--equalize/--no-equalize",
    default=None,
    help="Scale channels between layers until their weights are of like size.  [default: as --bias-correction]",
)
input_ranges = click.option(
    "--input-range",
    "input_ranges",
    type=InputRange(),
    multiple=True,
    help="Range of an input that is known, whatever the samples hold; may be repeated.",
)


def quantizer(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `quantize`, which every command takes that quantises."""
    for option in (input_ranges, keep_float, equalize, bias_correction, method):
        command = option(command)
    return command


state = click.option(
    "--state",
    type=State(),
    multiple=True,
    help="An input that is, in each run, what an output was in the run before: programs compiled from the model keep "
    "it on the chip. May be repeated.",
)
seed = click.option("--seed", type=click.IntRange(0), default=0, help="Seed of random input.  [default: 0]")
rtl = click.option(
    "--rtl",
    type=click.Choice(["full", "layers", "none"]),
    default="full",
    help="What runs in RTL: all inputs, one input through all layers, or nothing.  [default: full]",
)
inputs = click.option(
    "--inputs",
    type=click.IntRange(8),
    default=8,
    help="Inputs to verify with, extremes included; at least 8.  [default: 8]",
)

tensorboard = click.option(
    "--tensorboard", type=PATH, default=None, metavar="FOLDER", help="Also write files that TensorBoard shows."
)


def output(required: bool = False, what: str = "Where to write.") -> Decorator:
    """-o, --output: a file, which must be possible to make."""
    return click.option(
        "-o", "--output", type=PATH, required=required, default=None, metavar="PATH", help=what, callback=writable
    )


def folder(what: str) -> Decorator:
    """-o, --output: a folder."""
    return click.option("-o", "--output", type=PATH, default=None, metavar="FOLDER", help=what)


def writable(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Refuses, before any work, a file that cannot be made."""
    if value is not None:
        from lithify.folder import check_writable

        check_writable(value)
    return value


def page(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option that also writes a page."""
    return click.option("--html", type=PATH, default=None, metavar="FILE", callback=writable, help=what)
