"""Where instructions and bases lie in DRAM when a segment runs: the same for every device, for bursts break at 4 KB."""

from collections.abc import Mapping
from dataclasses import dataclass

from lithify.isa.program import Base, ChipSegment, Program

PAGE = 4096


@dataclass(frozen=True)
class Layout:
    """DRAM addresses in bytes, multiples of 4096. program: of the segment's instructions; bases: by base register;
    size: of all.
    """

    program: int
    bases: Mapping[Base, int]
    size: int


def dram_layout(program: Program, segment: ChipSegment) -> Layout:
    """Instructions first, then the bases in their order. Base.APPEND is Base.CACHE, as with an empty cache."""
    end = _pages(segment.size)
    bases: dict[Base, int] = {}
    for base in Base:
        if base is Base.APPEND:
            continue
        bases[base] = end
        constants = len(program.constants) if base is Base.CONSTANTS else 0
        end += _pages(max(program.base_bytes.get(base, 0), constants))
    bases[Base.APPEND] = bases[Base.CACHE]
    return Layout(0, bases, end)


def _pages(size: int) -> int:
    return -(-max(size, 1) // PAGE) * PAGE
