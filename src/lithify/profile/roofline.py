"""The least cycles that a network can take on a chip: those of its multiplications, or those of its bytes."""

from dataclasses import dataclass
from typing import Any

from lithify.isa.program import ChipSegment
from lithify.program import Program
from lithify.sim.inference import Simulation


@dataclass(frozen=True)
class Roofline:
    """compute_cycles: multiply-accumulates over multipliers. minimal_bytes: weights, network input and output, each
    moved once; memory_cycles: these over the bytes a cycle of DRAM. obtained: how the bytes were counted.
    """

    compute_cycles: float
    minimal_bytes: int
    memory_cycles: float
    obtained: str

    @property
    def cycles(self) -> float:
        """The larger of both: no schedule takes less."""
        return max(self.compute_cycles, self.memory_cycles)

    def to_json(self) -> dict[str, Any]:
        """The roofline as JSON values."""
        return {
            "cycles": self.cycles,
            "compute_cycles": self.compute_cycles,
            "memory_cycles": self.memory_cycles,
            "minimal_dram_bytes": self.minimal_bytes,
        }


def roofline(program: Program, found: Simulation) -> Roofline:
    """The roofline of a program on its chip. Weights are those of the quantised graph; without the graph, the constants
    of the program, which are padded to whole words.
    """
    segments = [segment for segment in program.segments if isinstance(segment, ChipSegment)]
    ends = [item for segment in segments[:1] for item in segment.inputs]
    ends += [item for segment in segments[-1:] for item in segment.outputs]
    # Border and fill bytes are layout, not network.
    borders = sum(item.height * item.width * item.channels for item in ends)
    if program.graph is None:
        weights, how = len(program.constants), "the program's constants, padding included"
    else:
        # A single number (a scale, an axis) is no weight.
        weights = sum(array.nbytes for array in program.graph.constants.values() if array.ndim)
        how = "the weights and biases of the quantised graph"
    minimal = weights + borders
    return Roofline(
        found.macs / program.chip.multipliers,
        minimal,
        minimal / program.chip.dram_bytes_per_cycle,
        f"multiply-accumulates / multipliers, or {how}, the input and the output once / DRAM bytes a cycle",
    )
