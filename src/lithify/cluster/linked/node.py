"""What the nodes of a cluster hold and do: programs and tensors in each DRAM, and the orders that run them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.errors import LithifyError
from lithify.isa import Queue, encode, instruction
from lithify.isa.conditions import skip_of
from lithify.isa.layout import PAGE
from lithify.isa.peer import ORDERS, WORD_BYTES, Opcode, Order, order
from lithify.isa.program import Base, ChipSegment, Placement, Program
from lithify.isa.registers import BY_NAME

ALIGNED = 128
"""Of what a base register holds, in bytes."""


@dataclass(frozen=True)
class Code:
    """Instructions in a node's DRAM. sizes: bytes behind the base registers that they use; skip: the register SKIP."""

    chip: Chip
    instructions: bytes
    sizes: Mapping[Base, int]
    skip: int = 0


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
    """A node's DRAM and orders as they are drawn up. codes: by the address of their instructions."""

    def __init__(self) -> None:
        self.size = 0
        self.orders: list[Order] = []
        self.codes: dict[int, Code] = {}
        self._contents: list[tuple[int, bytes | memoryview]] = []
        self._registers: dict[str, int] = {}
        self._copies: dict[tuple[Chip, int], int] = {}

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
        text = bytes(program.instructions[segment.start : segment.start + segment.size])
        sizes = {**program.base_bytes}
        sizes[Base.CONSTANTS] = max(sizes.get(Base.CONSTANTS, 0), len(program.constants))
        skip = skip_of(program.batch, program.batch)
        instructions = self._code(Code(program.chip, text, {base: size for base, size in sizes.items() if size}, skip))
        bases: dict[Base, int] = {Base.CONSTANTS: self.room(sizes[Base.CONSTANTS], program.constants)}
        if sizes.get(Base.WORKSPACE):
            bases[Base.WORKSPACE] = self.room(sizes[Base.WORKSPACE])
        return Placed(program, segment, instructions, bases)

    def run(self, placed: Placed, inputs: int, outputs: int) -> None:
        """Orders a run on the inputs at an address, which leaves its outputs at another."""
        self._run(placed.instructions, {**placed.bases, Base.INPUTS: inputs, Base.OUTPUTS: outputs})

    def copy(self, chip: Chip, source: int, target: int, size: int) -> None:
        """Orders the chip to copy bytes within its DRAM, through its scratchpad."""
        key = chip, size
        if key not in self._copies:
            sizes = {Base.INPUTS: size, Base.OUTPUTS: size}
            self._copies[key] = self._code(Code(chip, copy_instructions(chip, size), sizes))
        self._run(self._copies[key], {Base.INPUTS: source, Base.OUTPUTS: target})

    def _code(self, code: Code) -> int:
        address = self.room(len(code.instructions), code.instructions)
        self.codes[address] = code
        return address

    def _run(self, instructions: int, bases: Mapping[Base, int]) -> None:
        for base, address in bases.items():
            if address % ALIGNED:
                raise LithifyError(f"A base register cannot hold {address:#x}, which is no multiple of {ALIGNED}.")
            self._set(f"BASE{int(base)}_LOW", address)
        self._set("PROGRAM_LOW", instructions)
        self._set("PROGRAM_BYTES", len(self.codes[instructions].instructions))
        self._set("SKIP", self.codes[instructions].skip)
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


def copy_instructions(chip: Chip, size: int) -> bytes:
    """A program that copies `size` bytes from Base.INPUTS to Base.OUTPUTS: half a scratchpad after the other."""
    half = chip.scratchpad_banks // 2 * chip.bank_words * chip.word_bytes
    if size % chip.word_bytes:
        raise LithifyError(f"A chip copies words of {chip.word_bytes} bytes; {size} bytes are none.")
    entries, starts = [], range(0, size, half)
    for number, start in enumerate(starts):
        place = {
            "offset": start,
            "row_bytes": min(half, size - start),
            "rows": 1,
            "planes": 1,
            "address": number % 2 * half // chip.word_bytes,
        }
        free, next_waits = 1 << Queue.STORE if number >= 2 else 0, 1 << Queue.LOAD if number + 2 < len(starts) else 0
        entries += [
            instruction("LOAD", base=Base.INPUTS, wait=free, signal=1 << Queue.STORE, **place),
            instruction("STORE", base=Base.OUTPUTS, wait=1 << Queue.LOAD, signal=next_waits, **place),
        ]
    text = encode([*entries, instruction("END")])
    return text.ljust(-(-len(text) // ALIGNED) * ALIGNED, b"\0")


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
