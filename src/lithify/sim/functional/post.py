"""Post-processing: from sums to int8 results, one float32 operation at a time (docs/architecture.md, section 4).

Every array is [positions, channels]. A product beyond float32 is infinite, and clipped: the caller silences overflow.
"""

import numpy as np
from numpy.typing import NDArray

from lithify.isa.checks import FLOAT32_SMALLEST_NORMAL, refuse
from lithify.isa.encoding import Instruction
from lithify.sim.functional.memory import Words


def bias_and_multiplier(parameters: Words) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The bias and multiplier of every channel, each [groups, channels], from parameters [groups, words].

    Eight words for each result word: four of bias (int32, little-endian), four of multiplier (float32).
    """
    groups, words = parameters.shape
    numbers = np.ascontiguousarray(parameters).view("<i4").reshape(groups, words // 8, 2, -1)
    bias = numbers[:, :, 0].reshape(groups, -1)
    return bias, np.ascontiguousarray(numbers[:, :, 1]).view(np.float32).reshape(groups, -1)


def scale_sums(
    index: int,
    instruction: Instruction,
    sums: NDArray[np.int32],
    bias: NDArray[np.int32],
    multiplier: NDArray[np.float32],
) -> NDArray[np.int8]:
    """q = clip(rint(f32(sum + bias) * multiplier) + zero_point); changes `sums`. bias, multiplier: [groups, channels
    of a group].
    """
    value = instruction.integer
    sums += bias.reshape(-1)  # int32, wraps
    _check_multipliers(index, instruction, sums, multiplier)
    scaled = sums.astype(np.float32)
    scaled *= multiplier.reshape(-1)
    return _round(scaled, value("zero_point"), value("minimum"), value("maximum"))


def _check_multipliers(
    index: int, instruction: Instruction, total: NDArray[np.int32], multiplier: NDArray[np.float32]
) -> None:
    normal = (multiplier >= np.float32(FLOAT32_SMALLEST_NORMAL)) & (multiplier < np.float32(np.inf))
    if normal.all():
        return
    # Channels that a last group lacks are stored as zeros: no sum, no multiplier.
    absent = (multiplier.view(np.uint32) == 0) & (total == 0).all(axis=0).reshape(multiplier.shape)
    wrong = ~(normal | absent)
    if wrong.any():
        group, channel = (int(entry[0]) for entry in np.nonzero(wrong))
        problem = f"has the multiplier {float(multiplier[group, channel])} for channel {channel} of group {group}"
        raise refuse(index, instruction, problem, "a multiplier must be a positive normal number")


def clamp(instruction: Instruction, data: NDArray[np.int8]) -> NDArray[np.int8]:
    """What STREAM does to its maxima."""
    low, high = np.int8(instruction.integer("minimum")), np.int8(instruction.integer("maximum"))
    return np.minimum(np.maximum(data, low), high)


def multiplied(instruction: Instruction, data: NDArray[np.int8], factor: NDArray[np.int8]) -> NDArray[np.int8]:
    """clip(rint(f32((x - a_zero_point) * (b - b_zero_point)) * a_multiplier) + zero_point)."""
    value = instruction.integer
    product = (data.astype(np.int32) - value("a_zero_point")) * (factor.astype(np.int32) - value("b_zero_point"))
    scaled = product.astype(np.float32) * np.float32(instruction["a_multiplier"])
    return _round(scaled, value("zero_point"), value("minimum"), value("maximum"))


def looked_up(table: NDArray[np.int8], data: NDArray[np.int8]) -> NDArray[np.int8]:
    """The entry of each result in the table, whose first is that of -128."""
    return table[(data.view(np.uint8) ^ 0x80).astype(np.intp)]


def add_residual(instruction: Instruction, data: NDArray[np.int8], residual: NDArray[np.int8]) -> NDArray[np.int8]:
    """clip(rint(f32((q - a_zero_point) * a_multiplier) + f32((b - b_zero_point) * b_multiplier)) + sum_zero_point)."""
    value = instruction.integer
    a = data.astype(np.float32) - np.float32(value("a_zero_point"))
    b = residual.astype(np.float32) - np.float32(value("b_zero_point"))
    a *= np.float32(instruction["a_multiplier"])
    b *= np.float32(instruction["b_multiplier"])
    a += b
    return _round(a, value("sum_zero_point"), value("sum_minimum"), value("sum_maximum"))


def _round(value: NDArray[np.float32], zero_point: int, minimum: int, maximum: int) -> NDArray[np.int8]:
    """clip(rint(value) + zero_point), halves to even; clipped first, so that nothing leaves int32. Changes `value`."""
    # NaN, which only infinite products of opposite signs make, goes to the minimum as in the reference.
    np.fmax(value, np.float32(minimum - zero_point), out=value)
    np.fmin(value, np.float32(maximum - zero_point), out=value)
    np.rint(value, out=value)
    value += np.float32(zero_point)
    return value.astype(np.int8)
