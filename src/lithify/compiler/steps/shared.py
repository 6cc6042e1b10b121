"""Operations with equal weights read the same chunks: stored once, and where they stay on the chip loaded once.

The steps of a recurrent network are such operations.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.operation import Operation
from lithify.compiler.steps.step import Chunk, Step
from lithify.compiler.weights import Part


def share_chunks(steps: Sequence[Step], operations: Sequence[Operation], chip: Chip) -> tuple[Step, ...]:
    """The steps with every chunk that holds what one of an earlier operation holds replaced by that."""
    firsts = first_alike(operations, chip)
    known: dict[tuple[int, int, int, Part | None], Chunk] = {}
    shared = []
    for step in steps:
        if step.chunk is not None:
            chunk = step.chunk
            same = known.setdefault((firsts[step.operation], chunk.first, chunk.end, step.part), chunk)
            step = replace(step, chunk=same)
        shared.append(step)
    return tuple(shared)


def first_alike(operations: Sequence[Operation], chip: Chip) -> list[int]:
    """For each operation the first whose weights, parameters and table are packed to the same words."""
    found: list[int] = []
    first: dict[Hashable, int] = {}
    # Digests are taken of what agrees in all that is small; arrays that nodes share are read once.
    small = [_small(operation, chip) for operation in operations]
    often = Counter(small)
    digests: dict[Hashable, bytes] = {}
    for index, (operation, kind) in enumerate(zip(operations, small, strict=True)):
        if kind is None or often[kind] == 1:
            found.append(index)
            continue
        digest = _digest(operation.parameters.weights, digests) if operation.parameters is not None else b""
        found.append(first.setdefault((kind, digest), index))
    return found


def _small(operation: Operation, chip: Chip) -> Hashable:
    """All but the weights; None for an operation that reads neither stored weights nor a table."""
    parameters = operation.parameters
    table = None if operation.table is None else operation.table.tobytes()
    if operation.program is not None or operation.second is not None:
        return None
    if parameters is None:
        return table
    return (
        operation.unit,
        operation.cut,
        operation.sliding.kernel,
        operation.x.pixel_words(chip.word_bytes),
        operation.results.channels,
        parameters.weights.shape,
        parameters.bias.tobytes(),
        parameters.multiplier.tobytes(),
        table,
    )


def _digest(data: NDArray[Any], digests: dict[Hashable, bytes]) -> bytes:
    """What tells arrays apart; digests: of those seen before, by where they lie in memory, which operations keep."""
    place = data.__array_interface__["data"][0], data.shape, data.strides
    if place not in digests:
        digests[place] = blake2b(data.tobytes(), digest_size=16).digest()
    return digests[place]
