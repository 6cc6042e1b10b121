"""What stays in the chip's DRAM from run to run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.isa.program import Base, Program
from lithify.reference.positions import position_of
from lithify.runtime.memory import dram_of_program, pack, unpack

Memory = dict[Base, NDArray[np.uint8]]


def first_memory(program: Program, seed: int = 0) -> Memory:
    """The DRAM of a program that has not run: as `dram_of_program`, with every state 0.0."""
    memory = dram_of_program(program, seed)
    for state in program.states:
        info = program.tensors[state.placement.tensor]
        pack(np.full(info.shape, info.zero_point, np.int8), state.placement, memory[state.placement.base])
    return memory


def held(program: Program, memory: Memory) -> dict[str, NDArray[np.int8]]:
    """Every state's tensor, by its name."""
    places = [state.placement for state in program.states]
    return {place.tensor: unpack(place, program.tensors[place.tensor].shape, memory[place.base]) for place in places}


def appending(program: Program, memory: Memory, position: NDArray[Any] | None) -> Memory:
    """The DRAM as a run sees it: with Base.APPEND, what of Base.CACHE begins with the first new row.

    position: what the input `program.cache.position` holds. Raises LithifyError where the new rows do not fit.
    """
    cache = program.cache
    if cache is None or position is None:
        return memory
    rows = position_of(position, cache.rows, cache.added, cache.position)
    return {**memory, Base.APPEND: memory[Base.CACHE][rows * cache.pitch :]}


def rows_after(program: Program, memory: Memory) -> int | None:
    """Rows of the caches after a run that sees this DRAM; None for a program without caches."""
    cache = program.cache
    return None if cache is None else appended(memory) // cache.pitch + cache.added


def appended(memory: Mapping[Base, NDArray[np.uint8]]) -> int:
    """Bytes from Base.CACHE to Base.APPEND."""
    return memory[Base.CACHE].size - memory[Base.APPEND].size if Base.APPEND in memory else 0


def exchange(memory: Memory) -> None:
    """What the run left is what the next begins with."""
    memory[Base.STATE], memory[Base.NEXT] = memory[Base.NEXT], memory[Base.STATE]
