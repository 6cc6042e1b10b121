"""How long a vector instruction takes: a sum over its micro-operations, which no value changes."""

from lithify.chip.vector import DRAIN, FIRST, TABLE
from lithify.isa.encoding import Instruction


def retirement(entry: Instruction) -> int:
    """Cycles from the start of a VECTOR instruction to its retirement.

    A row's cycles are read from the instruction, which says what its program adds up to: the program itself is data.
    The functional simulator refuses an instruction that says anything else.
    """
    program = entry.integer("operations") + TABLE * entry.integer("table")
    return program + FIRST + entry.integer("rows") * entry.integer("row_cycles") + DRAIN
