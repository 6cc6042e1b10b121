"""Which modules of a chip's Verilog are memories that a kit's macros replace."""

from lithify.chip import Chip
from lithify.chip.memories import VECTOR_MEMORIES, memories
from lithify.rtl.scratchpad import bank_name
from lithify.silicon.synthesis import Memory

SINGLE_PORT = ("scratchpad", *VECTOR_MEMORIES)
"""The memories that are single-port banks; all others are small, and flip-flops."""


def chip_banks(chip: Chip) -> tuple[Memory, ...]:
    """The modules of a chip's single-port memories, each once: scratchpad banks, and those of the vector unit."""
    found = (memory for memory in memories(chip) if memory.name in SINGLE_PORT)
    return tuple(dict.fromkeys(Memory(bank_name(entry.words, entry.bits), entry.words, entry.bits) for entry in found))
