"""What lies between the halves of the link, and what a word on it is."""

from amaranth.hdl import unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Out, Signature

from lithify.isa.peer import KIND_BITS, SEQUENCE_BITS, WORD_BYTES
from lithify.rtl.axi import ADDRESS_BITS

WORDS_BITS = 7
"""Bits of the words of a frame, 0 to 64."""

HEAD = data.StructLayout(
    {
        "words": 8,
        "sequence": SEQUENCE_BITS,
        "last": 8,
        "kind": 8,
        "address": ADDRESS_BITS,
        "zero": 24,
        "check": 32,
    }
)
"""A frame's first word; see `isa/peer.py`."""

ANSWER = data.StructLayout(
    {"again": 8, "expected": SEQUENCE_BITS, "limit": SEQUENCE_BITS, "kind": 8, "zero": 64, "check": 32}
)

TRANSFER = data.StructLayout(
    {"words": unsigned(24), "source": unsigned(ADDRESS_BITS), "target": unsigned(ADDRESS_BITS)}
)
"""A message to send, addresses in bytes."""


class Words(Signature):
    """A direction of the link, seen from its beginning: a word and its kind in each cycle."""

    def __init__(self) -> None:
        super().__init__({"kind": Out(KIND_BITS), "data": Out(8 * WORD_BYTES)})


class Answers(Signature):
    """What the receiver tells the sender beside it, seen from the receiver.

    ``valid``: an answer has come from the other chip, with its fields. ``due``: one is to be sent, with ``own_...``.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "again": Out(1),
                "expected": Out(SEQUENCE_BITS),
                "limit": Out(SEQUENCE_BITS),
                "due": Out(1),
                "own_again": Out(1),
                "own_expected": Out(SEQUENCE_BITS),
                "own_limit": Out(SEQUENCE_BITS),
            }
        )
