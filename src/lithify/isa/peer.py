"""The link between chips: its words and frames, its registers and orders; one table for RTL, model and driver.

A link carries a word of 16 bytes and its kind in each cycle. A message, some bytes for the other chip's DRAM or none at
all, goes as frames: a head, up to 64 words, a tail. Answers lie between any two words. A frame's head says how many
words come, its number, whether the message ends with it, and where it belongs. All checks are CRC-32 as zlib's: of a
head or an answer over its first 12 bytes, of a frame, in its tail, over its head and its words.
"""

import zlib
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from lithify.isa.registers import Register

WORD_BYTES = 16
"""Of the link, in each cycle and direction."""

FRAME_WORDS = 64
"""The most of a frame, which never crosses a multiple of so many words, neither where it comes from nor where it goes:
one burst reads it, one writes it.
"""

SLOTS = 16
"""Frames that a sender keeps until they are answered, and that a receiver has room for."""

SEQUENCE_BITS = 8
"""Of the number of a frame."""

ORDERS = 512
"""Orders that a node holds."""

PAGE_ORDERS = 128
"""Orders that the host reaches at once; LINK_PAGE says which."""

TRANSFERS = 4
"""Sends that wait behind the one under way."""

TIMEOUT = 1024
"""Cycles without an answer after which everything that was not answered is sent again, unless the register says
otherwise.
"""

TRIES = 8
"""Time-outs in a row after which the link counts as dead, unless the register says otherwise."""

CHECKED_BYTES = 12
"""Of a head or an answer, before its check."""


class Kind(IntEnum):
    """What a word on the link is. The third byte of heads and answers repeats it, for the check to cover it."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    TAIL = 3
    ANSWER = 4


KIND_BITS = 3
PEER_ID = 0x50454552
"""What the register LINK_ID reads: "PEER"."""


def head(words: int, sequence: int, last: bool, address: int) -> bytes:
    """A frame's first word: words, number, whether it ends its message, kind, address (5 bytes), zeros, check."""
    return _checked(bytes([words, sequence, last, Kind.HEAD]) + address.to_bytes(5, "little") + bytes(3))


def answer(expected: int, limit: int, again: bool) -> bytes:
    """All frames before `expected` are there; those before `limit` have room. again: send from `expected` on."""
    return _checked(bytes([again, expected, limit, Kind.ANSWER]) + bytes(8))


def _checked(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4, "little")


class Opcode(IntEnum):
    """The low byte of an order."""

    STOP = 0
    SET = 1
    RUN = 2
    SEND = 3
    AWAIT = 4


@dataclass(frozen=True)
class Field:
    """Bits of an order."""

    name: str
    start: int
    bits: int


FIELDS = MappingProxyType(
    {
        Opcode.STOP: (),
        Opcode.SET: (Field("offset", 8, 12), Field("value", 32, 32)),
        Opcode.RUN: (),
        Opcode.SEND: (Field("words", 8, 24), Field("source", 32, 40), Field("target", 72, 40)),
        Opcode.AWAIT: (Field("messages", 8, 24), Field("patience", 32, 32)),
    }
)
MEANINGS = MappingProxyType(
    {
        Opcode.STOP: "Wait until all that was sent is answered; the list is done.",
        Opcode.SET: "Write a register of the chip.",
        Opcode.RUN: "Ring the chip's doorbell, wait for its interrupt, acknowledge; stop where STATUS has an error.",
        Opcode.SEND: "Send so many words of 16 bytes from `source` here to `target` there, as one message; 0: a token.",
        Opcode.AWAIT: "Wait for so many whole messages that nothing awaited yet; stop where they have not come after "
        "`patience` cycles (0: wait for ever).",
    }
)
ORDER_BYTES = 16


@dataclass(frozen=True)
class Order:
    """What a node is to do. Fields by name, as `FIELDS` has them; those that are missing are 0."""

    opcode: Opcode
    values: tuple[tuple[str, int], ...] = ()

    def __getitem__(self, name: str) -> int:
        return dict(self.values).get(name, 0)

    def encoded(self) -> bytes:
        """Its 16 bytes; ValueError for a value that its field cannot hold."""
        word = int(self.opcode)
        given = dict(self.values)
        for field in FIELDS[self.opcode]:
            value = given.pop(field.name, 0)
            if not 0 <= value < 1 << field.bits:
                raise ValueError(f"{self.opcode.name}: {field.name} is {value}, and has {field.bits} bits")
            word |= value << field.start
        if given:
            raise ValueError(f"{self.opcode.name} has no field {', '.join(given)}")
        return word.to_bytes(ORDER_BYTES, "little")


def order(opcode: Opcode, **values: int) -> Order:
    """An order by its fields."""
    return Order(opcode, tuple(values.items()))


WINDOW = 0x400
"""Where a node's own registers begin; below are the chip's."""

ORDERS_OFFSET = 0x800

REGISTERS: tuple[Register, ...] = (
    Register("LINK_ID", 0x400, "r", "Always 0x50454552."),
    Register("LINK_CONTROL", 0x404, "w", "Bit 0: carry out the orders from the first on. Bit 1: acknowledge."),
    Register("LINK_STATUS", 0x408, "r", "Bit 0: orders are carried out. Bit 1: they ended. From bit 2 on: why early."),
    Register("LINK_TIMEOUT", 0x40C, "rw", "Cycles without an answer after which frames are sent again."),
    Register("LINK_TRIES", 0x410, "rw", "Time-outs in a row after which the link is dead."),
    Register("LINK_PAGE", 0x414, "rw", "Which 128 of the orders are at 0x800; those of page 0 are carried out first."),
    Register("FRAMES_SENT", 0x420, "r", "Frames sent, those sent again included."),
    Register("FRAMES_AGAIN", 0x424, "r", "Frames sent again."),
    Register("FRAMES_TAKEN", 0x428, "r", "Frames that came whole and in order."),
    Register("CHECK_ERRORS", 0x42C, "r", "Frames, heads and answers whose CRC was wrong."),
    Register("TIMEOUTS", 0x430, "r", "Time-outs."),
    Register("MESSAGES", 0x434, "r", "Messages that are whole in DRAM."),
    Register("ELAPSED", 0x438, "r", "Cycles that the orders took."),
)
"""A node's own registers; a page of the orders follows at 0x800, four registers each."""

BY_NAME = MappingProxyType({register.name: register for register in REGISTERS})

CAUSES = (
    "the link is dead: its other end does not answer",
    "a message that was awaited did not come in time",
    "the chip reported an error",
    "the memory answered the link with an error",
)
"""What ended the orders early, by the bits of LINK_STATUS from bit 2 on."""


@dataclass(frozen=True)
class Wires:
    """The links of a cluster. latency: cycles of a word from end to end, at least 1. seed, rate: so many of all words
    are damaged, up to four flipped bits or the word lost, the same ones for a seed in every simulation. cut: from this
    cycle on nothing arrives; None: never.
    """

    latency: int = 100
    seed: int = 0
    rate: float = 0.0
    cut: int | None = None

    @property
    def threshold(self) -> int:
        """`rate` of 2 to the 32."""
        return round(self.rate * 2**32)
