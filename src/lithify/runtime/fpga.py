"""A chip on an FPGA board as a device: programs go over the link, cycles come back from the chip's own registers."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.program import Base, ChipSegment, Program
from lithify.isa.registers import BY_NAME
from lithify.runtime.device import LATE, DeviceResult
from lithify.runtime.driven import DrivenDevice
from lithify.runtime.driver import Driver
from lithify.runtime.link import BAUD, Link

PREFIX = "fpga:"
"""How the name of such a device begins; the port follows, and with @ its bits a second: fpga:/dev/ttyUSB0@115200."""

BUSY = 1


class LinkBus:
    """The way to a chip on a board: the link. It has no interrupt line, and no hand on the chip's reset."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.place = "the board"
        self.memory_bytes = link.identification["MEMORY_BYTES"]
        self.fingerprint = b"".join(link.identification[f"CHIP_{index}"].to_bytes(4, "little") for index in range(4))

    def read_registers(self, offset: int, words: int) -> tuple[int, ...]:
        """In one packet."""
        return self._link.register(offset, words)

    def write_register(self, offset: int, value: int) -> None:
        """Twice, where the answer to the first was lost."""
        self._link.set_register(offset, value)

    def read_memory(self, address: int, size: int) -> bytes:
        """Over the line."""
        return self._link.read(address, size)

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        """Over the line; what lies between the bytes and the next word of the bus is filled as the memory has it."""
        unit = self._link.identification["BUS_BYTES"]
        before, after, data = address % unit, -(address + len(data)) % unit, bytes(data)
        if before:
            data = self._link.read(address - before, before) + data
        if after:
            data += self._link.read(address - before + len(data), after)
        if data:
            self._link.write(address - before, data)

    @property
    def late(self) -> int:
        """Cycles of the last program in which a beat waited for the board's memory."""
        return self._link.identify()[LATE]

    def wait(self, seconds: float) -> bool:
        """Asks STATUS again and again."""
        until = time.monotonic() + seconds
        while self._link.register(BY_NAME["STATUS"].offset)[0] & BUSY:
            if time.monotonic() > until:
                return False
        return True

    def reset(self) -> bool:
        """Only programming the board does it."""
        return False

    def close(self) -> None:
        """Gives the port back."""
        self._link.close()


class FpgaDevice(DrivenDevice):
    """A board behind a port: ``with FpgaDevice.open("fpga:/dev/ttyUSB0") as device: run(program, inputs, device)``

    limit: seconds that a program may take.
    """

    def __init__(self, link: Link, limit: float = 60.0) -> None:
        self._bus = LinkBus(link)
        super().__init__(Driver(self._bus, limit), "fpga")

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """As `DrivenDevice`, with the counter LATE."""
        found = super().run_segment(program, segment, dram, skip)
        return replace(found, counters={**found.counters, LATE: self._bus.late})

    @classmethod
    def open(cls, device: str, *, patience: float = 1.0, limit: float = 60.0) -> Self:
        """The device of a name as `PREFIX` says; raises LithifyError as `Link.open` does."""
        port, at, rate = device.removeprefix(PREFIX).rpartition("@")
        if not at:
            port, rate = rate, str(BAUD)
        if not port or not rate.isdigit() or int(rate) == 0:
            raise LithifyError(
                f"'{device}' is no device: write fpga: and the serial port, as in fpga:/dev/ttyUSB0, or with the bits "
                "a second, as in fpga:/dev/ttyUSB0@115200."
            )
        link = Link.open(port, int(rate), patience=patience)
        try:
            return cls(link, limit)
        except BaseException:
            link.close()
            raise
