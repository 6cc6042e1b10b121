"""A plan: which images stay on the chip, which operations run together band by band, and where all lies."""

from collections.abc import Mapping
from dataclasses import dataclass

from lithify.compiler.planning.bands import Bands
from lithify.compiler.planning.blocks import Blocks


@dataclass(frozen=True)
class Single:
    """One operation, block by block."""

    operation: int
    blocks: Blocks


@dataclass(frozen=True)
class Plan:
    """homes: first bank of each resident image. phases: in order. cycles: the estimate of the whole. apart: whether
    operations beside each other keep to their own banks (`banks_for`); where there is no room for that they do not.
    """

    homes: Mapping[str, int]
    phases: tuple[Bands | Single, ...]
    cycles: int
    apart: bool = True

    @property
    def operations(self) -> tuple[range, ...]:
        """The numbers of the operations of each phase."""
        return tuple(
            range(phase.operation, phase.operation + 1)
            if isinstance(phase, Single)
            else range(phase.stretch.first, phase.stretch.end)
            for phase in self.phases
        )

    @property
    def ring_banks(self) -> tuple[int, ...]:
        """Upper banks that hold the weights of each operation."""
        banks: list[int] = []
        for phase in self.phases:
            if isinstance(phase, Single):
                banks.append(phase.blocks.ring_banks)
            else:
                banks += [phase.ring_banks] * (phase.stretch.end - phase.stretch.first)
        return tuple(banks)
