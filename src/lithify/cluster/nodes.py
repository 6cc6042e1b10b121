"""What the nodes of a cluster hold and do: programs and tensors in each DRAM, and the orders that run them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.conditions import skip_of
from lithify.isa.layout import PAGE
from lithify.isa.peer import ORDERS, WORD_BYTES, Opcode, Order, order
from lithify.isa.program import Base, ChipSegment, Placement, Program
from lithify.isa.registers import BY_NAME

ALIGNED = 128
"""Of what a base register holds, in bytes."""


@dataclass(frozen=True)
class Placed:
    """A program in a node's DRAM. segment: its only stretch on the chip; instructions: their address; bases: what
    every run of it has in its base registers.
    """

    program: Program
    segment: ChipSegment
    instructions: int
    bases: Mapping[Base, int]


class Node:
    """A node's DRAM and orders as they are drawn up. programs: by the address of their instructions."""

    def __init__(self) -> None:
        self.size = 0
        self.orders: list[Order] = []
        self.programs: dict[int, Placed] = {}
        self._contents: list[tuple[int, bytes | memoryview]] = []
        self._registers: dict[str, int] = {}

    def room(self, size: int, data: bytes | memoryview = b"") -> int:
        """The address of so many bytes that nothing else has, which begin with `data`; a multiple of 4096."""
        start = self.size
        self.size += -(-max(size, len(data), 1) // PAGE) * PAGE
        self._contents.append((start, data))
        return start

    def write(self, address: int, data: bytes) -> None:
        """What lies at an address when the orders start."""
        self._contents.append((address, data))

    def place(self, program: Program) -> Placed:
        """Puts a program into DRAM; LithifyError for one that is not of a single stretch on the chip, or has states."""
        segments = [segment for segment in program.segments if isinstance(segment, ChipSegment)]
        if len(segments) != 1 or program.states or segments[0].lists:
            raise LithifyError(
                f"A node runs programs of one stretch on the chip, without states and lists; '{program.name}' has "
                f"{len(segments)} stretches and {len(program.states)} states. Cut the network elsewhere."
            )
        (segment,) = segments
        end = segment.start + segment.size
        instructions = self.room(segment.size, program.instructions[segment.start : end])
        bases: dict[Base, int] = {
            base: self.room(program.base_bytes.get(base, 0), program.constants if base is Base.CONSTANTS else b"")
            for base in Base
            if base not in (Base.INPUTS, Base.OUTPUTS, Base.APPEND)
        }
        placed = Placed(program, segment, instructions, bases)
        self.programs[instructions] = placed
        return placed

    def run(self, placed: Placed, inputs: int, outputs: int) -> None:
        """Orders a run on the inputs at an address, which leaves its outputs at another."""
        for base, address in {**placed.bases, Base.INPUTS: inputs, Base.OUTPUTS: outputs}.items():
            if address % ALIGNED:
                raise LithifyError(f"A base register cannot hold {address:#x}, which is no multiple of {ALIGNED}.")
            self._set(f"BASE{int(base)}_LOW", address)
        self._set("PROGRAM_LOW", placed.instructions)
        self._set("PROGRAM_BYTES", placed.segment.size)
        self._set("SKIP", skip_of(placed.program.batch, placed.program.batch))
        self._set("INTERRUPT_ENABLE", 1)
        self.orders.append(order(Opcode.RUN))

    def send(self, source: int, target: int, size: int) -> None:
        """Orders a message: `size` bytes from an address here to one there; 0 bytes are a token."""
        if source % WORD_BYTES or target % WORD_BYTES or size % WORD_BYTES:
            raise LithifyError(
                f"The link carries words of {WORD_BYTES} bytes; {size} bytes from {source:#x} to {target:#x} are none."
            )
        self.orders.append(order(Opcode.SEND, words=size // WORD_BYTES, source=source, target=target))

    def wait(self, messages: int, patience: int = 0) -> None:
        """Orders to await messages; patience: cycles until it gives up, 0: never."""
        if messages:
            self.orders.append(order(Opcode.AWAIT, messages=messages, patience=patience))

    def stop(self) -> None:
        """The end of the orders; LithifyError where they are more than a node holds."""
        self.orders.append(order(Opcode.STOP))
        if len(self.orders) > ORDERS:
            raise LithifyError(f"A node holds {ORDERS} orders, and this takes {len(self.orders)}; run fewer requests.")

    def memory(self, size: int) -> NDArray[np.uint8]:
        """The DRAM when the orders start, `size` bytes of it."""
        memory = np.zeros(size, np.uint8)
        for start, data in self._contents:
            memory[start : start + len(data)] = np.frombuffer(data, np.uint8)
        return memory

    def _set(self, name: str, value: int) -> None:
        """A register is set where it holds something else; all hold 0 at first."""
        if self._registers.get(name, 0) != value:
            self._registers[name] = value
            self.orders.append(order(Opcode.SET, offset=BY_NAME[name].offset, value=value))


def same_place(source: Placement, target: Placement) -> int:
    """The bytes of a tensor that one program leaves and another takes, which are the same in both.

    Raises LithifyError where they lie otherwise there: with borders, more bytes a pixel than channels, rows in turns.
    """
    for place in (source, target):
        if (
            place.pixel_bytes != place.channels
            or place.rows_together != 1
            or any((place.top, place.bottom, place.left, place.right))
        ):
            raise LithifyError(
                f"The tensor '{place.tensor}' goes from chip to chip, and lies there with borders or with bytes beside "
                "its channels, which the link does not fill; cut the network elsewhere."
            )
    return source.bytes
