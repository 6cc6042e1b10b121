"""The packets of the host link: one table for the RTL, the driver and the manual (docs/fpga.md).

A request is ``REQUEST, command, address (4), length (2), payload of a write, checksum (2)``; its answer
``ANSWER, status, length (2), payload of a read, checksum (2)``. Numbers are little-endian, lengths in bytes. The
checksum is CRC-16/IBM-3740 (polynomial 0x1021, from 0xFFFF) over everything between the first byte and itself.
"""

import binascii
import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from lithify.chip import Chip, write_chip

LINK_ID = 0x4C4E4B32
"""The first word of the identification: "LNK2"; its last character is the version of the packets."""

REQUEST, ANSWER = 0x4C, 0x6C
"""First bytes of a request ("L") and of an answer ("l")."""

PAYLOAD_BYTES = 1024
"""The longest payload of a packet."""

ADDRESS_BYTES, LENGTH_BYTES, CHECKSUM_BYTES = 4, 2, 2

SILENCE_BITS = 1 << 17
"""Bit periods without a byte after which a request that has begun is given up (131 ms at 1 Mbaud)."""

CRC_POLYNOMIAL, CRC_INITIAL = 0x1021, 0xFFFF

Space = Literal["memory", "registers", "identification"]


@dataclass(frozen=True)
class Command:
    """What a request asks for: to read or to write `space`, whose addresses count bytes."""

    name: str
    code: int
    space: Space
    writes: bool
    meaning: str


COMMANDS: tuple[Command, ...] = (
    Command("READ_MEMORY", 1, "memory", False, "Read the chip's DRAM, in whole words of the bus."),
    Command("WRITE_MEMORY", 2, "memory", True, "Write the chip's DRAM, in whole words of the bus."),
    Command("READ_REGISTER", 3, "registers", False, "Read control registers, 4 bytes each."),
    Command("WRITE_REGISTER", 4, "registers", True, "Write control registers, 4 bytes each, in their order."),
    Command("IDENTIFY", 5, "identification", False, "Read the identification, 4 bytes each."),
)
COMMAND_BY_NAME = {command.name: command for command in COMMANDS}


class Status(IntEnum):
    """The second byte of an answer."""

    DONE = 0
    CHECKSUM = 1
    COMMAND = 2
    RANGE = 3
    BROKEN_OFF = 4


MEANINGS = {
    Status.DONE: "the request was carried out",
    Status.CHECKSUM: "the checksum of the request is wrong; nothing was done",
    Status.COMMAND: "the command is unknown; nothing was done",
    Status.RANGE: "address or length is outside the space, no multiple of its words, or too long; nothing was done",
    Status.BROKEN_OFF: "the request broke off before its end; nothing was done",
}

IDENTIFICATION: tuple[tuple[str, str], ...] = (
    ("LINK_ID", f"Always 0x{LINK_ID:08X}."),
    ("MEMORY_BYTES", "Bytes of the chip's DRAM."),
    ("BUS_BYTES", "Bytes of a word of the DRAM."),
    ("CLOCK_HZ", "The chip's clock."),
    *(
        (f"CHIP_{index}", f"Bytes {4 * index} to {4 * index + 3} of the chip's fingerprint (`isa/link.py`).")
        for index in range(4)
    ),
    (
        "LATE",
        "Cycles of the last program in which a beat was later than in the memory model; stays at 2^32 - 1.",
    ),
)
"""The words of the identification, in their order; all but LATE stay what they are."""


def checksum(data: bytes) -> int:
    """CRC-16/IBM-3740 of some bytes."""
    return binascii.crc_hqx(data, CRC_INITIAL)


def fingerprint(chip: Chip) -> bytes:
    """Sixteen bytes that name a chip: the start of the SHA-256 of its description, name and clock left out, for they
    change no program.
    """
    same = chip.model_copy(update={"name": "chip", "clock_hz": 1_000_000})
    return hashlib.sha256(write_chip(same).encode()).digest()[:16]
