"""The instruction table as Amaranth layouts: the RTL's decoder has no field positions of its own."""

from collections.abc import Iterable

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from lithify.isa.operations import Field, Operation


def layout(operation: Operation) -> data.StructLayout:
    """The fields of an operation in the order of the table; its low bits are the instruction's first bytes."""
    return layout_of(operation.fields)


def layout_of(fields: Iterable[Field]) -> data.StructLayout:
    """Fields one after the other, the first in the low bits."""
    members: dict[str, Shape] = {
        field.name: signed(field.bits) if field.kind == "signed" else unsigned(field.bits) for field in fields
    }
    return data.StructLayout(members)
