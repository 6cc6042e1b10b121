"""The sums of CONV and DEPTHWISE and the maxima of STREAM, all positions of an instruction at once.

Sums are int32 and wrap. Products go through float32 matrix multiplication in pieces that float32 adds exactly.
"""

import numpy as np
from numpy.typing import NDArray

from lithify.isa.addresses import (
    activation_reads,
    parameter_words,
    passes,
    reduced_reads,
    set_words,
    steps_between_reads,
    table_words,
)
from lithify.isa.checks import check_in_ring, refuse
from lithify.isa.encoding import Instruction
from lithify.sim.functional.memory import Scratchpad

# |a| <= 128 and |w| <= 128, so 1024 products sum to at most 2**24: every partial sum is an integer that float32 holds.
EXACT_CHUNK = 1024

Sums = NDArray[np.int32]


def activation_words(index: int, instruction: Instruction, scratchpad: Scratchpad) -> NDArray[np.int32]:
    """Rows of the scratchpad's words that are read: [distinct groups, positions, passes_y, passes_x, chunks, taps].

    The first dimension is 1 where all groups read the same words. Prepares the row that stands for `pad_value`.
    """
    reads = activation_reads(instruction)
    steps = steps_between_reads(instruction)
    if instruction.integer("group_in_words") == 0:
        steps = steps[:1]
    inside = reads.inside[None, :, :, :, None, :]
    address = reads.address[None, :, :, :, None, :] + steps[:, None, None, None, :, None]
    address = reduced_reads(instruction, address)
    if instruction.integer("in_ring_words"):
        there = address[np.broadcast_to(inside, address.shape)]
        check_in_ring(index, instruction, "in", there, "reads activations")
    address = np.where(inside, address, -1)
    scratchpad.check(index, instruction, address, "reads activations")
    scratchpad.words[-1] = instruction.integer("pad_value")
    return address


def weights(index: int, instruction: Instruction, scratchpad: Scratchpad) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Parameters [groups, parameter words, word bytes] and weight sets [groups, passes, columns, word bytes]."""
    chip = scratchpad.chip
    groups, parameters, columns = (
        instruction.integer("groups"),
        parameter_words(chip, instruction),
        set_words(chip, instruction),
    )
    group = parameters + passes(instruction) * columns
    start = instruction.integer("weight_address") + table_words(chip, instruction)
    block = scratchpad.block(index, instruction, start, groups * group, "reads weights")
    block = block.reshape(groups, group, chip.word_bytes)
    sets = block[:, parameters:].reshape(groups, passes(instruction), columns, chip.word_bytes)
    return block[:, :parameters], sets


def table(index: int, instruction: Instruction, scratchpad: Scratchpad) -> NDArray[np.int8]:
    """The look-up table that an instruction loads: 256 results, of -128 first."""
    count = table_words(scratchpad.chip, instruction)
    start = instruction.integer("weight_address")
    return scratchpad.block(index, instruction, start, count, "reads its table").reshape(-1).copy()


def conv_sums(rows: NDArray[np.int32], sets: NDArray[np.int8], scratchpad: Scratchpad) -> Sums:
    """CONV: [groups, positions, columns] from the rows read and the weight sets."""
    groups, _, columns, _ = sets.shape
    matrix = sets.transpose(0, 1, 3, 2).reshape(groups, -1, columns).astype(np.float32)  # [groups, terms, columns]
    data = scratchpad.words[rows].reshape(rows.shape[0], rows.shape[1], -1).astype(np.float32)
    if rows.shape[0] == 1:  # all groups see the same data: one product
        matrix = matrix.transpose(1, 0, 2).reshape(1, -1, groups * columns)
    total = np.zeros((rows.shape[0], rows.shape[1], matrix.shape[2]), dtype=np.int32)
    for start in range(0, data.shape[2], EXACT_CHUNK):
        chunk = slice(start, start + EXACT_CHUNK)
        total += np.matmul(data[:, :, chunk], matrix[:, chunk]).astype(np.int32)
    if rows.shape[0] == 1:
        total = total.reshape(-1, groups, columns).transpose(1, 0, 2)
    return total


def depthwise_sums(
    index: int, instruction: Instruction, rows: NDArray[np.int32], sets: NDArray[np.int8], scratchpad: Scratchpad
) -> Sums:
    """DEPTHWISE: [groups, positions, word bytes] from the rows read and the weight sets."""
    taps = rows.shape[-1]
    if sets[..., taps:].any():
        allowed = "the weight bytes of a DEPTHWISE beyond its window must be 0"
        raise refuse(index, instruction, f"has weights for more than its {taps} taps", allowed)
    groups, count = sets.shape[:2]
    rows = rows.reshape(rows.shape[0], rows.shape[1], count, taps)
    total = np.zeros((groups, rows.shape[1], sets.shape[2]), dtype=np.int32)
    for number in range(count):
        for tap in range(taps):
            # Weight byte r belongs to the r-th newest word, and taps are listed from the oldest on.
            weight = sets[:, number, None, :, taps - 1 - tap].astype(np.int32)
            total += scratchpad.words[rows[:, :, number, tap]].astype(np.int32) * weight
    return total


def stream_maxima(instruction: Instruction, rows: NDArray[np.int32], scratchpad: Scratchpad) -> NDArray[np.int8]:
    """STREAM: [groups, positions, word bytes]."""
    rows = rows.reshape(rows.shape[0], rows.shape[1], -1)
    largest = scratchpad.words[rows[:, :, 0]]
    for tap in range(1, rows.shape[2]):
        np.maximum(largest, scratchpad.words[rows[:, :, tap]], out=largest)
    return np.broadcast_to(largest, (instruction.integer("groups"), *largest.shape[1:]))
