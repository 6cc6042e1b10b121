"""Square millimetres of a chip on IHP SG13G2 (130 nm), modelled: gates times a NAND2, and the memory macros.

Every figure that comes from here is to be marked "modelled". Before layout: no wires, no free space between cells.
"""

from dataclasses import dataclass

from lithify.chip.description import Chip
from lithify.chip.gates import DEEPEST, gate_count
from lithify.chip.memories import VECTOR_MEMORIES, memories

NAND2_UM2 = 7.2576
"""A NAND2 of SG13G2's cells."""

GATES_ERROR = 0.10
"""Of the gates' area: what `benchmarks/area.py` allows the model to be off from synthesis."""

MACRO_ERROR = 0.01
"""Of a macro's area: what the formula of `macro_um2` is off at most, on the seven macros that synthesis uses."""

MACRO_BITS = (32, 64)
MACRO_WORDS = (64, 256, DEEPEST)
"""Widths and depths of single-port macros that are fast enough for 200 MHz, a fifth for wires included: those of 1024
words take 5.6 ns. 64 words come 64 bits wide alone."""


@dataclass(frozen=True)
class Area:
    """Square millimetres: standard cells, and memory macros."""

    cells: float
    macros: float

    @property
    def mm2(self) -> float:
        """All of them."""
        return self.cells + self.macros

    @property
    def error(self) -> float:
        """The part that the whole may be off, from those of its parts."""
        return (GATES_ERROR * self.cells + MACRO_ERROR * self.macros) / self.mm2


def area(chip: Chip) -> Area:
    """The area of a chip, before layout."""
    macros = sum(
        memory.count * tiling_um2(memory.words, memory.bits)
        for memory in memories(chip)
        if memory.name in ("scratchpad", *VECTOR_MEMORIES)
    )
    return Area(gate_count(chip) * NAND2_UM2 / 1e6, macros / 1e6)


def tiling_um2(words: int, bits: int) -> float:
    """The least area of macros that make a memory: side by side for the width, above each other for the depth."""
    return min(
        -(-bits // width) * -(-words // depth) * macro_um2(depth, width)
        for width in MACRO_BITS
        for depth in MACRO_WORDS
        if depth > min(MACRO_WORDS) or width == max(MACRO_BITS)
    )


def macro_um2(words: int, bits: int) -> float:
    """A single-port macro: cells, a column's sense amplifiers, a word's driver, control; fitted to the kit's areas."""
    return words * (3.26 * bits + 13.8) + 531 * bits + 2_260
