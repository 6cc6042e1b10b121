"""The instruction table as Amaranth layouts: the RTL's decoder has no field positions of its own."""

from collections.abc import Iterable

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from lithify.chip import Chip
from lithify.isa.operations import Field, Operation

SECOND_PORT = "weight_banks"
"""The field that only a chip of two weight ports holds; the last of its operations."""

LIST = ("listed", "list_base")
"""The fields that only a chip with the unit "gather" holds; behind them in LOAD is only what no chip does."""

UNREAD = "table"
"""What no chip holds of a LOAD; its last field. (VECTOR's field of this name is another.)"""


def layout(operation: Operation, chip: Chip | None = None) -> data.StructLayout:
    """The fields of an operation in the order of the table; its low bits are the instruction's first bytes.

    chip: with what this chip alone has of them; None: what every chip has.
    """
    left_out = set() if chip is not None and chip.weight_ports > 1 else {SECOND_PORT}
    if operation.name == "LOAD":
        left_out |= {UNREAD, *(() if chip is not None and chip.has("gather") else LIST)}
    return layout_of(field for field in operation.fields if field.name not in left_out)


def layout_of(fields: Iterable[Field]) -> data.StructLayout:
    """Fields one after the other, the first in the low bits."""
    members: dict[str, Shape] = {
        field.name: signed(field.bits) if field.kind == "signed" else unsigned(field.bits) for field in fields
    }
    return data.StructLayout(members)
