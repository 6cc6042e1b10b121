"""How long a vector instruction takes: a sum over its micro-operations, which no value changes."""

from lithify.chip.vector import DIVISION, DRAIN, FIRST, SCALAR, VectorShape
from lithify.isa.vector import Micro, Second, VectorInstruction


def micro_cycles(shape: VectorShape, entry: Micro) -> int:
    """Cycles from the start of a micro-operation to that of the next."""
    if entry.second is Second.DIVIDE:
        return DIVISION
    if not entry.lane:
        return SCALAR
    return shape.period + entry.folded // shape.lanes


def retirement(shape: VectorShape, instruction: VectorInstruction) -> int:
    """Cycles from the start of the instruction to its retirement."""
    row, inside = 0, False
    for entry in instruction.operations:
        inside |= bool(entry.first)
        row += micro_cycles(shape, entry) * (instruction.strips if inside else 1)
        inside &= not entry.last
    return len(instruction.operations) + FIRST + instruction.rows * row + DRAIN
