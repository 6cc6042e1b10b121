"""The way to a simulated chip: AXI4-Lite for its registers, an array of the host for its DRAM, its interrupt line."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lithify.chip import Chip
from lithify.isa.link import fingerprint
from lithify.rtl.simulation import Session, build
from lithify.rtl.simulation.session import SLICE
from lithify.runtime.chip import verilog_of

MEMORY_BYTES = 2**31
"""DRAM of a simulated chip. The system gives it memory page by page, as it is written."""


class RtlBus:
    """A chip's Verilog, simulated, from reset to `close`. memory_bytes: of its DRAM."""

    def __init__(self, chip: Chip, library: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self.place = "the simulation"
        self.memory_bytes = memory_bytes
        self.fingerprint = fingerprint(chip)
        self._chip, self._library = chip, library
        self._dram = np.zeros(memory_bytes, np.uint8)
        self._session = self._power_on()

    @classmethod
    def of(cls, chip: Chip, note: Callable[[str], None] | None = None) -> "RtlBus":
        """Builds the chip's simulator, or finds it in the cache; `note` hears what takes long."""
        files = verilog_of(chip)
        return cls(chip, build(files, next(iter(files)).removesuffix(".v"), progress=note).library)

    def read_registers(self, offset: int, words: int) -> tuple[int, ...]:
        """One read of the bus each."""
        return tuple(self._session.read(offset + 4 * word) for word in range(words))

    def write_register(self, offset: int, value: int) -> None:
        """One write of the bus."""
        self._session.write(offset, value)

    def read_memory(self, address: int, size: int) -> bytes:
        """From the array."""
        return self._dram[address : address + size].tobytes()

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        """Into the array."""
        self._dram[address : address + len(data)] = np.frombuffer(data, np.uint8)

    def wait(self, seconds: float) -> bool:
        """Clocks the chip; how long it has taken is looked at about once a second."""
        until = time.monotonic() + seconds
        while not self._session.advance(SLICE):
            if time.monotonic() > until:
                return False
        return True

    def reset(self) -> bool:
        """The chip as after power-on; the array stays."""
        self._session.close()
        self._session = self._power_on()
        return True

    def close(self) -> None:
        """Frees the simulated chip."""
        self._session.close()

    def _power_on(self) -> Session:
        return Session(self._library, self._dram, bytes_per_cycle=self._chip.dram_bytes_per_cycle)
