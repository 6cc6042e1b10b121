"""What a run changes, and the form of what changes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lithify.isa.operations import Queue
from lithify.isa.stream import ResultStream
from lithify.sim.functional.memory import Scratchpad


@dataclass(frozen=True)
class Written:
    """What one compute or vector instruction wrote: its index in the segment and the words in order of writing."""

    instruction: int
    results: ResultStream
    queue: Queue = Queue.COMPUTE


@dataclass
class State:
    """Memories and registers of a run.

    dram: the bytes behind each base register. gathered: the activations that the last CONV read, as float32. kept: sums
    that a `keep` instruction left in the accumulators. table: the look-up table that was loaded last, 256 bytes.
    written: the result stream, None if nobody asks for it.
    """

    scratchpad: Scratchpad
    dram: Mapping[int, NDArray[np.uint8]]
    gathered: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    kept: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    table: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    written: list[Written] | None = None


class Step(Protocol):
    """An instruction, prepared: everything that does not depend on data is worked out and checked."""

    def run(self, state: State) -> None:
        """Does to memories and registers what the instruction does."""
