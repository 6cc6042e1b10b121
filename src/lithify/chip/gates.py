"""How many gates a chip takes, modelled before any synthesis: NAND2 equivalents by block, memory macros apart.

Every figure that comes from here is to be marked "modelled". The costs are fitted to chips mapped to IHP SG13G2 by
`lithify synth`, one NAND2 being 7.2576 um2, with clock gates (`MEASURED`); blocks have the names of its report.
`python benchmarks/area.py` draws chips by a seed, maps them and compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lithify.chip.description import Chip
from lithify.chip.memories import VECTOR_MEMORIES, memories

MEASURED: tuple[tuple[Mapping[str, int], int], ...] = (
    (MappingProxyType({"rows": 8, "columns": 8, "accumulators": 16, "lanes": 8, "scratchpad_banks": 8}), 581_664),
    (
        MappingProxyType(
            {"rows": 16, "columns": 16, "accumulators": 32, "lanes": 8, "scratchpad_banks": 15, "vector_lanes": 4}
        ),
        1_089_988,
    ),
)
"""What was synthesised, without macros and before layout: a chip with all units, a port of each kind, a bus of 8 bytes,
banks of 1024 words and queues of 4, and its NAND2 equivalents."""


DEEPEST = 512
"""Words of the deepest memory macro that is fast enough for 200 MHz: a bank of more is several above each other."""


@dataclass(frozen=True)
class GateCosts:
    """NAND2 equivalents of the parts, of registers, decoders, multiplexers and buffers together.

    multiplier: a multiplier of a column with its weights, product and share of the adder tree; accumulator_bit; column:
    what a column has once. array, window_bit, maximum_bit: of the array beside its columns, of its window, and of the
    maximum over windows; window_port_bit: of the window for each activation port beyond the first.
    lane, lane_add: a lane of post-processing, and what the addition of a residual puts on top; post_bit, drain: of a
    word's bits, and once; add_bit, multiply_bit: more of it for each bit of the lanes' results; second_tensor: where
    the words of a second tensor are addressed; parameter_bit: of the parameters.
    table_bit, table_lane: of the look-up table, and of a lane's way to its entries. queue_bit: of all queues.
    bank, bank_bit: of a bank's port, once and for each bit of its word with its register; deep_bit: of the choice among
    the macros of a bank that lie above each other; reader_bit: what a port beyond the first four puts on top.
    transfer, transfer_bit, bus_bit: load and store unit, of a word's bits, and of the bus; gather: the list of planes
    of a load.
    sequencers, control: what does not change with the chip; sequencer_port: for each port beyond the first of its kind;
    vector_control: where there is a vector unit. vector_lane, vector: of that unit a lane, and what does not grow with
    them; registers, program and table are macros.
    """

    multiplier: float = 804.0
    accumulator_bit: float = 11.3
    column: float = 697.0
    array: float = 780.0
    window_bit: float = 8.4
    window_port_bit: float = 4.2
    maximum_bit: float = 14.3
    lane: float = 11_450.0
    lane_add: float = 10_630.0
    post_bit: float = 51.5
    drain: float = 4_750.0
    add_bit: float = 50.0
    multiply_bit: float = 94.0
    second_tensor: float = 14_100.0
    parameter_bit: float = 7.5
    table_bit: float = 6.2
    table_lane: float = 4_990.0
    queue_bit: float = 9.04
    bank: float = 340.0
    bank_bit: float = 12.8
    deep_bit: float = 4.9
    reader_bit: float = 1.83
    transfer: float = 18_470.0
    gather: float = 3_390.0
    transfer_bit: float = 38.4
    bus_bit: float = 42.2
    sequencers: float = 26_480.0
    sequencer_port: float = 1_340.0
    control: float = 26_940.0
    vector_control: float = 2_440.0
    vector_lane: float = 19_350.0
    vector: float = 62_650.0


@dataclass(frozen=True)
class Block:
    """A part of the chip and its NAND2 equivalents, modelled."""

    name: str
    gates: int


def gate_blocks(chip: Chip, costs: GateCosts | None = None) -> tuple[Block, ...]:
    """The blocks of a chip, modelled."""
    cost = GateCosts() if costs is None else costs
    word_bits, result_bits = 8 * chip.word_bytes, 8 * chip.lanes
    window_words = chip.rows - 1 if chip.has("depthwise") else 0
    bits = {memory.name: memory.count * memory.words * memory.bits for memory in memories(chip)}
    others = ("scratchpad", "accumulators", "parameters", "table", *VECTOR_MEMORIES)
    queues = sum(size for name, size in bits.items() if name not in others)
    own_ports = chip.activation_ports - 1 + chip.weight_ports - 1
    more_ports = own_ports + (2 if chip.vector else 0)
    bank = cost.bank_bit + (cost.deep_bit if chip.bank_words > DEEPEST else 0.0) + more_ports * cost.reader_bit
    array = chip.multipliers * cost.multiplier + bits["accumulators"] * cost.accumulator_bit
    array += chip.columns * cost.column + cost.array
    array += window_words * word_bits * (cost.window_bit + (chip.activation_ports - 1) * cost.window_port_bit)
    array += word_bits * cost.maximum_bit if chip.has("max_pool") else 0.0
    post = lane_gates(chip, cost) + word_bits * cost.post_bit + cost.drain + bits["parameters"] * cost.parameter_bit
    if chip.has("add"):
        post += result_bits * cost.add_bit
    if chip.has("multiply"):
        post += result_bits * cost.multiply_bit
    if chip.second_tensor:
        post += cost.second_tensor
    gates = {
        "array": array,
        "post-processing": post,
        "table": bits["table"] * cost.table_bit + chip.lanes * cost.table_lane if chip.has("lookup") else 0.0,
        "sequencers": cost.sequencers + own_ports * cost.sequencer_port,
        "vector unit": chip.vector.lanes * cost.vector_lane + cost.vector if chip.vector else 0.0,
        "queues": queues * cost.queue_bit,
        "transfers": cost.transfer
        + word_bits * cost.transfer_bit
        + 8 * chip.bus_bytes * cost.bus_bit
        + (cost.gather if chip.has("gather") else 0.0),
        "scratchpad ports": chip.scratchpad_banks * (cost.bank + word_bits * bank),
        "control": cost.control + (cost.vector_control if chip.vector else 0.0),
    }
    return tuple(Block(name, round(count)) for name, count in gates.items() if count)


def lane_gates(chip: Chip, costs: GateCosts | None = None) -> float:
    """NAND2 equivalents of the lanes of post-processing alone, modelled."""
    cost = GateCosts() if costs is None else costs
    return chip.lanes * (cost.lane + (cost.lane_add if chip.has("add") else 0.0))


def gate_count(chip: Chip, costs: GateCosts | None = None) -> int:
    """NAND2 equivalents of a chip without its scratchpad, modelled."""
    return sum(block.gates for block in gate_blocks(chip, costs))
