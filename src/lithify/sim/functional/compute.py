"""CONV, DEPTHWISE and STREAM: sums or maxima, post-processing, results (docs/architecture.md, section 4)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.isa.addresses import Addresses
from lithify.isa.encoding import Instruction
from lithify.isa.stream import ResultStream
from lithify.sim.functional.memory import Places, Words
from lithify.sim.functional.post import add_residual, bias_and_multiplier, clamp, looked_up, multiplied, scale_sums
from lithify.sim.functional.state import State, Written
from lithify.sim.functional.sums import Conv, Depthwise, Maxima, Sums


@dataclass(frozen=True)
class Target:
    """Where results go. words: of a position. places: position by position, all groups of one together.

    addresses: in the order of writing, which is groups, positions, words; order: for each result in the order of
    `places` its number in that order, None where both are the same. repeated: some word is written more than once.
    """

    words: int
    places: Places
    addresses: Addresses
    order: NDArray[np.intp] | None
    repeated: bool

    def write(self, state: State, index: int, results: Words) -> None:
        """results: in the order of `places`."""
        if state.written is None and not self.repeated:
            state.scratchpad.words[self.places] = results
            return
        stream = results
        if self.order is not None:
            stream = np.empty_like(results)
            stream[self.order] = results
        state.scratchpad.words[self.addresses] = stream
        if state.written is not None:
            words = stream.view(np.int8).reshape(-1, results.itemsize)
            state.written.append(Written(index, ResultStream(self.addresses, words)))


@dataclass(frozen=True)
class Compute:
    """A compute instruction. table: words of the look-up table that it loads, None if it loads none; parameters: words
    of all groups' biases, multipliers and weights; second: of the residual or factor; target: None with `keep`.
    """

    index: int
    instruction: Instruction
    source: Conv | Depthwise | Maxima
    table: Places | None
    parameters: Places
    parameter_words: int
    second: Places | None
    target: Target | None

    def run(self, state: State) -> None:
        """See `Step`."""
        pad, instruction = state.scratchpad, self.instruction
        if self.table is not None:
            state.table = pad.data[self.table].reshape(-1).copy()
        if isinstance(self.source, Maxima):
            data = self.source.largest(state)
            if not instruction.integer("multiply"):
                data = clamp(instruction, data)
        else:
            sums = self.source.sums(state)
            if instruction.integer("accumulate"):
                sums += state.kept
            if self.target is None:
                state.kept = sums
                return
            data = self._scaled(state, self.source.groups, sums)
        assert self.target is not None
        # Of the last group only the words that exist.
        words = data.view(pad.words.dtype)[:, : self.target.words]
        data = np.ascontiguousarray(words).reshape(-1).view(np.int8)
        if self.second is not None:
            combine = add_residual if instruction.integer("residual") else multiplied
            data = combine(instruction, data, pad.read(self.second).view(np.int8))
        if instruction.integer("lookup"):
            data = looked_up(state.table, data)
        self.target.write(state, self.index, data.view(pad.words.dtype))

    def _scaled(self, state: State, groups: int, sums: Sums) -> NDArray[np.int8]:
        parameters = state.scratchpad.words[self.parameters].reshape(groups, -1)[:, : self.parameter_words]
        return scale_sums(self.index, self.instruction, sums, *bias_and_multiplier(parameters))
