"""The energy of one inference, modelled: what the chip does, times energies fitted to synthesised chips.

On chip: IHP SG13G2 (130 nm, 1.2 V, typical corner), fitted to the power that `lithify synth --power` works out of the
run of a network in RTL, before layout. `python benchmarks/energy.py` holds it against synthesis; docs/silicon.md has
the errors. DRAM is no part of the chip: M. Horowitz, "Computing's Energy Problem (and what we can do about it)", ISSCC
2014, figure 1.1.9.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lithify.chip import Chip
from lithify.chip.gates import DEEPEST, gate_blocks, lane_gates
from lithify.isa import Instruction, Queue
from lithify.isa.addresses import parameter_words, passes, positions, result_count, set_words, table_words
from lithify.sim.cost import ARRAY
from lithify.sim.inference import SegmentRun, spent_cycles
from lithify.sim.timing.vector import retirement

PICOJOULES_PER_MAC = 2.7
"""A multiplier with its weights, its share of the adder tree and of the accumulators, in a cycle of the array."""

PICOJOULES_PER_COLUMN = 2.1
"""The clock of a column, in every cycle."""

PICOJOULES_PER_SRAM_BYTE = 4.5
"""A byte of a word read from or written to a memory macro, whatever its depth."""

PICOJOULES_PER_SRAM_DEPTH = 5.5
"""And where the macro has `DEEPEST` words; in proportion where it has fewer."""

PICOJOULES_PER_GATE = 0.00164
"""A NAND2 of what works or waits in every cycle - control, sequencers, transfers, ports of the scratchpad, and what
post-processing has beside its lanes -, in every cycle: most of it is the clock of registers that lie behind no gate.
"""

PICOJOULES_PER_LANE_GATE = 0.00033
"""A NAND2 of a lane of post-processing, whose stages keep still while they have nothing to do, in every cycle. Queues
and look-up table, which mostly keep, are in neither.
"""

PICOJOULES_OF_VECTOR_UNIT = 152.0
"""The vector unit and its memories, in every cycle: most of it is their clock."""

PICOJOULES_OF_VECTOR_WORK = 189.0
"""What comes on top while it carries out an instruction."""

PICOJOULES_PER_DRAM_BYTE = (1300 + 2600) / 2 / 8
"""A 64-bit access takes 1.3 to 2.6 nJ; the middle of them."""

ALWAYS_ON = ("control", "sequencers", "transfers", "scratchpad ports", "post-processing")
"""Blocks of `chip.gates` that PICOJOULES_PER_GATE is for, the lanes apart."""

SOURCE = (
    f"modelled: fitted to synthesis on SG13G2, 130 nm: {PICOJOULES_PER_MAC} pJ a multiplier and cycle of the array, "
    f"{PICOJOULES_PER_COLUMN} a column and cycle, {PICOJOULES_PER_SRAM_BYTE} to "
    f"{PICOJOULES_PER_SRAM_BYTE + PICOJOULES_PER_SRAM_DEPTH:g} pJ an SRAM byte, {PICOJOULES_PER_GATE * 1000:g} fJ a "
    f"NAND2 of other logic and cycle, {PICOJOULES_PER_LANE_GATE * 1000:g} of lanes; the vector unit "
    f"{PICOJOULES_OF_VECTOR_UNIT:g} pJ a cycle, at work {PICOJOULES_OF_VECTOR_WORK:g} more; "
    "244 pJ a DRAM byte (Horowitz, ISSCC 2014)"
)


@dataclass(frozen=True)
class Energy:
    """Microjoules of one inference.

    array: every multiplier in every cycle in which the array takes a word, whether its product is needed or not, and
    the columns' clock in all others.
    sram: scratchpad words read and written. logic: all other logic, in every cycle, and the vector unit with its
    memories. dram: bytes of the bus beats.
    """

    array: float
    sram: float
    logic: float
    dram: float

    @property
    def total(self) -> float:
        """Microjoules in all."""
        return self.array + self.sram + self.logic + self.dram

    def to_json(self) -> dict[str, float]:
        """Parts and total, in microjoules."""
        return {**asdict(self), "total": self.total}


def inference_energy(chip: Chip, runs: Sequence[SegmentRun], dram_bytes: int) -> Energy:
    """The energy of one inference. runs: of all its segments; dram_bytes: of all bus beats."""
    return energy(chip, *counts(chip, runs), dram_bytes, vector_cycles(runs))


def counts(chip: Chip, runs: Sequence[SegmentRun]) -> tuple[int, int, int]:
    """What an inference's energy on the chip follows from, the vector unit's work apart: cycles, those of the array,
    and scratchpad bytes.
    """
    sram = 0
    for run in runs:
        fed = spent_cycles(run)
        for place, entry in enumerate(run.instructions):
            parts = fed.get(run.first + place)
            sram += scratchpad_bytes(chip, entry, parts[ARRAY] if parts else 0)
    return sum(run.timing.cycles for run in runs), sum(run.timing.array_cycles for run in runs), sram


def vector_cycles(runs: Sequence[SegmentRun]) -> int:
    """Cycles in which the vector unit carries out an instruction."""
    return sum(
        retirement(run.instructions[index - run.first])
        for run in runs
        for index in run.indices(Queue.VECTOR)
        if not run.passed_over(index)
    )


def energy(
    chip: Chip, cycles: float, array_cycles: float, sram_bytes: float, dram_bytes: float, vector_cycles: float = 0.0
) -> Energy:
    """The energy of what an inference does, by counts. vector_cycles: in which the vector unit is at work."""
    lanes = lane_gates(chip)
    steady = sum(block.gates for block in gate_blocks(chip) if block.name in ALWAYS_ON) - lanes
    logic = cycles * (steady * PICOJOULES_PER_GATE + lanes * PICOJOULES_PER_LANE_GATE)
    if chip.vector is not None:
        logic += cycles * PICOJOULES_OF_VECTOR_UNIT + vector_cycles * PICOJOULES_OF_VECTOR_WORK
    depth = min(chip.bank_words, DEEPEST) / DEEPEST
    return Energy(
        (chip.multipliers * array_cycles * PICOJOULES_PER_MAC + chip.columns * cycles * PICOJOULES_PER_COLUMN) / 1e6,
        sram_bytes * (PICOJOULES_PER_SRAM_BYTE + depth * PICOJOULES_PER_SRAM_DEPTH) / 1e6,
        logic / 1e6,
        dram_bytes * PICOJOULES_PER_DRAM_BYTE / 1e6,
    )


def scratchpad_bytes(chip: Chip, instruction: Instruction, fed: int) -> int:
    """Bytes that an instruction reads from and writes to the scratchpad. fed: cycles in which the feeder reads a word
    for it.
    """
    value = instruction.integer
    if instruction.operation.queue is Queue.COMPUTE:
        words = fed + result_count(instruction) * (1 + value("residual")) + table_words(chip, instruction)
        if instruction.operation.name != "STREAM":
            tiles = -(-positions(instruction) // value("tile"))
            sets = tiles * passes(instruction) * set_words(chip, instruction)
            words += value("groups") * (sets + parameter_words(chip, instruction))
        return words * chip.word_bytes
    if instruction.operation.queue is None:
        return 0
    row = -(-value("row_bytes") // chip.word_bytes)
    return value("planes") * value("rows") * row * chip.word_bytes
