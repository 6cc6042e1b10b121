"""Every memory on a chip and its size: scratchpad, accumulators, buffers and queues.

Registers of pipelines and of the array (weights, windows, products) are no memories: nothing addresses them.
"""

from dataclasses import dataclass

from lithify.chip.description import Chip
from lithify.chip.pipeline import BURSTS_IN_FLIGHT, FETCH_BURST_BYTES, FETCH_GRANULES, MEMORY_READ
from lithify.chip.vector import PROGRAM_OPERATIONS, REGISTERS, TABLE

SUM_BYTES = 4
"""Bytes of an accumulator."""

PARAMETER_BUFFERS = 2
PARAMETER_BYTES = 8
"""Of a column: a bias (int32) and a multiplier (float32)."""

QUEUE_BITS = {"load": 223, "compute": 754, "store": 215}
"""Bits of an instruction in each queue: all its fields that the unit reads, as the instruction table has them."""

LIST_BITS = 4
"""More of a load where the unit "gather" is built: whether there is a list, and its base register."""

SECOND_PORT_BITS = 7
"""More of a compute instruction where two weights are read in a cycle: how far the second lies from the first."""

VECTOR_QUEUE_BITS = 256
"""The same of the vector unit's queue, where it is built."""

MICRO_BITS = 64
"""A micro-operation of the vector unit."""

VECTOR_MEMORIES = ("vector registers", "vector program", "vector table")

TABLE_BYTES = 256
"""A look-up table: an int8 result for every int8."""

GRANULE_BYTES = 32
STORE_BUFFER_WORDS = MEMORY_READ + 4
"""Scratchpad words that a store reads ahead of the bus."""

READS_IN_FLIGHT = BURSTS_IN_FLIGHT + FETCH_GRANULES * GRANULE_BYTES // FETCH_BURST_BYTES
"""Bursts of reads under way, of loads and of fetches."""

BURST_BEATS = 64
PAGE_BYTES = 4096


@dataclass(frozen=True)
class Memory:
    """One kind of memory. count: how many of it; words: addresses of each; bits: width of a word."""

    name: str
    count: int
    words: int
    bits: int
    purpose: str

    @property
    def bytes(self) -> int:
        """Bytes of all of them, each rounded up."""
        return self.count * -(-self.words * self.bits // 8)


def queue_bits(chip: Chip) -> dict[str, int]:
    """Bits of an instruction in each queue of a chip."""
    bits = QUEUE_BITS | ({"vector": VECTOR_QUEUE_BITS} if chip.vector else {})
    bits |= {"load": bits["load"] + LIST_BITS * chip.has("gather")}
    return bits | {"compute": bits["compute"] + SECOND_PORT_BITS * (chip.weight_ports > 1)}


def memories(chip: Chip) -> tuple[Memory, ...]:
    """The memories of a chip."""
    word_bits = 8 * chip.word_bytes
    queues = (
        Memory(f"{name} queue", 1, chip.queue_depth, bits, f"Instructions that wait for the {name} unit.")
        for name, bits in queue_bits(chip).items()
    )
    unit = chip.vector
    vector = () if unit is None else (
        Memory("vector registers", 2, REGISTERS * unit.groups // 2, 32 * unit.lanes, "Registers, by parity of groups."),
        Memory("vector program", 1, PROGRAM_OPERATIONS, MICRO_BITS, "Micro-operations of the instruction at work."),
        Memory("vector table", unit.lanes, TABLE, 32, "A function's float32 of every int8, a copy a lane."),
    )  # fmt: skip
    block_beats = min(BURST_BEATS, PAGE_BYTES // chip.bus_bytes)
    # A load's burst: address (40), length (8), place in its row and instruction (3), scratchpad word (16), first and
    # last byte within their beats, fill (8), signal (4), whether it is a list. A store's: what to read, and whom to
    # tell (last, signal).
    load_bits = 79 + chip.has("gather") + 2 * (chip.bus_bytes - 1).bit_length()
    read_bits = 17 + (block_beats - 1).bit_length()
    port_bits = 8 * chip.port_bytes
    table = Memory("table", 1, TABLE_BYTES // chip.port_bytes, port_bits, "The look-up table, a read port a lane.")
    return (
        Memory(
            "scratchpad",
            chip.scratchpad_banks,
            chip.bank_words,
            word_bits,
            "Activations and weights, single-port banks.",
        ),
        Memory("accumulators", chip.columns, chip.accumulators, 8 * SUM_BYTES, "Sums, one memory a column."),
        Memory(
            "parameters",
            PARAMETER_BUFFERS,
            chip.columns,
            8 * PARAMETER_BYTES,
            "Bias and multiplier of each column, of the group in use and of the next.",
        ),
        *([table] if chip.has("lookup") else []),
        *vector,
        Memory("fetch queue", 1, FETCH_GRANULES, 8 * GRANULE_BYTES, "Instructions that were read ahead."),
        *queues,
        Memory("load bursts", 1, BURSTS_IN_FLIGHT, load_bits, "Bursts of loads under way: where their data goes."),
        Memory("store reads", 1, BURSTS_IN_FLIGHT, read_bits, "Bursts of stores under way: what to read."),
        Memory("store responses", 1, BURSTS_IN_FLIGHT, 5, "Bursts of stores under way: whom to tell."),
        Memory("store words", 1, STORE_BUFFER_WORDS, word_bits + 1, "Words that a store has read ahead of the bus."),
        Memory("read owners", 1, READS_IN_FLIGHT, 1, "Bursts of reads under way: whose they are."),
    )


def onchip_bytes(chip: Chip) -> int:
    """Bytes of all memories of a chip."""
    return sum(memory.bytes for memory in memories(chip))
