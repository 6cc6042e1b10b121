"""The sums of CONV and DEPTHWISE and the maxima of STREAM, all positions of an instruction at once.

Sums are int32 and wrap. Products go through float32 in pieces that float32 adds exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.isa.checks import refuse
from lithify.isa.encoding import Instruction
from lithify.sim.functional.memory import Places
from lithify.sim.functional.state import State

# |a| <= 128 and |w| <= 128, so 1024 products sum to at most 2**24: every partial sum is an integer that float32 holds.
EXACT_CHUNK = 1024

Sums = NDArray[np.int32]


@dataclass(frozen=True)
class Reads:
    """The activation words of an instruction: [positions, distinct groups, sets, taps], groups 1 where all read the
    same. padded: whether some of them lie outside the input, and hold `pad_value`.
    """

    places: Places
    shape: tuple[int, int, int, int]
    padded: bool
    pad_value: int

    def prepare(self, state: State) -> None:
        """Writes the word that stands for all coordinates outside the input."""
        if self.padded:
            state.scratchpad.data[-1] = self.pad_value


@dataclass(frozen=True)
class Conv:
    """The sums of a CONV. block: parameters and weights of all groups; order: in it the words of [groups, columns,
    sets]. again: the activations are those that the CONV before it read, and nothing has been written there since.
    """

    reads: Reads
    block: Places
    order: NDArray[np.intp]
    groups: int
    again: bool

    def sums(self, state: State) -> Sums:
        """[positions, groups x columns]."""
        positions, distinct, sets, _ = self.reads.shape
        if not self.again:
            self.reads.prepare(state)
            state.gathered = state.scratchpad.read(self.reads.places).view(np.int8).astype(np.float32)
        terms = sets * state.scratchpad.words.itemsize
        matrix = state.scratchpad.words[self.block].take(self.order).view(np.int8).astype(np.float32)
        if distinct == 1:
            return _product(state.gathered.reshape(positions, terms), matrix.reshape(-1, terms))
        matrix = matrix.reshape(self.groups, -1, terms)
        data = state.gathered.reshape(positions, distinct, terms)
        return np.concatenate([_product(data[:, group], matrix[group]) for group in range(distinct)], axis=1)


def _product(data: NDArray[np.float32], matrix: NDArray[np.float32]) -> Sums:
    """[positions, columns] of [positions, terms] and [columns, terms]."""
    total = (data[:, :EXACT_CHUNK] @ matrix[:, :EXACT_CHUNK].T).astype(np.int32)
    for start in range(EXACT_CHUNK, data.shape[1], EXACT_CHUNK):
        chunk = slice(start, start + EXACT_CHUNK)
        total += (data[:, chunk] @ matrix[:, chunk].T).astype(np.int32)
    return total


@dataclass(frozen=True)
class Depthwise:
    """The sums of a DEPTHWISE. block: for each group `parameters` words, then the weights of [sets, channels of a
    word]; byte r of a word is the weight of the r-th newest word of the window, and taps are listed from the oldest on.
    """

    index: int
    instruction: Instruction
    reads: Reads
    block: Places
    parameters: int
    groups: int

    def sums(self, state: State) -> Sums:
        """[positions, groups x channels of a word]."""
        positions, distinct, sets, taps = self.reads.shape
        size = state.scratchpad.words.itemsize
        words = state.scratchpad.data[self.block].reshape(self.groups, -1, size)[:, self.parameters :]
        weights = words.reshape(self.groups, sets, size, size)
        if weights[..., taps:].any():
            allowed = "the weight bytes of a DEPTHWISE beyond its window must be 0"
            problem = f"has weights for more than its {taps} taps"
            raise refuse(self.index, self.instruction, problem, allowed)
        factors = (
            weights[..., taps - 1 :: -1].transpose(1, 3, 0, 2).astype(np.float32)
        )  # [sets, taps, groups, channels]
        factors = factors.reshape(sets * taps, self.groups, size)
        self.reads.prepare(state)
        data = state.scratchpad.read(self.reads.places).view(np.int8).reshape(positions, distinct, sets * taps, size)
        total = np.zeros((positions, self.groups, size), np.int32)
        for start in range(0, sets * taps, EXACT_CHUNK):
            part = data[:, :, start] * factors[start]
            for tap in range(start + 1, min(start + EXACT_CHUNK, sets * taps)):
                part += data[:, :, tap] * factors[tap]
            total += part.astype(np.int32)
        return total.reshape(positions, -1)


@dataclass(frozen=True)
class Maxima:
    """What a STREAM gives to post-processing: the maximum over the window."""

    reads: Reads
    groups: int

    def largest(self, state: State) -> NDArray[np.int8]:
        """[positions, groups x channels of a word]."""
        positions, distinct, sets, taps = self.reads.shape
        self.reads.prepare(state)
        data = state.scratchpad.read(self.reads.places).view(np.int8).reshape(positions, distinct, sets * taps, -1)
        # One tap is the scratchpad itself where the words are consecutive: a copy, for results may go there.
        largest = data[:, :, 0].copy()
        for tap in range(1, sets * taps):
            np.maximum(largest, data[:, :, tap], out=largest)
        return np.broadcast_to(largest, (positions, self.groups, largest.shape[2])).reshape(positions, -1)
