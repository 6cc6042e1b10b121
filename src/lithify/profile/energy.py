"""The energy of one inference, modelled: what the chip does, times energies fitted to synthesised chips.

On chip: IHP SG13G2 (130 nm, 1.2 V, typical corner), fitted to the power that `lithify synth --power` works out of the
run of a network in RTL, before layout. `python benchmarks/energy.py` holds it against synthesis; docs/silicon.md has
the errors. DRAM is no part of the chip: M. Horowitz, "Computing's Energy Problem (and what we can do about it)", ISSCC
2014, figure 1.1.9.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lithify.chip import Chip
from lithify.chip.gates import gate_blocks
from lithify.isa import Instruction, Queue
from lithify.isa.addresses import parameter_words, passes, positions, result_count, set_words, table_words
from lithify.sim.cost import ARRAY
from lithify.sim.inference import SegmentRun, spent_cycles

PICOJOULES_PER_MAC = 2.3
"""A multiplier with its weights, its share of the adder tree and of the accumulators, in a cycle of the array."""

PICOJOULES_PER_MULTIPLIER = 0.36
"""Its clock, in every cycle."""

PICOJOULES_PER_SRAM_BYTE = 9.3
"""A byte of a word read from or written to a memory macro."""

PICOJOULES_PER_GATE = 0.00087
"""A NAND2 of all logic but the array and the queues, in every cycle: most of it is the clock of registers that lie
behind no gate.
"""

PICOJOULES_PER_DRAM_BYTE = (1300 + 2600) / 2 / 8
"""A 64-bit access takes 1.3 to 2.6 nJ; the middle of them."""

SOURCE = (
    f"modelled: fitted to synthesis on SG13G2, 130 nm: {PICOJOULES_PER_MAC} pJ a multiplier and cycle of the array, "
    f"{PICOJOULES_PER_MULTIPLIER} in any cycle, {PICOJOULES_PER_SRAM_BYTE} pJ an SRAM byte, "
    f"{PICOJOULES_PER_GATE * 1000:g} fJ a NAND2 of other logic and cycle; "
    "244 pJ a DRAM byte (Horowitz, ISSCC 2014)"
)


@dataclass(frozen=True)
class Energy:
    """Microjoules of one inference.

    array: every multiplier in every cycle in which the array takes a word, whether its product is needed or not, and
    its clock in all others.
    sram: scratchpad words read and written. logic: all other logic, in every cycle. dram: bytes of the bus beats.
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
    return energy(chip, *counts(chip, runs), dram_bytes)


def counts(chip: Chip, runs: Sequence[SegmentRun]) -> tuple[int, int, int]:
    """What an inference's energy on the chip follows from: cycles, those of the array, and scratchpad bytes."""
    sram = 0
    for run in runs:
        fed = spent_cycles(run)
        for place, entry in enumerate(run.instructions):
            parts = fed.get(run.first + place)
            sram += scratchpad_bytes(chip, entry, parts[ARRAY] if parts else 0)
    return sum(run.timing.cycles for run in runs), sum(run.timing.array_cycles for run in runs), sram


def energy(chip: Chip, cycles: float, array_cycles: float, sram_bytes: float, dram_bytes: float) -> Energy:
    """The energy of what an inference does, by counts."""
    gates = sum(block.gates for block in gate_blocks(chip) if block.name not in ("array", "queues"))
    return Energy(
        chip.multipliers * (array_cycles * PICOJOULES_PER_MAC + cycles * PICOJOULES_PER_MULTIPLIER) / 1e6,
        sram_bytes * PICOJOULES_PER_SRAM_BYTE / 1e6,
        cycles * gates * PICOJOULES_PER_GATE / 1e6,
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
