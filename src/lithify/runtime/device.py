"""What runs a chip segment: a device. The functional simulator is one; the timing simulator and the RTL are others."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lithify.isa.layout import dram_layout
from lithify.isa.program import Base, ChipSegment, Program
from lithify.isa.sequence import segment_instructions
from lithify.isa.stream import ResultStream
from lithify.sim.functional import run_segment
from lithify.sim.timing import simulate
from lithify.sim.timing.compute import ComputeTiming

LATE = "LATE"
"""The counter of cycles in which a beat waited for a board's memory beyond the memory model."""


@dataclass(frozen=True)
class DeviceResult:
    """What a device tells of a chip segment.

    results: every word that post-processing wrote, in order; None if the device does not say.
    cycles: from the doorbell to the end; None if the device knows no time.
    counters: further counters by the names of their registers; LATE of the link among them, where a board counts it.
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
    name: str = "sim"

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """Runs the segment bit by bit; knows no time."""
        instructions = program.instructions[segment.start : segment.start + segment.size]
        bases = {int(base): memory for base, memory in dram.items()}
        trace = run_segment(program.chip, instructions, bases, self.record, self.seed, skip)
        return DeviceResult(trace.stream(program.chip) if self.record else None)


@dataclass(frozen=True)
class TimingDevice:
    """The functional simulator's bits with the timing simulator's cycles, which are the RTL's."""

    bits: FunctionalDevice = field(default_factory=lambda: FunctionalDevice(record=False))
    name: str = "timing"
    _known: dict[tuple[int, int, int], tuple[Program, int]] = field(default_factory=dict, repr=False, compare=False)

    def run_segment(
        self, program: Program, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        """Runs the segment bit by bit; its cycles, which no data changes, are counted once."""
        result = self.bits.run_segment(program, segment, dram, skip)
        key = id(program), segment.start, skip
        if key not in self._known:
            chip, layout = program.chip, dram_layout(program, segment)
            bases = {int(base): address for base, address in layout.bases.items()}
            instructions = segment_instructions(program, segment)
            timing = simulate(chip, instructions, segment.size, bases, ComputeTiming(chip), skip=skip)
            self._known[key] = program, timing.cycles
        return replace(result, cycles=self._known[key][1])
