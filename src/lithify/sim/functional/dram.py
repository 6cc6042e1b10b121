"""Which bytes of DRAM a LOAD or STORE touches, and whether two of them meet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.isa.encoding import Instruction
from lithify.isa.operations import Queue
from lithify.sim.functional.transfer import dram_end


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to `end` behind a base register; between them `instruction` says which."""

    base: int
    start: int
    end: int
    instruction: Instruction


def dram_span(instruction: Instruction) -> Span | None:
    """The span of a LOAD or STORE; None for other instructions."""
    if instruction.operation.queue not in (Queue.LOAD, Queue.STORE):
        return None
    return Span(instruction.integer("base"), instruction.integer("offset"), dram_end(instruction), instruction)


def spans_meet(a: Span, b: Span) -> bool:
    """Whether two transfers touch a common byte. Different bases point to different memory."""
    if a.base != b.base or a.start >= b.end or b.start >= a.end:
        return False
    starts = _row_starts(a.instruction)
    ends = starts + a.instruction.integer("row_bytes")
    # Rows of one transfer are equally long, so sorted starts mean sorted ends.
    for start in _row_starts(b.instruction):
        first = int(np.searchsorted(ends, start, side="right"))
        if first < starts.size and starts[first] < start + b.instruction.integer("row_bytes"):
            return True
    return False


def _row_starts(instruction: Instruction) -> NDArray[np.int64]:
    value = instruction.integer
    plane = np.arange(value("planes"), dtype=np.int64) * value("plane_stride")
    row = np.arange(value("rows"), dtype=np.int64) * value("row_stride")
    return np.unique(value("offset") + plane[:, None] + row[None, :])
