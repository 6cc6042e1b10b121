"""Runs the instructions of a chip segment on scratchpad and DRAM bytes, in program order.

The order of the queues is not simulated: a program whose tokens order every conflict gives the same bits in program
order, and `order.py` checks that they do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa.addresses import residual_addresses, result_addresses
from lithify.isa.checks import check_in_ring, check_instruction, refuse
from lithify.isa.encoding import Instruction, decode
from lithify.isa.operations import Queue
from lithify.isa.stream import ResultStream
from lithify.sim.functional.memory import Scratchpad
from lithify.sim.functional.post import add_residual, bias_and_multiplier, clamp, looked_up, multiplied, scale_sums
from lithify.sim.functional.sums import (
    Sums,
    activation_words,
    conv_sums,
    depthwise_sums,
    stream_maxima,
    table,
    weights,
)
from lithify.sim.functional.transfer import load, store


@dataclass(frozen=True)
class Written:
    """What one compute instruction wrote: its index in the segment and the words in order of writing."""

    instruction: int
    results: ResultStream


@dataclass(frozen=True)
class Trace:
    """What a segment wrote through post-processing, one entry per compute instruction that writes, in order."""

    written: tuple[Written, ...]

    def stream(self, chip: Chip) -> ResultStream:
        """All words in one sequence, as the chip's result port shows them."""
        empty = ResultStream(np.empty(0, np.int32), np.empty((0, chip.word_bytes), np.int8))
        parts = [empty, *(entry.results for entry in self.written)]
        return ResultStream(
            np.concatenate([part.addresses for part in parts]), np.concatenate([part.words for part in parts])
        )


def run_segment(
    chip: Chip, instructions: bytes, dram: Mapping[int, NDArray[np.uint8]], record: bool = True, seed: int = 0
) -> Trace:
    """Executes instructions up to END; changes the arrays of `dram`.

    instructions: encoded, as in the program file. dram: for each base register the bytes behind it ([n] uint8,
    writeable where the program stores). record: whether to keep the written words; without, the trace is empty.
    seed: of the pattern that fills the scratchpad at the start.
    Raises LithifyError, naming the instruction by its index in the segment, for what the chip cannot execute.
    """
    scratchpad = Scratchpad(chip, seed)
    written: list[Written] = []
    left = _Left()
    for index, instruction in enumerate(_checked(chip, instructions)):
        queue = instruction.operation.queue
        if queue is Queue.LOAD:
            load(index, instruction, scratchpad, dram)
        elif queue is Queue.STORE:
            store(index, instruction, scratchpad, dram)
        elif queue is Queue.COMPUTE:
            results, left = _compute(index, instruction, scratchpad, left)
            if record and results is not None:
                written.append(Written(index, results))
    return Trace(tuple(written))


@lru_cache(maxsize=16)
def _checked(chip: Chip, instructions: bytes) -> tuple[Instruction, ...]:
    decoded = tuple(decode(instructions))
    for index, instruction in enumerate(decoded):
        check_instruction(chip, index, instruction)
    return decoded


@dataclass(frozen=True)
class _Kept:
    """Sums that a `keep` instruction left in the accumulators."""

    operation: str
    sums: Sums


@dataclass(frozen=True)
class _Left:
    """What compute instructions leave to those after them: sums, and the look-up table that was loaded last."""

    kept: _Kept | None = None
    table: NDArray[np.int8] | None = None


def _compute(
    index: int, instruction: Instruction, scratchpad: Scratchpad, left: _Left
) -> tuple[ResultStream | None, _Left]:
    """Executes a compute instruction: the words it wrote (None with `keep`) and what it leaves."""
    name = instruction.operation.name
    kept = left.kept
    _check_kept(index, instruction, kept)
    if instruction.integer("lookup") == 1:
        left = _Left(kept, table(index, instruction, scratchpad))
    rows = activation_words(index, instruction, scratchpad)
    if name == "STREAM":
        data = stream_maxima(instruction, rows, scratchpad)
        if not instruction.integer("multiply"):
            data = clamp(instruction, data)
    else:
        parameters, sets = weights(index, instruction, scratchpad)
        if name == "CONV":
            sums = conv_sums(rows, sets, scratchpad)
        else:
            sums = depthwise_sums(index, instruction, rows, sets, scratchpad)
        if kept is not None:
            sums = sums + kept.sums
        if instruction.integer("keep"):
            return None, _Left(_Kept(name, sums), left.table)
        data = scale_sums(index, instruction, sums, *bias_and_multiplier(parameters))
    return _write(index, instruction, scratchpad, data, left.table), _Left(None, left.table)


def _check_kept(index: int, instruction: Instruction, kept: _Kept | None) -> None:
    if instruction.integer("accumulate"):
        if kept is None:
            raise refuse(index, instruction, "adds to kept sums", "no instruction before it kept any")
        count = instruction.integer("out_height") * instruction.integer("out_width")
        if kept.operation != instruction.operation.name or kept.sums.shape[1] != count:
            problem = f"adds {count} positions to kept sums"
            allowed = f"those are {kept.sums.shape[1]} positions of a {kept.operation}"
            raise refuse(index, instruction, problem, allowed)
    elif kept is not None:
        allowed = "the instruction before it kept sums, which the next must take with `accumulate`"
        raise refuse(index, instruction, "starts new sums", allowed)


def _write(
    index: int,
    instruction: Instruction,
    scratchpad: Scratchpad,
    data: NDArray[np.int8],
    table: NDArray[np.int8] | None,
) -> ResultStream:
    """Takes the second tensor and the table to the results and writes them; data: [groups, positions, channels]."""
    word_bytes = scratchpad.chip.word_bytes
    last = instruction.integer("last_group_words") * word_bytes
    # The order of writing: groups, positions, words; of the last group only the words that exist.
    words = np.concatenate([data[:-1].reshape(-1, word_bytes), data[-1, :, :last].reshape(-1, word_bytes)])
    if instruction.integer("residual") or instruction.integer("multiply"):
        source = residual_addresses(instruction)
        check_in_ring(index, instruction, "residual", source, "reads the residual")
        scratchpad.check(index, instruction, source, "reads the residual")
        combine = add_residual if instruction.integer("residual") else multiplied
        words = combine(instruction, words, scratchpad.words[source])
    if instruction.integer("lookup"):
        if table is None:
            allowed = "no instruction before it in the program loaded one"
            raise refuse(index, instruction, "uses the table as it was left", allowed)
        words = looked_up(table, words)
    target = result_addresses(instruction)
    check_in_ring(index, instruction, "out", target, "writes results")
    scratchpad.check(index, instruction, target, "writes results")
    scratchpad.words[target] = words
    return ResultStream(target, words)
