"""What reaches a chip: its control registers, its DRAM, its interrupt and its reset. A driver needs nothing else."""

from typing import Protocol

from lithify.errors import LithifyError


class ChipFailure(LithifyError):
    """The chip or the way to it is at fault, not the request: another chip may do the work.

    recovered: the chip was reset, and takes the next request.
    """

    def __init__(self, message: str, recovered: bool = False) -> None:
        super().__init__(message)
        self.recovered = recovered


class Bus(Protocol):
    """The way to one chip. Addresses and sizes count bytes.

    place: how errors call what is reached, as in "the board". memory_bytes: of its DRAM. unit: `write_memory` of whole
    units of so many bytes is cheapest. fingerprint: of the chip's description (`isa.link.fingerprint`).
    """

    place: str
    memory_bytes: int
    fingerprint: bytes

    def read_registers(self, offset: int, words: int) -> tuple[int, ...]:
        """So many 32-bit registers from `offset` on."""

    def write_register(self, offset: int, value: int) -> None:
        """Writes a 32-bit register."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of the chip's DRAM."""

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        """Writes bytes of the chip's DRAM."""

    def wait(self, seconds: float) -> bool:
        """Waits until the chip raises its interrupt, at most so long; whether it has. A way without an interrupt line
        asks STATUS.
        """

    def reset(self) -> bool:
        """Pulls the chip's reset; its DRAM keeps its bytes. False: this way has no hand on it."""

    def close(self) -> None:
        """Gives the way back."""
