"""Runs the instructions of a chip segment on scratchpad and DRAM bytes, in program order.

The order of the queues is not simulated: a program whose tokens order every conflict gives the same bits in program
order, and `order.py` checks that they do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa.operations import Queue
from lithify.isa.stream import ResultStream
from lithify.sim.functional.memory import Scratchpad
from lithify.sim.functional.prepare import prepared
from lithify.sim.functional.state import State, Written


@dataclass(frozen=True)
class Trace:
    """What a segment's results were, one entry per compute or vector instruction that writes, in order."""

    written: tuple[Written, ...]

    def stream(self, chip: Chip) -> ResultStream:
        """All words, as the chip's result ports show them: those of post-processing, then the vector unit's."""
        empty = ResultStream(np.empty(0, np.int32), np.empty((0, chip.word_bytes), np.int8))
        entries = sorted(self.written, key=lambda entry: entry.queue is Queue.VECTOR)
        parts = [empty, *(entry.results for entry in entries)]
        return ResultStream(
            np.concatenate([part.addresses for part in parts]), np.concatenate([part.words for part in parts])
        )


def run_segment(
    chip: Chip,
    instructions: bytes,
    dram: Mapping[int, NDArray[np.uint8]],
    record: bool = True,
    seed: int = 0,
    skip: int = 0,
) -> Trace:
    """Executes instructions up to END; changes the arrays of `dram`.

    instructions: encoded, as in the program file. dram: for each base register the bytes behind it ([n] uint8,
    contiguous, writeable where the program stores). record: whether to keep the written words; without, the trace is
    empty. seed: of the pattern that fills the scratchpad at the start. skip: the register SKIP.
    Raises LithifyError, naming the instruction by its index in the segment, for what the chip cannot execute.
    """
    steps = prepared(chip, instructions, skip)
    written: list[Written] = []
    state = State(Scratchpad(chip, seed), dram, written=written if record else None)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in steps:
            step.run(state)
    return Trace(tuple(written))
