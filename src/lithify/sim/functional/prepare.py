"""Works out and checks once, for every later run of the same instructions, what does not depend on data."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa.addresses import (
    Addresses,
    activation_reads,
    parameter_words,
    passes,
    positions,
    reduced_reads,
    residual_addresses,
    result_addresses,
    set_words,
    steps_between_reads,
    table_words,
)
from lithify.isa.checks import check_in_ring, check_instruction, refuse
from lithify.isa.encoding import Instruction, decode
from lithify.isa.operations import Queue
from lithify.sim.functional.compute import Compute, Target
from lithify.sim.functional.memory import Places, check_words, places, weights_at
from lithify.sim.functional.state import Step
from lithify.sim.functional.sums import Conv, Depthwise, Maxima, Reads
from lithify.sim.functional.transfer import Gather, Load, Store, row_addresses
from lithify.sim.functional.vector import Vector


@lru_cache(maxsize=8)
def prepared(chip: Chip, instructions: bytes, skip: int = 0) -> tuple[Step, ...]:
    """The steps of encoded instructions up to END; raises LithifyError for the first that the chip cannot execute.

    skip: the register SKIP; what it passes over is left out.
    """
    preparation = _Preparation(chip)
    steps = []
    for index, instruction in enumerate(decode(instructions)):
        check_instruction(chip, index, instruction)
        if (skip & ~1) >> instruction.integer("when") & 1:
            continue
        step = preparation.step(index, instruction)
        if step is not None:
            steps.append(step)
    return tuple(steps)


class _Preparation:
    """What is known between instruction and instruction.

    last_write: for each word of the scratchpad the instruction that wrote it last. gathered: what the last CONV read,
    and its index. kept: of the instruction that left sums in the accumulators. table: whether one was loaded. steps:
    see `_sums`.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.last_write = np.full(chip.words + 1, -1, np.int32)
        self.gathered: tuple[int, Reads] | None = None
        self.kept: Instruction | None = None
        self.table = False
        self.steps: dict[tuple[object, ...], tuple[Addresses, NDArray[np.bool_]]] = {}

    def step(self, index: int, instruction: Instruction) -> Step | None:
        """The step of an instruction, in program order; None for END."""
        queue = instruction.operation.queue
        if queue in (Queue.LOAD, Queue.STORE):
            addresses = row_addresses(instruction, self.chip.word_bytes)
            if queue is Queue.STORE:
                return Store.of(self.chip, index, instruction, addresses)
            kind = Gather if instruction.integer("listed") else Load
            load = kind.of(self.chip, index, instruction, addresses)
            self.last_write[load.target] = index
            return load
        if queue is Queue.VECTOR:
            vector = Vector.of(self.chip, index, instruction)
            self.last_write[vector.target] = index
            return vector
        return self._compute(index, instruction) if queue is Queue.COMPUTE else None

    def _compute(self, index: int, instruction: Instruction) -> Compute:
        chip, value = self.chip, instruction.integer
        self._check_kept(index, instruction)
        self.kept = instruction if value("keep") else None
        table = None
        first = table_words(chip, instruction)
        if first:
            table = weights_at(chip, index, instruction, 0, first, "reads its table")
        reads = self._reads(index, instruction)
        groups = value("groups")
        source: Conv | Depthwise | Maxima
        parameters: Places
        if instruction.operation.name == "STREAM":
            source = Maxima(reads, groups)
            own, parameters = 0, slice(0, 0)
        else:
            own = parameter_words(chip, instruction)
            group = own + passes(instruction) * set_words(chip, instruction)
            parameters = weights_at(chip, index, instruction, first, groups * group, "reads weights")
            if instruction.operation.name == "CONV":
                before = self._gathered_before(index, reads)
                order = _columns_first(groups, own, passes(instruction), set_words(chip, instruction))
                source = Conv(before or reads, parameters, order, groups, again=before is not None)
            else:
                source = Depthwise(index, instruction, reads, parameters, own, groups)
        second = None
        if (value("residual") or value("multiply")) and not value("keep"):
            residual = residual_addresses(instruction)
            check_in_ring(index, instruction, "residual", residual, "reads the residual")
            check_words(chip, index, instruction, residual, "reads the residual")
            second = places(residual[_writing_order(instruction)])
        self.table = self.table or table is not None
        if value("lookup") and not self.table:
            allowed = "no instruction before it in the program loaded one"
            raise refuse(index, instruction, "uses the table as it was left", allowed)
        target = None if value("keep") else self._target(index, instruction)
        return Compute(index, instruction, source, table, parameters, own, second, target)

    def _check_kept(self, index: int, instruction: Instruction) -> None:
        kept = self.kept
        if not instruction.integer("accumulate"):
            if kept is not None:
                allowed = "the instruction before it kept sums, which the next must take with `accumulate`"
                raise refuse(index, instruction, "starts new sums", allowed)
            return
        if kept is None:
            raise refuse(index, instruction, "adds to kept sums", "no instruction before it kept any")
        count = positions(instruction)
        if kept.operation is not instruction.operation or positions(kept) != count:
            problem = f"adds {count} positions to kept sums"
            allowed = f"those are {positions(kept)} positions of a {kept.operation.name}"
            raise refuse(index, instruction, problem, allowed)

    def _reads(self, index: int, instruction: Instruction) -> Reads:
        address, inside = self._sums(instruction)
        address = reduced_reads(instruction, address)
        padded = not inside.all()
        if instruction.integer("in_ring_words"):
            there = address[np.broadcast_to(inside, address.shape)]
            check_in_ring(index, instruction, "in", there, "reads activations")
        if padded:
            address = np.where(inside, address, -1)
        check_words(self.chip, index, instruction, address, "reads activations")
        if padded:
            address[address < 0] = self.chip.words
        shape = (address.shape[0], address.shape[1], passes(instruction), address.shape[5])
        return Reads(places(address), shape, padded, instruction.integer("pad_value"))

    def _sums(self, instruction: Instruction) -> tuple[Addresses, NDArray[np.bool_]]:
        """Addresses before `reduced_reads`, and whether they exist: [positions, groups, passes_y, passes_x, chunks,
        taps]. Where all groups read the same there is one.
        """
        start = instruction.integer("in_address")
        ring = instruction.integer("in_ring_words")
        # Instructions of a layer differ in their addresses; without a ring these are steps from the first one.
        key = tuple(item for item in instruction.values.items() if item[0] not in _NO_STEPS or ring)
        if key not in self.steps:
            reads = activation_reads(instruction)
            steps = steps_between_reads(instruction)
            if instruction.integer("group_in_words") == 0:
                steps = steps[:1]
            address = reads.address[:, None, :, :, None, :] + steps[:, None, None, :, None]
            self.steps[key] = address - start, reads.inside[:, None, :, :, None, :]
        steps, inside = self.steps[key]
        return steps + start, inside

    def _gathered_before(self, index: int, reads: Reads) -> Reads | None:
        """What the last CONV read, if it is the same and nothing has been written there since; else `reads` is
        remembered in its place.
        """
        if self.gathered is not None:
            since, before = self.gathered
            same = (before.shape, before.pad_value) == (reads.shape, reads.pad_value)
            if same and _equal(before.places, reads.places) and int(self.last_write[reads.places].max()) < since:
                return before
        self.gathered = (index, reads)
        return None

    def _target(self, index: int, instruction: Instruction) -> Target:
        addresses = result_addresses(instruction)
        check_in_ring(index, instruction, "out", addresses, "writes results")
        check_words(self.chip, index, instruction, addresses, "writes results")
        self.last_write[addresses] = index
        order = _writing_order(instruction)
        words = addresses.size // positions(instruction)
        repeated = int((self.last_write == index).sum()) < addresses.size
        one_group = words == instruction.integer("last_group_words")
        return Target(words, places(addresses[order]), addresses, None if one_group else order, repeated)


_NO_STEPS = {
    *("in_address", "out_address", "residual_address", "weight_address", "wait", "signal", "serial"),
    *("keep", "accumulate", "lookup", "minimum", "maximum", "zero_point"),
}
"""Fields on which the steps between activations do not depend."""


def _equal(one: Places, other: Places) -> bool:
    if isinstance(one, slice) or isinstance(other, slice):
        return isinstance(one, slice) and isinstance(other, slice) and one == other
    return bool(np.array_equal(one, other))


@lru_cache(maxsize=256)
def _columns_first(groups: int, parameters: int, sets: int, columns: int) -> NDArray[np.intp]:
    """The weight words of [groups, columns, sets] among those of [groups, parameters and (sets, columns)]."""
    words = np.arange(groups * (parameters + sets * columns), dtype=np.intp).reshape(groups, -1)[:, parameters:]
    return np.ascontiguousarray(words.reshape(groups, sets, columns).transpose(0, 2, 1)).reshape(-1)


def _writing_order(instruction: Instruction) -> NDArray[np.intp]:
    value = instruction.integer
    return _by_position(positions(instruction), value("groups"), value("group_words"), value("last_group_words"))


@lru_cache(maxsize=256)
def _by_position(count: int, groups: int, words: int, last: int) -> NDArray[np.intp]:
    """For each result, position by position, all groups of one together, its number in the order of writing."""
    whole = (groups - 1) * words
    numbers = np.arange(count * (whole + last), dtype=np.intp)
    first = numbers[: count * whole].reshape(-1, count, words).transpose(1, 0, 2).reshape(count, whole)
    return np.concatenate([first, numbers[count * whole :].reshape(count, last)], axis=1).reshape(-1)
