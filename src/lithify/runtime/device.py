"""What runs a chip segment: a device. The functional simulator is one; the timing simulator and the RTL are others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lithify.isa.program import Base, ChipSegment, Program
from lithify.isa.stream import ResultStream
from lithify.sim.functional import run_segment


@dataclass(frozen=True)
class DeviceResult:
    """What a device tells of a chip segment.

    results: every word that post-processing wrote, in order; None if the device does not say.
    cycles: from the doorbell to the end; None if the device knows no time.
    counters: further counters by the names of their registers.
    queue, cycle: each retirement in order, its queue (4: END) and its cycle (0: the first that is counted); None if the
    device does not say.
    samples: rows of a cycle and, up to and with it, DRAM bytes read and written and words of results written: [n, 4];
    None if nobody asked for them.
    """

    results: ResultStream | None = None
    cycles: int | None = None
    counters: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    queue: NDArray[np.uint32] | None = None
    cycle: NDArray[np.int64] | None = None
    samples: NDArray[np.int64] | None = None


class Device(Protocol):
    """Runs chip segments."""

    @property
    def name(self) -> str:
        """How reports call the device."""

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """Runs one segment from doorbell to end on the bytes of `dram`, which it changes as the chip would.

        skip: the register SKIP.
        """


@dataclass(frozen=True)
class FunctionalDevice:
    """The functional simulator. record: whether to keep the result stream; seed: of the scratchpad's first contents."""

    record: bool = True
    seed: int = 0
    name: str = "functional"

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """Runs the segment bit by bit; knows no time."""
        instructions = program.instructions[segment.start : segment.start + segment.size]
        bases = {int(base): memory for base, memory in dram.items()}
        trace = run_segment(program.chip, instructions, bases, self.record, self.seed, skip)
        return DeviceResult(trace.stream(program.chip) if self.record else None)
