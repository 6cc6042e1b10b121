"""Where the values of a vector program come from: what the inputs of its function are, and where values are."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from lithify.reference.float32 import REDUCTIONS
from lithify.reference.written import Step, Written


@dataclass(frozen=True)
class Streamed:
    """An input that is read element by element: times `scale`, a float32 number (of int8: its scale)."""

    stream: int
    scale: float = 1.0


Source = Streamed | float
"""What an input of a function is: elements, or a number."""


@dataclass
class Place:
    """Where a value is: a constant, a register, a scalar, a stream that is read again wherever it is an operand.

    by_strip: it is the first of a register for each strip.
    """

    constant: float | None = None
    register: int | None = None
    scalar: int | None = None
    stream: int | None = None
    by_strip: bool = False

    @property
    def number(self) -> float:
        """The constant of a place that is one."""
        assert self.constant is not None
        return self.constant

    @property
    def bits(self) -> bytes:
        """Of the constant: 0 and -0 are two."""
        return struct.pack("<f", self.number)


_EITHER = ("multiply", "add", "subtract", "maximum", "minimum", "equal")
"""Steps whose operands can be exchanged, if need be with the operation turned round."""
_FIRST = ("less", "signed", "scale", "round", "exponent", "significand", "absolute", "negate", *REDUCTIONS)
"""Steps whose first operand is the first of the micro-operation too."""


def directly(function: Written, sources: Mapping[str, Source]) -> set[str]:
    """The inputs that are read where they are used: never two at once, and as the first operand, which alone can be a
    stream.
    """
    found: set[str] = set()
    for name, source in sources.items():
        if isinstance(source, Streamed) and source.scale == 1:
            if all(_alone(name, step, found) for step in function.steps):
                found.add(name)
    return found


def _alone(name: str, step: Step, streams: set[str]) -> bool:
    if name not in step.operands:
        return True
    others = list(step.operands)
    others.remove(name)
    if any(op in streams or op == name for op in others):
        return False
    first = step.operands[1 if step.instruction == "select" else 0] == name
    return step.instruction in _EITHER or (step.instruction in (*_FIRST, "select") and first)
