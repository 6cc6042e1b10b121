"""The driver: what real silicon needs of its host. Registers, doorbell, interrupt, counters, and a chip that hangs."""

from collections.abc import Mapping
from dataclasses import dataclass

from lithify.errors import LithifyError
from lithify.isa.operations import ISA_VERSION
from lithify.isa.program import Base
from lithify.isa.registers import BY_NAME, DEVICE_ID, ERRORS
from lithify.runtime.allocator import Allocator
from lithify.runtime.bus import Bus, ChipFailure

COUNTERS = ("CYCLES", "READ_BEATS", "WRITE_BEATS", "ARRAY_CYCLES")
"""What a chip counts from doorbell to end."""

START, ACKNOWLEDGE = 1, 2
ALIGNED = 128
"""Of instructions, their sizes and of bases, in bytes."""


@dataclass(frozen=True)
class Request:
    """A stretch of instructions to run. program, size: its address in DRAM and its bytes; bases: addresses in DRAM, by
    base register; skip: the register SKIP.
    """

    program: int
    size: int
    bases: Mapping[Base, int]
    skip: int = 0


class Driver:
    """One chip behind a bus. limit: seconds that a request may take before the chip counts as hung."""

    def __init__(self, bus: Bus, limit: float = 60.0) -> None:
        self.bus, self.limit = bus, limit
        self.memory = Allocator(bus.memory_bytes)
        found, version = self._read("ID"), self._read("VERSION")
        if found != DEVICE_ID:
            raise ChipFailure(
                f"What answers behind {bus.place} is no chip of Lithify: its register ID reads {found:#010x}."
            )
        if version != ISA_VERSION:
            raise LithifyError(
                f"The chip behind {bus.place} has version {version} of the instruction set, and this Lithify version "
                f"{ISA_VERSION}; make the chip again, or install its Lithify."
            )

    def run(self, request: Request) -> dict[str, int]:
        """From doorbell to end: the chip's counters.

        Raises LithifyError where the chip reports an error, ChipFailure where it has not finished after `limit`
        seconds. It is reset after either, where the bus can, and takes the next request.
        """
        for value in (request.program, request.size, *request.bases.values()):
            if value % ALIGNED:
                raise LithifyError(f"The address or size {value:#x} is not a multiple of {ALIGNED} bytes.")
        self._write_wide("PROGRAM", request.program)
        self._write("PROGRAM_BYTES", request.size)
        for base, address in request.bases.items():
            self._write_wide(f"BASE{int(base)}", address)
        self._write("SKIP", request.skip)
        self._write("INTERRUPT_ENABLE", 1)
        # Should the doorbell be rung twice, because an answer was lost: a busy chip does not hear it, and one that has
        # finished computes the same again.
        self._write("CONTROL", START)
        if not self.bus.wait(self.limit):
            recovered = self.bus.reset()
            raise ChipFailure(
                f"The chip of {self.bus.place} had not finished after {self.limit:g} seconds; "
                + ("it was reset." if recovered else "program the board again, which resets it."),
                recovered,
            )
        error = self._read("ERROR")
        counters = {name: self._read_wide(name) for name in COUNTERS}
        self._write("CONTROL", ACKNOWLEDGE)
        if error:
            self.bus.reset()
            causes = "; ".join(text for bit, text in enumerate(ERRORS) if error >> bit & 1)
            raise LithifyError(f"The chip of {self.bus.place} reports an error: {causes}; compile the network again.")
        return counters

    def _read(self, name: str) -> int:
        return self.bus.read_registers(BY_NAME[name].offset, 1)[0]

    def _read_wide(self, name: str) -> int:
        low, high = self.bus.read_registers(BY_NAME[f"{name}_LOW"].offset, 2)
        return low | high << 32

    def _write(self, name: str, value: int) -> None:
        self.bus.write_register(BY_NAME[name].offset, value)

    def _write_wide(self, name: str, value: int) -> None:
        self._write(f"{name}_LOW", value & 0xFFFFFFFF)
        self._write(f"{name}_HIGH", value >> 32)
