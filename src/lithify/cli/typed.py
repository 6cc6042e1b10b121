"""The base of what a text of the command line becomes."""

from typing import TYPE_CHECKING, Generic, TypeVar

import click

Value = TypeVar("Value")

if TYPE_CHECKING:
    Typed = click.ParamType
else:

    class Typed(click.ParamType, Generic[Value]):
        """A kind of value: not every release of click that is allowed lets a kind say what it gives."""
