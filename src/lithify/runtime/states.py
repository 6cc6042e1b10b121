"""What stays in the chip's DRAM from run to run."""

import numpy as np
from numpy.typing import NDArray

from lithify.isa.program import Base, Program
from lithify.runtime.memory import dram_of_program, pack, unpack

Memory = dict[Base, NDArray[np.uint8]]


def first_memory(program: Program, seed: int = 0) -> Memory:
    """The DRAM of a program that has not run: as `dram_of_program`, with every state 0.0."""
    memory = dram_of_program(program, seed)
    for state in program.states:
        info = program.tensors[state.placement.tensor]
        pack(np.full(info.shape, info.zero_point, np.int8), state.placement, memory[Base.STATE])
    return memory


def held(program: Program, memory: Memory) -> dict[str, NDArray[np.int8]]:
    """Every state's tensor, by its name."""
    places = [state.placement for state in program.states]
    return {place.tensor: unpack(place, program.tensors[place.tensor].shape, memory[Base.STATE]) for place in places}


def exchange(memory: Memory) -> None:
    """What the run left is what the next begins with."""
    memory[Base.STATE], memory[Base.NEXT] = memory[Base.NEXT], memory[Base.STATE]
