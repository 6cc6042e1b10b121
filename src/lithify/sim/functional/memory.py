"""The scratchpad and the DRAM of a run, and where in them an access lies."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa.addresses import Addresses, weight_addresses
from lithify.isa.checks import refuse
from lithify.isa.encoding import Instruction

Places = slice | NDArray[np.intp]
"""Words of a memory, in order; a slice where they are consecutive, which is an access without an index."""

Words = NDArray[np.void]
"""Whole words, each one element: they are gathered and scattered many times faster than rows of bytes."""


class Scratchpad:
    """Words of int8 bytes, filled with a seeded pattern: reading a word that nothing wrote shows as a wrong result.

    words: [words + 1] elements of word bytes; the last is no word of the chip but what a coordinate outside the input
    reads. data: the same memory as bytes, [words + 1, word bytes].
    """

    def __init__(self, chip: Chip, seed: int) -> None:
        generator = np.random.default_rng(seed)
        pattern = generator.bytes((chip.words + 1) * chip.word_bytes)
        self.data: NDArray[np.int8] = np.frombuffer(pattern, dtype=np.int8).reshape(-1, chip.word_bytes).copy()
        self.words = as_words(self.data, chip.word_bytes)

    def read(self, places: Places) -> Words:
        """The words at these places; a view where they are consecutive."""
        return self.words[places] if isinstance(places, slice) else self.words.take(places)


def as_words(data: NDArray[np.int8] | NDArray[np.uint8], word_bytes: int) -> Words:
    """The bytes of a contiguous array as whole words: [words]; bytes of an unfinished last word are left out."""
    flat = data.reshape(-1)
    words: Words = flat[: flat.size // word_bytes * word_bytes].view(f"V{word_bytes}")
    return words


def places(addresses: Addresses | NDArray[np.int64]) -> Places:
    """Word addresses, in their order."""
    flat = addresses.reshape(-1).astype(np.intp)
    if flat.size and flat[-1] - flat[0] == flat.size - 1 and (flat.size < 2 or bool((np.diff(flat) == 1).all())):
        return slice(int(flat[0]), int(flat[-1]) + 1)
    return flat


def check_words(chip: Chip, index: int, instruction: Instruction, addresses: Addresses, role: str) -> None:
    """Raises LithifyError if an address is beyond the scratchpad; role: what is done there, for the error."""
    if addresses.size and int(addresses.max()) >= chip.words:
        raise _beyond(chip, index, instruction, int(addresses.max()), role)


def block(chip: Chip, index: int, instruction: Instruction, start: int, count: int, role: str) -> slice:
    """`count` consecutive words from `start`, checked as by `check_words`."""
    if start + count > chip.words:
        raise _beyond(chip, index, instruction, start + count - 1, role)
    return slice(start, start + count)


def weights_at(chip: Chip, index: int, instruction: Instruction, first: int, count: int, role: str) -> Places:
    """`count` words of the weights from number `first` on (`isa.addresses.weight_addresses`), checked as by
    `check_words`.
    """
    if chip.weight_ports == 1:
        return block(chip, index, instruction, instruction.integer("weight_address") + first, count, role)
    addresses = weight_addresses(chip, instruction, first, count)
    check_words(chip, index, instruction, addresses, role)
    return addresses.astype(np.intp)


def _beyond(chip: Chip, index: int, instruction: Instruction, word: int, role: str) -> Exception:
    problem = f"{role} at scratchpad word {word}"
    return refuse(index, instruction, problem, f"chip '{chip.name}' has {chip.words} words")


def dram_of(
    index: int, instruction: Instruction, dram: Mapping[int, NDArray[np.uint8]], base: int, end: int
) -> NDArray[np.uint8]:
    """The DRAM behind a base register, after checking that bytes up to `end` exist."""
    memory = dram.get(base)
    if memory is None:
        known = ", ".join(str(int(entry)) for entry in dram) or "none"
        raise refuse(index, instruction, f"uses base register {base}", f"only these are set: {known}")
    if end > memory.size:
        problem = f"reaches byte {end - 1} from base register {base}"
        raise refuse(index, instruction, problem, f"there are {memory.size} bytes")
    return memory
