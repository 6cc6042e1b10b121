"""Logical tensors (the layout of ONNX) to and from the DRAM of a chip."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.program import Base, IndexList, Placement, Program
from lithify.reference.gather import entries

Scalar = TypeVar("Scalar", bound=np.generic)

PATTERN_BYTES = 65_521
"""Length of the pattern of memory that nothing has written: a prime, so that rows of tensors never repeat with it."""


def image_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """Height, width and channels of a tensor as the chip sees it.

    (N, C, H, W) -> (N * H, W, C); (..., M, K) -> (1, all but the last, K); (K,) -> (1, 1, K); () -> (1, 1, 1).
    """
    if len(shape) == 4:
        return shape[0] * shape[2], shape[3], shape[1]
    return 1, math.prod(shape[:-1]), shape[-1] if shape else 1


def to_image(data: NDArray[Scalar]) -> NDArray[Scalar]:
    """The same elements as [height, width, channels]."""
    if data.ndim == 4:
        return data.transpose(0, 2, 3, 1).reshape(image_shape(data.shape))
    return data.reshape(image_shape(data.shape))


def from_image(image: NDArray[Scalar], shape: Sequence[int]) -> NDArray[Scalar]:
    """[height, width, channels] back to a tensor of `shape`, contiguous."""
    if len(shape) == 4:
        batch, channels, height, width = shape
        return np.ascontiguousarray(image.reshape(batch, height, width, channels).transpose(0, 3, 1, 2))
    return np.ascontiguousarray(image).reshape(tuple(shape))


def pack(data: NDArray[np.int8], placement: Placement, memory: NDArray[np.uint8]) -> None:
    """Writes a tensor, its borders and its fill into `memory`, the bytes behind the placement's base."""
    whole = _window(placement, memory)
    if placement.rows_together == 1:
        whole[:] = placement.fill
        _inner(placement, whole[:, 0])[:] = to_image(data)
        return
    rows = np.full((whole.shape[0] * whole.shape[1], *whole.shape[2:]), placement.fill, np.int8)
    _inner(placement, rows)[:] = to_image(data)
    whole[:] = rows.reshape(whole.shape)


def pack_list(indices: NDArray[np.int32] | NDArray[np.int64], entry: IndexList, memory: NDArray[np.uint8]) -> None:
    """Writes a list into `memory`, the bytes behind Base.INPUTS; LithifyError for an index that chooses nothing."""
    chosen = entries(indices, entry.entries, entry.tensor).reshape(-1)[list(entry.places)]
    listed = (chosen * entry.pitch).astype("<u4")
    memory[entry.offset : entry.offset + listed.nbytes] = listed.view(np.uint8)


def unpack(placement: Placement, shape: Sequence[int], memory: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Reads the tensor of `shape` that lies in `memory`."""
    whole = _window(placement, memory)
    image = _inner(placement, whole.reshape(-1, *whole.shape[2:]))
    return from_image(image, shape).astype(np.int8, copy=True)


def dram_of_program(program: Program, seed: int = 0) -> dict[Base, NDArray[np.uint8]]:
    """The DRAM of a run, one array a base: the constants, which nothing may write, and a seeded pattern where nothing
    has been written yet.

    A program that reads what nothing wrote gives wrong results then, not accidental zeros.
    """
    pattern = np.frombuffer(np.random.default_rng(seed).bytes(PATTERN_BYTES), np.uint8)
    constants = np.frombuffer(program.constants, dtype=np.uint8)  # read-only
    memory: dict[Base, NDArray[np.uint8]] = {}
    for base in Base:
        if base is Base.APPEND:
            continue  # a part of another
        known = constants if base is Base.CONSTANTS else constants[:0]
        size = program.base_bytes.get(base, 0) - known.size
        memory[base] = np.concatenate([known, np.resize(pattern, size)]) if size > 0 else known
    memory[Base.CONSTANTS].flags.writeable = False
    return memory


def check_placement(program: Program, placement: Placement, memory: Mapping[Base, NDArray[np.uint8]]) -> None:
    """Raises LithifyError if a placement does not fit its tensor or its memory."""
    shape = program.tensors[placement.tensor].shape
    if image_shape(shape) != (placement.height, placement.width, placement.channels):
        raise LithifyError(
            f"The program '{program.name}' places '{placement.tensor}' of shape {shape} as an image of "
            f"{placement.height} x {placement.width} x {placement.channels}; compile the network again."
        )
    if placement.channels > placement.pixel_bytes or placement.offset + placement.bytes > memory[placement.base].size:
        raise LithifyError(
            f"The program '{program.name}' places '{placement.tensor}' beyond its memory; compile the network again."
        )


def _window(placement: Placement, memory: NDArray[np.uint8]) -> NDArray[np.int8]:
    """All pixels, borders included: a view [height / rows together, rows together, width, pixel bytes]."""
    block = memory[placement.offset : placement.offset + placement.bytes].view(np.int8)
    together = placement.rows_together
    taking_turns = block.reshape(
        (placement.top + placement.height + placement.bottom) // together,
        placement.left + placement.width + placement.right,
        together,
        placement.pixel_bytes,
    )
    return taking_turns.transpose(0, 2, 1, 3)


def _inner(placement: Placement, whole: NDArray[np.int8]) -> NDArray[np.int8]:
    """The bytes of all pixels that are the tensor: a view [height, width, channels]."""
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    return whole[rows, columns, : placement.channels]
