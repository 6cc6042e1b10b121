"""The energy of one inference, modelled: operations times published energies of a 45 nm process.

Source of every constant: M. Horowitz, "Computing's Energy Problem (and what we can do about it)", ISSCC 2014, figure
1.1.9, 45 nm at 0.9 V. They rank designs and networks; they do not foretell what a chip on another process draws. Clock
tree, registers, control and leakage are not counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lithify.chip import Chip
from lithify.isa import Instruction, Queue
from lithify.isa.addresses import parameter_words, passes, positions, result_count, set_words, table_words
from lithify.sim.cost import ARRAY
from lithify.sim.inference import SegmentRun, spent_cycles

PICOJOULES_PER_MAC = 0.2 + 0.1
"""An 8-bit multiplication and a 32-bit addition."""

PICOJOULES_PER_SRAM_BYTE = 10 / 8
"""A 64-bit read of an 8 KB memory takes 10 pJ; a write is counted as a read."""

PICOJOULES_PER_DRAM_BYTE = (1300 + 2600) / 2 / 8
"""A 64-bit access takes 1.3 to 2.6 nJ; the middle of them."""

SOURCE = "modelled: Horowitz, ISSCC 2014, 45 nm: 0.3 pJ a multiply-accumulate, 1.25 pJ an SRAM byte, 244 pJ a DRAM byte"


@dataclass(frozen=True)
class Energy:
    """Microjoules of one inference.

    array: every multiplier in every cycle in which the array takes a word, whether its product is needed or not.
    sram: scratchpad words read and written. dram: bytes of the bus beats.
    """

    array: float
    sram: float
    dram: float

    @property
    def total(self) -> float:
        """Microjoules in all."""
        return self.array + self.sram + self.dram

    def to_json(self) -> dict[str, float]:
        """Parts and total, in microjoules."""
        return {**asdict(self), "total": self.total}


def inference_energy(chip: Chip, runs: Sequence[SegmentRun], dram_bytes: int) -> Energy:
    """The energy of one inference. runs: of all its segments; dram_bytes: of all bus beats."""
    sram = 0
    for run in runs:
        fed = spent_cycles(run)
        for place, entry in enumerate(run.instructions):
            parts = fed.get(run.first + place)
            sram += scratchpad_bytes(chip, entry, parts[ARRAY] if parts else 0)
    return energy(chip, sum(run.timing.array_cycles for run in runs), sram, dram_bytes)


def energy(chip: Chip, array_cycles: int, sram_bytes: int, dram_bytes: int) -> Energy:
    """The energy of what an inference does, by counts."""
    return Energy(
        array_cycles * chip.multipliers * PICOJOULES_PER_MAC / 1e6,
        sram_bytes * PICOJOULES_PER_SRAM_BYTE / 1e6,
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
