"""How many gates a chip takes, modelled before any synthesis: NAND2 equivalents by block, memory macros apart.

Every figure that comes from here is to be marked "modelled". The costs are fitted to whole chips mapped to IHP SG13G2
at 200 MHz with Yosys and ABC, one NAND2 being 7.2576 um2 (`MEASURED`). The scratchpad's banks are memory macros, not
gates: see `memories.py`. Two synthesised chips that the model was not fitted to: 8 x 32 with 4 lanes has 805,480 NAND2
(modelled 1.6 % more), 16 x 16 with 4 lanes, 16 accumulators and no optional unit 658,695 (modelled 2.0 % more).
"""

from dataclasses import dataclass
from types import MappingProxyType

from lithify.chip.description import Chip, Unit
from lithify.chip.memories import SUM_BYTES, VECTOR_MEMORIES, memories

MEASURED = MappingProxyType({"tiny": 491_908, "edge": 1_084_087})
"""NAND2 equivalents of the presets as synthesised, without macros and before layout, with `MEASURED_UNITS`."""

MEASURED_UNITS: tuple[Unit, ...] = ("depthwise", "add", "max_pool")


@dataclass(frozen=True)
class GateCosts:
    """NAND2 equivalents of the parts.

    multiplier: 8 x 8 bits, signed. adder_bit: of a fast adder. register_bit: a flip-flop; held_bit: one that can keep
    its value. accumulator_bit, window_bit, parameter_bit, queue_bit: of these memories made of flip-flops, decoders and
    multiplexers included. bank_bit: of a bank's port, its output register and multiplexers; second_port_bit: what the
    second weight port puts on top (2,750 for `edge`, synthesised). lane: a post-processing
    lane (bias, conversion, float32 multiplication, rounding, clamp); lane_add: what the addition of a residual puts on
    top; lane_multiply: what products of two tensors do. table_bit, table_lane: of the look-up table, and of a lane's
    way to its entries. drain_bit, drain: post-processing beside its lanes, for each bit of a word, and once;
    drain_multiply: more of it with products. transfer_bit, transfer: load and store unit without queues, likewise.
    gather: the list of the load unit and its way into the addresses.
    control: sequencers, fetch, dispatch and registers. vector_lane, vector: of the vector unit a lane, and
    what does not grow with them: divider, sequencer, delay line, words; registers, program and table are macros.
    """

    multiplier: float = 546.0
    adder_bit: float = 7.0
    register_bit: float = 6.75
    held_bit: float = 9.4
    accumulator_bit: float = 13.85
    window_bit: float = 11.5
    parameter_bit: float = 10.6
    queue_bit: float = 11.1
    bank_bit: float = 15.4
    second_port_bit: float = 1.45
    lane: float = 8_270.0
    lane_add: float = 7_930.0
    table_bit: float = 8.1
    table_lane: float = 4_500.0
    lane_multiply: float = 1_340.0
    drain_bit: float = 31.7
    drain: float = 2_860.0
    drain_multiply: float = 2_450.0
    transfer_bit: float = 40.0
    transfer: float = 17_600.0
    gather: float = 4_800.0
    control: float = 57_400.0
    vector_lane: float = 15_920.0
    vector: float = 61_977.0


@dataclass(frozen=True)
class Block:
    """A part of the chip and its NAND2 equivalents, modelled."""

    name: str
    gates: int


def gate_blocks(chip: Chip, costs: GateCosts | None = None) -> tuple[Block, ...]:
    """The blocks of a chip, modelled."""
    cost = GateCosts() if costs is None else costs
    word_bits = 8 * chip.word_bytes
    sums = chip.columns * 8 * SUM_BYTES
    window_words = chip.rows if chip.has("depthwise") else 1
    bits = {memory.name: memory.count * memory.words * memory.bits for memory in memories(chip)}
    others = ("scratchpad", "accumulators", "parameters", "table", *VECTOR_MEMORIES)
    queues = sum(size for name, size in bits.items() if name not in others)
    lane = cost.lane + (cost.lane_add if chip.has("add") else 0.0)
    lane += cost.lane_multiply if chip.has("multiply") else 0.0
    drain = cost.drain + (cost.drain_multiply if chip.has("multiply") else 0.0)
    table = bits["table"] * cost.table_bit + chip.lanes * cost.table_lane if chip.has("lookup") else 0.0
    bank_bit = cost.bank_bit + (chip.weight_ports - 1) * cost.second_port_bit
    gates = {
        "multipliers": chip.multipliers * (cost.multiplier + 16 * cost.register_bit),
        "weights": chip.multipliers * 2 * 8 * cost.held_bit,
        "adder trees": chip.columns * _tree_bits(chip.rows) * cost.adder_bit
        + sums * (cost.adder_bit + cost.register_bit),
        "accumulators": bits["accumulators"] * cost.accumulator_bit,
        "window": window_words * word_bits * cost.window_bit,
        "maximum": word_bits * (cost.adder_bit + cost.held_bit) if chip.has("max_pool") else 0.0,
        "parameters": bits["parameters"] * cost.parameter_bit,
        "table": table,
        "post-processing": chip.lanes * lane + word_bits * cost.drain_bit + drain,
        "scratchpad ports": chip.scratchpad_banks * word_bits * bank_bit,
        "queues": queues * cost.queue_bit,
        "transfers": word_bits * cost.transfer_bit + cost.transfer + cost.gather * chip.has("gather"),
        "control": cost.control,
    }
    if chip.vector is not None:
        gates["vector unit"] = chip.vector.lanes * cost.vector_lane + cost.vector
    return tuple(Block(name, round(count)) for name, count in gates.items())


def gate_count(chip: Chip, costs: GateCosts | None = None) -> int:
    """NAND2 equivalents of a chip without its scratchpad, modelled."""
    return sum(block.gates for block in gate_blocks(chip, costs))


def _tree_bits(terms: int) -> int:
    """Adder bits of a tree that sums `terms` products of 16 bits: each level is one bit wider."""
    bits, width = 0, 16
    while terms > 1:
        terms //= 2
        width += 1
        bits += terms * width
    return bits
