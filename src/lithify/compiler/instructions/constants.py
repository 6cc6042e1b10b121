"""Weights among a program's constants: in the order of loading, so that what is loaded together lies together."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.compiler.instructions.second import Constants, constants_of
from lithify.compiler.memories import Memories, Runs
from lithify.compiler.operation import Operation
from lithify.compiler.steps.step import Chunk, Step
from lithify.compiler.weights import pack_parameters, pack_program, pack_sets


def add_second_constants(
    operations: tuple[Operation, ...], memories: Memories, chip: Chip
) -> dict[int, tuple[int, Constants]]:
    """Adds what operations with second operands load of the constants; by operation the offset and what lies there."""
    found: dict[int, tuple[int, Constants]] = {}
    known: dict[bytes, int] = {}
    for index, operation in enumerate(operations):
        if operation.second is not None:
            data, constants = constants_of(operation, chip)
            key = data.tobytes()
            if key not in known:
                known[key] = memories.add_constant(data, f"layer '{operation.layer}'")
            found[index] = known[key], constants
    return found


def transfers_of(
    chunks: tuple[Chunk, ...], offsets: Mapping[tuple[int, int, int], tuple[Runs, ...]], chip: Chip
) -> list[tuple[int, int, int]]:
    """(address, words, offset) of the transfers for some chunks: those that touch in both memories are one."""
    runs: list[tuple[int, int, int]] = []
    for port in range(chip.weight_ports):
        for chunk in chunks:
            if port >= chunk.ports:
                continue
            place, _ = chunk.places(chip)[port]
            for offset, size in offsets[chunk.key][port]:
                count = size // chip.word_bytes
                if runs and sum(runs[-1][:2]) == place and runs[-1][2] + runs[-1][1] * chip.word_bytes == offset:
                    runs[-1] = runs[-1][0], runs[-1][1] + count, runs[-1][2]
                else:
                    runs.append((place, count, offset))
                place += count
    return runs


def cut_where_free(run: tuple[int, int, int], touched: Sequence[int], chip: Chip) -> list[tuple[int, int, int]]:
    """A transfer cut where the steps that used its banks last differ, so that each part is loaded when it can."""
    address, words, offset = run
    parts: list[tuple[int, int, int]] = []
    place = address
    while place < address + words:
        before = touched[place // chip.bank_words]
        end = place
        while end < address + words and touched[end // chip.bank_words] == before:
            end = min((end // chip.bank_words + 1) * chip.bank_words, address + words)
        parts.append((place, end - place, offset + (place - address) * chip.word_bytes))
        place = end
    return parts


def add_weights(
    operations: tuple[Operation, ...], steps: tuple[Step, ...], memories: Memories, chip: Chip
) -> dict[tuple[int, int, int], tuple[Runs, ...]]:
    """Adds every chunk of weights to the constants once, in the order of loading; offsets by chunk and port.

    Of what is loaded together all words that one port reads come first, then those of the next.
    """
    offsets: dict[tuple[int, int, int], tuple[Runs, ...]] = {}
    parts = {step.chunk.key: step for step in steps if step.chunk is not None}
    packed: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}
    for step in steps:
        data: list[NDArray[np.uint8]] = []
        fresh: list[Chunk] = []
        for chunk in step.weights:
            if operations[chunk.operation].second is not None:
                continue
            if chunk.key in offsets or any(chunk.key == other.key for other in fresh):
                continue
            operation = operations[chunk.operation]
            if operation.program is not None:
                fresh.append(chunk)
                data.append(pack_program(operation, chip))
                continue
            if chunk.operation not in packed and operation.parameters is not None:
                # Operations come one after the other; what lies behind is not needed again.
                packed = {key: entry for key, entry in packed.items() if key >= chunk.operation - 1}
                packed[chunk.operation] = pack_parameters(operation, chip), pack_sets(operation, chip)
            fresh.append(chunk)
            if operation.parameters is not None:
                data.append(_chunk_words(chunk, parts[chunk.key], operation.table, *packed[chunk.operation]))
            elif operation.table is not None:
                data.append(operation.table.view(np.uint8).reshape(-1, chip.word_bytes))
        if fresh:
            made = list(zip(fresh, data, strict=True))
            read = [
                (chunk.key, words[port :: chunk.ports], _groups_alone(chunk, operations, parts))
                for port in range(chip.weight_ports)
                for chunk, words in made
                if port < chunk.ports
            ]
            layer = f"layer '{operations[step.operation].layer}'"
            places = memories.add_parts([(words, groups) for _, words, groups in read], layer)
            for (key, _, _), offset in zip(read, places, strict=True):
                offsets[key] = (*offsets.get(key, ()), offset)
    return offsets


def _groups_alone(chunk: Chunk, operations: tuple[Operation, ...], steps: Mapping[tuple[int, int, int], Step]) -> int:
    """How many groups of weights a chunk consists of, as each port reads it; 0: of something else too."""
    operation = operations[chunk.operation]
    if operation.parameters is None or operation.program is not None:
        return 0
    step, count = steps[chunk.key], chunk.end - chunk.first
    table = operation.table is not None and not step.keep
    return 0 if table or chunk.words // count % chunk.ports else count


def _chunk_words(
    chunk: Chunk, step: Step, table: NDArray[np.int8] | None, parameters: NDArray[np.uint8], sets: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """[words, word bytes] of a chunk that `step` uses."""
    part = step.part
    assert part is not None
    chosen = sets[chunk.first : chunk.end, slice(*part.y), slice(*part.x), slice(*part.chunks)]
    words = chosen.reshape(chunk.end - chunk.first, -1, chosen.shape[-1])
    if not step.keep:
        words = np.concatenate([parameters[chunk.first : chunk.end], words], axis=1)
    flat = words.reshape(-1, words.shape[-1])
    if table is not None and not step.keep:
        flat = np.concatenate([table.view(np.uint8).reshape(-1, flat.shape[-1]), flat])
    assert flat.shape[0] == chunk.words
    return flat
