"""The control registers behind AXI4-Lite: one table for the RTL, the driver and the manual."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

DEVICE_ID = 0x4C495448
"""What the ID register reads: "LITH"."""

BASES = 8
"""Base registers that LOAD and STORE add to their offsets."""


@dataclass(frozen=True)
class Register:
    """A 32-bit register. `offset` in bytes; access "rw", "r" (read only) or "w" (write: an action)."""

    name: str
    offset: int
    access: Literal["rw", "r", "w"]
    meaning: str


def _pair(name: str, offset: int, access: Literal["rw", "r", "w"], meaning: str) -> tuple[Register, Register]:
    return (
        Register(f"{name}_LOW", offset, access, f"{meaning} Bits 31:0."),
        Register(f"{name}_HIGH", offset + 4, access, f"{meaning} Bits 63:32."),
    )


REGISTERS: tuple[Register, ...] = (
    Register("ID", 0x000, "r", "Always 0x4C495448."),
    Register("VERSION", 0x004, "r", "Version of the instruction set."),
    Register("CONTROL", 0x008, "w", "Bit 0: start the program (the doorbell). Bit 1: acknowledge the interrupt."),
    Register("STATUS", 0x00C, "r", "Bit 0: busy. Bit 1: done. Bit 2: error; the cause is in ERROR."),
    Register("ERROR", 0x010, "r", "Bit 0: two units met in a bank. Bit 1: unknown opcode. Bit 2: AXI error response."),
    Register("INTERRUPT_ENABLE", 0x014, "rw", "Bit 0: raise the interrupt when done."),
    *_pair("PROGRAM", 0x020, "rw", "DRAM address of the first instruction, a multiple of 128."),
    Register("PROGRAM_BYTES", 0x028, "rw", "Length of the program, a multiple of 128."),
    Register("SKIP", 0x02C, "rw", "Bit n, 1 to 15: instructions whose `when` is n are passed over."),
    *_pair("CYCLES", 0x040, "r", "Cycles from the doorbell to the end."),
    *_pair("READ_BEATS", 0x048, "r", "Data beats read from DRAM."),
    *_pair("WRITE_BEATS", 0x050, "r", "Data beats written to DRAM."),
    *_pair("ARRAY_CYCLES", 0x058, "r", "Cycles in which the array took a word or a window."),
    *(
        register
        for index in range(BASES)
        for register in _pair(f"BASE{index}", 0x080 + 8 * index, "rw", f"Base register {index}, a multiple of 128.")
    ),
)

ERRORS = (
    "two units met in one bank of the scratchpad in the same cycle",
    "an opcode of the program is unknown",
    "the memory answered with an error",
)
"""What each bit of ERROR means, bit 0 first."""

BY_NAME = MappingProxyType({register.name: register for register in REGISTERS})
