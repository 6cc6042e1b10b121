"""LOAD and STORE: rows of bytes between DRAM and scratchpad words (docs/architecture.md, section 3)."""

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from lithify.isa.addresses import Addresses
from lithify.isa.checks import refuse
from lithify.isa.encoding import Instruction
from lithify.sim.functional.memory import Scratchpad, dram_of

Dram = Mapping[int, NDArray[np.uint8]]


def row_addresses(instruction: Instruction, word_bytes: int) -> Addresses:
    """Scratchpad addresses of a transfer: [planes, rows, words of a row] int32."""
    value = instruction.integer
    plane = np.arange(value("planes"), dtype=np.int32) * value("plane_words")
    row = np.arange(value("rows"), dtype=np.int32) * value("row_words")
    word = np.arange(-(-value("row_bytes") // word_bytes), dtype=np.int32)
    addresses: Addresses = value("address") + plane[:, None, None] + row[None, :, None] + word
    return addresses


def dram_end(instruction: Instruction) -> int:
    """Byte after the last one of a transfer, from its base register."""
    value = instruction.integer
    rows = (value("planes") - 1) * value("plane_stride") + (value("rows") - 1) * value("row_stride")
    return value("offset") + rows + value("row_bytes")


def load(index: int, instruction: Instruction, scratchpad: Scratchpad, dram: Dram) -> None:
    """Copies rows from DRAM into whole scratchpad words, the last word's tail filled."""
    value = instruction.integer
    word_bytes = scratchpad.chip.word_bytes
    memory = dram_of(index, instruction, dram, dram_end(instruction))
    addresses = row_addresses(instruction, word_bytes)
    scratchpad.check(index, instruction, addresses, "writes")
    rows = as_strided(
        memory.view(np.int8)[value("offset") :],
        (value("planes"), value("rows"), value("row_bytes")),
        (value("plane_stride"), value("row_stride"), 1),
        writeable=False,
    )
    data = np.full((*addresses.shape[:2], addresses.shape[2] * word_bytes), value("fill"), dtype=np.int8)
    data[:, :, : value("row_bytes")] = rows
    # Where a program lets rows overlap the later one stays, as on the chip.
    scratchpad.words[addresses.ravel()] = data.reshape(-1, word_bytes)


def store(index: int, instruction: Instruction, scratchpad: Scratchpad, dram: Dram) -> None:
    """Copies rows of whole scratchpad words to DRAM."""
    value = instruction.integer
    word_bytes = scratchpad.chip.word_bytes
    memory = dram_of(index, instruction, dram, dram_end(instruction))
    if not memory.flags.writeable:
        problem = f"writes behind base register {value('base')}"
        raise refuse(index, instruction, problem, "that memory is read-only")
    addresses = row_addresses(instruction, word_bytes)
    scratchpad.check(index, instruction, addresses, "reads")
    plane = np.arange(value("planes")) * (value("plane_stride") // word_bytes)
    row = np.arange(value("rows")) * (value("row_stride") // word_bytes)
    word = np.arange(addresses.shape[2])
    target = value("offset") // word_bytes + plane[:, None, None] + row[None, :, None] + word
    whole = memory[: memory.size // word_bytes * word_bytes].view(np.int8).reshape(-1, word_bytes)
    whole[target.ravel()] = scratchpad.words[addresses.ravel()]
