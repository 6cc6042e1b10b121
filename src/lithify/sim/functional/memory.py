"""The scratchpad and the DRAM of a run, with every access checked."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa.addresses import Addresses
from lithify.isa.checks import refuse
from lithify.isa.encoding import Instruction


class Scratchpad:
    """Words of int8 bytes, filled with a seeded pattern: reading a word that nothing wrote shows as a wrong result.

    words: [words + 1, word bytes]; the last row is no word of the chip but what a coordinate outside the input reads.
    """

    def __init__(self, chip: Chip, seed: int) -> None:
        self.chip = chip
        generator = np.random.default_rng(seed)
        self.words: NDArray[np.int8] = (
            np.frombuffer(generator.bytes((chip.words + 1) * chip.word_bytes), dtype=np.int8)
            .reshape(chip.words + 1, chip.word_bytes)
            .copy()
        )

    def check(self, index: int, instruction: Instruction, addresses: Addresses, role: str) -> None:
        """Raises LithifyError if an address is beyond the scratchpad; role: what is done there, for the error."""
        if addresses.size and int(addresses.max()) >= self.chip.words:
            problem = f"{role} at scratchpad word {int(addresses.max())}"
            raise refuse(index, instruction, problem, f"chip '{self.chip.name}' has {self.chip.words} words")

    def block(self, index: int, instruction: Instruction, start: int, count: int, role: str) -> NDArray[np.int8]:
        """`count` consecutive words from `start`: [count, word bytes]."""
        if start + count > self.chip.words:
            problem = f"{role} at scratchpad word {start + count - 1}"
            raise refuse(index, instruction, problem, f"chip '{self.chip.name}' has {self.chip.words} words")
        return self.words[start : start + count]


def dram_of(index: int, instruction: Instruction, dram: Mapping[int, NDArray[np.uint8]], end: int) -> NDArray[np.uint8]:
    """The DRAM behind the instruction's base register, after checking that bytes up to `end` exist."""
    base = instruction.integer("base")
    if base not in dram:
        known = ", ".join(str(int(entry)) for entry in dram) or "none"
        raise refuse(index, instruction, f"uses base register {base}", f"only these are set: {known}")
    memory = dram[base]
    if end > memory.size:
        problem = f"reaches byte {end - 1} from base register {base}"
        raise refuse(index, instruction, problem, f"there are {memory.size} bytes")
    return memory
