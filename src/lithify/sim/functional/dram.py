"""Which bytes of DRAM a LOAD or STORE touches, and whether two of them meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip.pipeline import LIST_BYTES
from lithify.isa.encoding import Instruction
from lithify.isa.lists import TABLE_BYTES
from lithify.isa.operations import Queue
from lithify.isa.program import Base
from lithify.sim.functional.transfer import dram_end

DRAM_BYTES = 1 << 40
"""What addresses reach."""


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to `end` behind a base register; between them `instruction` says which, None: all."""

    base: int
    start: int
    end: int
    instruction: Instruction | None


def dram_spans(instruction: Instruction) -> tuple[Span, ...]:
    """What a LOAD or STORE touches; nothing for other instructions. Of a table that a list leads into it is all."""
    if instruction.operation.queue not in (Queue.LOAD, Queue.STORE):
        return ()
    value = instruction.integer
    base, start = value("base"), value("offset")
    if instruction.operation.name == "LOAD" and value("listed"):
        listed = Span(value("list_base"), value("plane_stride"), value("plane_stride") + LIST_BYTES, None)
        return listed, Span(base, start, start + value("table") * TABLE_BYTES, None)
    return (Span(base, start, dram_end(instruction), instruction),)


def appended_spans(spans: Sequence[tuple[Span, ...]]) -> list[tuple[Span, ...]]:
    """The spans of a segment's instructions, those behind Base.APPEND as what they may be of Base.CACHE: from the first
    row of a cache to where rows are added to the next one.
    """
    begins = sorted({span.start for entry in spans for span in entry if span.base == Base.APPEND})
    ends = dict(zip(begins, (*begins[1:], DRAM_BYTES), strict=False))
    return [
        tuple(
            Span(int(Base.CACHE), span.start, ends[span.start], None) if span.base == Base.APPEND else span
            for span in entry
        )
        for entry in spans
    ]


def spans_meet(a: Span, b: Span) -> bool:
    """Whether two transfers touch a common byte. Different bases point to different memory."""
    if a.base != b.base or a.start >= b.end or b.start >= a.end:
        return False
    starts, length = _rows(a)
    others, other_length = _rows(b)
    ends = starts + length
    # Rows of one transfer are equally long, so sorted starts mean sorted ends.
    for start in others:
        first = int(np.searchsorted(ends, start, side="right"))
        if first < starts.size and starts[first] < start + other_length:
            return True
    return False


def _rows(span: Span) -> tuple[NDArray[np.int64], int]:
    """Where the rows of a span begin, in order, and how long they are."""
    if span.instruction is None:
        return np.array([span.start], np.int64), span.end - span.start
    return _row_starts(span.instruction), span.instruction.integer("row_bytes")


def _row_starts(instruction: Instruction) -> NDArray[np.int64]:
    value = instruction.integer
    plane = np.arange(value("planes"), dtype=np.int64) * value("plane_stride")
    row = np.arange(value("rows"), dtype=np.int64) * value("row_stride")
    return np.unique(value("offset") + plane[:, None] + row[None, :])
