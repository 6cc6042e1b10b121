"""A chip with its own DRAM as a device: programs stay there, inputs go and outputs come."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.layout import PAGE
from lithify.isa.link import fingerprint
from lithify.isa.program import Base, ChipSegment, Program
from lithify.runtime.device import DeviceResult
from lithify.runtime.driver import Driver, Request
from lithify.runtime.states import appended


@dataclass(frozen=True)
class _Resident:
    """A program in the chip's DRAM. start: of its room; bases, instructions: addresses."""

    program: Program
    start: int
    bases: Mapping[Base, int]
    instructions: int


class DrivenDevice:
    """A chip that a driver reaches: ``with DrivenDevice(Driver(bus), "fpga") as device: run(program, inputs, device)``

    Constants and instructions go to the chip once; the programs used longest ago give way where DRAM ends.
    """

    def __init__(self, driver: Driver, name: str) -> None:
        self.name = name
        self._driver = driver
        self._resident: dict[int, _Resident] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Gives the way to the chip back."""
        self._driver.bus.close()

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """Runs the segment from doorbell to end; the segment's outputs in `dram` are then what the chip stored.

        Raises LithifyError for a program of another chip, one that is larger than the chip's DRAM, and as the driver.
        """
        there, bus = self._load(program), self._driver.bus
        for placement in segment.inputs:
            if placement.base is not Base.CONSTANTS:
                block = dram[placement.base][placement.offset : placement.offset + placement.bytes]
                bus.write_memory(there.bases[placement.base] + placement.offset, block.tobytes())
        for entry in segment.lists:
            listed = dram[Base.INPUTS][entry.offset : entry.offset + 4 * len(entry.places)]
            bus.write_memory(there.bases[Base.INPUTS] + entry.offset, listed.tobytes())
        bases = {**there.bases, Base.APPEND: there.bases[Base.CACHE] + appended(dram)}
        counters = self._driver.run(Request(there.instructions + segment.start, segment.size, bases, skip))
        for placement in segment.outputs:
            stored = bus.read_memory(there.bases[placement.base] + placement.offset, placement.bytes)
            block = dram[placement.base][placement.offset : placement.offset + placement.bytes]
            block[:] = np.frombuffer(stored, np.uint8)
        return DeviceResult(cycles=counters.pop("CYCLES"), counters=counters)

    def _load(self, program: Program) -> _Resident:
        """The program where it lies in the chip's DRAM, brought there if it does not."""
        there = self._resident.pop(id(program), None)
        if there is None:
            there = self._bring(program)
        self._resident[id(program)] = there  # the one used last is the last
        return there

    def _bring(self, program: Program) -> _Resident:
        bus = self._driver.bus
        if bus.fingerprint != fingerprint(program.chip):
            raise LithifyError(
                f"{bus.place.capitalize()} holds another chip than the program's, '{program.chip.name}': compile the "
                "network for the chip that is there (of a board, the chip.toml that `lithify fpga` wrote beside the "
                "bitstream), or put the program's chip there."
            )
        end, offsets = 0, dict[Base, int]()
        for base in Base:
            if base is Base.APPEND:
                continue  # a part of another
            offsets[base] = end
            constants = len(program.constants) if base is Base.CONSTANTS else 0
            end += -(-max(program.base_bytes.get(base, 0), constants) // PAGE) * PAGE
        # A burst of instructions reads ahead to the end of its page, never beyond.
        size = end + -(-len(program.instructions) // PAGE) * PAGE
        start = self._room(program, size)
        bus.write_memory(start + end, program.instructions)
        bus.write_memory(start, program.constants)
        return _Resident(program, start, {base: start + offset for base, offset in offsets.items()}, start + end)

    def _room(self, program: Program, size: int) -> int:
        memory, bus = self._driver.memory, self._driver.bus
        if size > memory.size:
            raise LithifyError(
                f"The program '{program.name}' takes {size:,} bytes of DRAM, and {bus.place}'s memory has "
                f"{memory.size:,}; take a smaller network, or a chip with more memory (of a board, `lithify fpga "
                "--memory`: the KB of block RAM, or sdram where the board has that)."
            )
        while (start := memory.allocate(size)) is None:
            oldest = next(iter(self._resident))
            memory.free(self._resident.pop(oldest).start)
        return start
