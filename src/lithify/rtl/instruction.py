"""The instruction table as Amaranth layouts: the RTL's decoder has no field positions of its own."""

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from lithify.isa.operations import Operation


def layout(operation: Operation) -> data.StructLayout:
    """The fields of an operation in the order of the table; its low bits are the instruction's first bytes."""
    members: dict[str, Shape] = {
        field.name: signed(field.bits) if field.kind == "signed" else unsigned(field.bits) for field in operation.fields
    }
    return data.StructLayout(members)
