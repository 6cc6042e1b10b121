"""Chunks: how an operation's weights travel, many groups at once or one part of one group after the other."""

from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.operation import Operation
from lithify.compiler.weights import (
    Part,
    alike,
    chunk_banks,
    chunk_words,
    groups,
    table_words,
    weight_words,
    whole_part,
)


@dataclass(frozen=True)
class Weights:
    """How an operation's weights travel: chunks of `chunk_groups` groups, each of the reduction's `parts`.

    More than one part means that not even one group's weights fit in the ring, or its inputs in the scratchpad: then a
    chunk is one part of one group, and an instruction one tile of it. chunk_banks: banks of the largest chunk.
    """

    parts: tuple[Part, ...]
    chunk_groups: int
    chunk_banks: int
    total_bytes: int


class RingTooSmall(Exception):
    """Not even the smallest part of a group's weights fits in the ring; `needed` in words."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


def part_banks(operation: Operation, weights: Weights, chip: Chip) -> list[int]:
    """Banks of a chunk of each part."""
    if len(weights.parts) == 1:
        return [weights.chunk_banks]
    lasts = [number == len(weights.parts) - 1 for number in range(len(weights.parts))]
    words = [chunk_words(operation, chip, part, 1, last) for part, last in zip(weights.parts, lasts, strict=True)]
    return [chunk_banks(count, chip.weight_ports, chip) for count in words]


def plan_weights(
    operation: Operation,
    chip: Chip,
    ring_banks: int,
    most: tuple[int, int, int] | None = None,
    in_parts: bool = False,
) -> Weights | None:
    """How the weights of an operation, or its program, travel through a ring; None for stream.

    most: passes (vertical, horizontal) and words of input channels that a part may have. in_parts: even if not even
    that is needed. Raises RingTooSmall.
    """
    if not operation.weighted:
        # A stream has no weights, but its table may come.
        table = table_words(operation, chip)
        if table and chunk_banks(table, chip.weight_ports, chip) > ring_banks:
            raise RingTooSmall(table)
        return None
    room = ring_banks * chip.bank_words
    whole = whole_part(operation, chip)
    if operation.program is not None:
        words = chunk_words(operation, chip, whole, 1, True)
        if words > room:
            raise RingTooSmall(words)
        return Weights((whole,), 1, chunk_banks(words, 1, chip), words * chip.word_bytes)
    if ring_banks < chip.weight_ports:
        raise RingTooSmall(chip.weight_ports * chip.bank_words)
    each, count = weight_words(operation, chip, whole, True), groups(operation, chip)
    table = table_words(operation, chip)
    total = each * count * chip.word_bytes
    # What is one tile in any case may as well take its weights in smaller parts.
    small = operation.region.positions <= chip.accumulators and 3 * (each + table) > room and whole.sets > 1
    if each + table > room or most is not None or small or (in_parts and whole.sets > 1):
        parts = _split(operation, chip, whole, room, most or (whole.y[1], whole.x[1], whole.chunks[1]))
        largest = max(chunk_words(operation, chip, part, 1, True) for part in parts)
        return Weights(parts, 1, chunk_banks(largest, chip.weight_ports, chip), total)
    if alike(operation, chip):
        return Weights((whole,), 1, chunk_banks(each + table, chip.weight_ports, chip), each * chip.word_bytes)
    # Two chunks fit in the ring where it can be, so that one is loaded while the other is used.
    target = max(each, max(1, ring_banks // 4) * chip.bank_words - table)
    chunk = -(-count // -(-count // max(1, target // each)))
    return Weights((whole,), chunk, chunk_banks(chunk * each + table, chip.weight_ports, chip), total)


def _split(operation: Operation, chip: Chip, whole: Part, room: int, most: tuple[int, int, int]) -> tuple[Part, ...]:
    """Parts of the reduction whose weights fit in half of `room` words, or in all of it: by channels, then passes."""

    def words(y: int, x: int, chunks: int) -> int:
        return chunk_words(operation, chip, Part((0, y), (0, x), (0, chunks)), 1, True)

    target = next((room // count for count in (4, 2) if words(1, 1, 1) <= room // count), room)
    y, x, chunks = most
    while chunks > 1 and words(y, x, chunks) > target:
        chunks -= 1
    while y > 1 and words(y, x, chunks) > target:
        y -= 1
    while x > 1 and words(y, x, chunks) > target:
        x -= 1
    if words(y, x, chunks) > room:
        raise RingTooSmall(words(y, x, chunks))
    return tuple(
        Part(rows, columns, channels)
        for rows in _ranges(whole.y[1], y)
        for columns in _ranges(whole.x[1], x)
        for channels in _ranges(whole.chunks[1], chunks)
    )


def _ranges(end: int, length: int) -> list[tuple[int, int]]:
    return [(first, min(first + length, end)) for first in range(0, end, length)]
