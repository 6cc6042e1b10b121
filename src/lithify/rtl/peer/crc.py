"""CRC-32 of whole words at once: the sums of bits that zlib's own definition gives."""

import zlib
from functools import lru_cache

from amaranth.hdl import Cat, Const, Value

BITS = 32
ONES = (1 << BITS) - 1
INITIAL = ONES
"""What a check begins with; its complement is sent."""


def step(state: int, data: bytes) -> int:
    """The register after some bytes, without the complements at both ends: linear in both."""
    return zlib.crc32(data, state ^ ONES) ^ ONES


@lru_cache
def _effects(size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What each bit of the register, and each of `size` bytes of data, does to the register."""
    none = bytes(size)
    of_state = tuple(step(1 << bit, none) for bit in range(BITS))
    of_data = tuple(step(0, (1 << bit).to_bytes(size, "little")) for bit in range(8 * size))
    return of_state, of_data


def advanced(state: Value | int, data: Value) -> Value:
    """The register after the bytes of `data`, the lowest first."""
    of_state, of_data = _effects(len(data) // 8)
    fixed = 0
    if isinstance(state, int):
        fixed = step(state, bytes(len(data) // 8))
    sums = []
    for bit in range(BITS):
        terms = [data[index] for index, effect in enumerate(of_data) if effect >> bit & 1]
        if not isinstance(state, int):
            terms += [state[index] for index, effect in enumerate(of_state) if effect >> bit & 1]
        sums.append(Cat(*terms).xor() ^ Const(fixed >> bit & 1, 1))
    return Cat(*sums)


def check(data: Value) -> Value:
    """The CRC-32 of some bytes, as zlib's."""
    return ~advanced(INITIAL, data)
