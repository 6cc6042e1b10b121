"""What a proof is: a row of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from amaranth.hdl import Module

Method = Literal["induction", "bounded"]

REACH = {
    "induction": "for all time, by induction over {depth} cycles",
    "bounded": "in the first {depth} cycles",
}
"""How far a proof reaches, by its method."""


@dataclass(frozen=True)
class Proof:
    """A promise of a block.

    name: of the proof. block: what it is about. promise: a sentence. contract: makes the promise and the block.
    method, depth: see `REACH`.
    """

    name: str
    block: str
    promise: str
    contract: Callable[[], Module]
    method: Method
    depth: int

    @property
    def reach(self) -> str:
        """How far the proof reaches."""
        return REACH[self.method].format(depth=self.depth)
