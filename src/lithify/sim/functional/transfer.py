"""LOAD and STORE: rows of bytes between DRAM and scratchpad words (docs/architecture.md, section 3)."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa.addresses import Addresses
from lithify.isa.checks import refuse
from lithify.isa.encoding import Instruction
from lithify.isa.lists import ENTRY_BYTES, TABLE_BYTES, bursts_of, list_bytes
from lithify.sim.functional.memory import Places, as_words, check_words, dram_of, places
from lithify.sim.functional.state import State


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


@dataclass(frozen=True)
class Load:
    """Copies rows from DRAM into whole scratchpad words, the last word's tail filled.

    end: of its bytes in DRAM. shape: planes, rows, bytes; strides: in DRAM. row: bytes of a row's words.
    """

    index: int
    instruction: Instruction
    base: int
    offset: int
    end: int
    shape: tuple[int, int, int]
    strides: tuple[int, int, int]
    row: int
    fill: int
    target: Places

    @classmethod
    def of(cls, chip: Chip, index: int, instruction: Instruction, addresses: Addresses) -> Self:
        """addresses: `row_addresses`."""
        value = instruction.integer
        check_words(chip, index, instruction, addresses, "writes")
        shape = (value("planes"), value("rows"), value("row_bytes"))
        strides = (value("plane_stride"), value("row_stride"), 1)
        row = addresses.shape[2] * chip.word_bytes
        end = dram_end(instruction)
        fill, target = value("fill"), places(addresses)
        return cls(index, instruction, value("base"), value("offset"), end, shape, strides, row, fill, target)

    def run(self, state: State) -> None:
        """See `Step`."""
        memory = dram_of(self.index, self.instruction, state.dram, self.base, self.end)
        # A view of DRAM: its rows may overlap.
        rows: NDArray[np.int8] = np.ndarray(self.shape, np.int8, memory.data, self.offset, self.strides)
        data = np.ascontiguousarray(rows)
        if self.row != self.shape[2]:
            data = np.full((*self.shape[:2], self.row), self.fill, dtype=np.int8)
            data[:, :, : self.shape[2]] = rows
        pad = state.scratchpad
        # Where a program lets rows overlap the later one stays, as on the chip.
        pad.words[self.target] = as_words(data, pad.words.itemsize)


@dataclass(frozen=True)
class Gather:
    """As Load, of planes that a list in DRAM places: `list_base`, `list_place` say where it lies.

    steps: [rows, bytes] from where a plane begins. block: see `isa.lists.bursts_of`.
    """

    index: int
    instruction: Instruction
    chip: Chip
    steps: NDArray[np.int64]
    row: int
    target: Places

    @classmethod
    def of(cls, chip: Chip, index: int, instruction: Instruction, addresses: Addresses) -> Self:
        """addresses: `row_addresses`."""
        value = instruction.integer
        check_words(chip, index, instruction, addresses, "writes")
        row = np.arange(value("rows"), dtype=np.int64) * value("row_stride")
        steps = row[:, None] + np.arange(value("row_bytes"), dtype=np.int64)
        return cls(index, instruction, chip, steps, addresses.shape[2] * chip.word_bytes, places(addresses))

    def run(self, state: State) -> None:
        """See `Step`."""
        entries = self._entries(state)
        value = self.instruction.integer
        end = value("table") * TABLE_BYTES
        for entry in entries:
            if entry + int(self.steps[-1, -1]) >= end:
                problem = f"is led {entry} bytes into its table"
                raise refuse(self.index, self.instruction, problem, f"rows must lie within its {end} bytes")
        cuts = bursts_of(self.chip, self.instruction, np.append(entries, 0))
        for entry, cut in zip(entries, cuts[:-1], strict=True):
            if (cut != cuts[-1]).any():
                problem = f"is led {entry} bytes into its table"
                allowed = "rows must be cut into bursts there as they are at its begin"
                raise refuse(self.index, self.instruction, problem, allowed)
        memory = dram_of(self.index, self.instruction, state.dram, value("base"), value("offset") + end)
        data = np.full((len(entries), len(self.steps), self.row), value("fill"), np.int8)
        first = value("offset") + entries[:, None, None]
        data[:, :, : self.steps.shape[1]] = memory.view(np.int8)[first + self.steps]
        pad = state.scratchpad
        pad.words[self.target] = as_words(data, pad.words.itemsize)

    def _entries(self, state: State) -> NDArray[np.int64]:
        value = self.instruction.integer
        place = value("plane_stride")
        memory = dram_of(self.index, self.instruction, state.dram, value("list_base"), place + list_bytes(self.chip))
        return memory[place : place + value("planes") * ENTRY_BYTES].view("<u4").astype(np.int64)


@dataclass(frozen=True)
class Store:
    """Copies rows of whole scratchpad words to DRAM. target: words behind the base register."""

    index: int
    instruction: Instruction
    base: int
    end: int
    source: Places
    target: Places

    @classmethod
    def of(cls, chip: Chip, index: int, instruction: Instruction, addresses: Addresses) -> Self:
        """addresses: `row_addresses`."""
        value = instruction.integer
        check_words(chip, index, instruction, addresses, "reads")
        plane = np.arange(value("planes")) * (value("plane_stride") // chip.word_bytes)
        row = np.arange(value("rows")) * (value("row_stride") // chip.word_bytes)
        word = np.arange(addresses.shape[2])
        target = value("offset") // chip.word_bytes + plane[:, None, None] + row[None, :, None] + word
        return cls(index, instruction, value("base"), dram_end(instruction), places(addresses), places(target))

    def run(self, state: State) -> None:
        """See `Step`."""
        memory = dram_of(self.index, self.instruction, state.dram, self.base, self.end)
        if not memory.flags.writeable:
            problem = f"writes behind base register {self.base}"
            raise refuse(self.index, self.instruction, problem, "that memory is read-only")
        as_words(memory, state.scratchpad.words.itemsize)[self.target] = state.scratchpad.read(self.source)
