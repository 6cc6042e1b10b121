"""Options that take a quantity with its unit."""

from typing import Any

import click

from lithify.cli.typed import Typed
from lithify.explore.quantity import Kind, quantity


class Quantity(Typed[float]):
    """A number with a unit, as in 2W, 20ms or 100k; it comes in SI units."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        return quantity(str(value), self.kind, param.opts[0] if param is not None else "The value")
