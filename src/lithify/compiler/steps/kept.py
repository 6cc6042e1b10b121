"""Chunks of weights that stay on the chip over many operations: the steps of a recurrent network read the same ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.planning.plan import Plan
from lithify.compiler.steps.step import Chunk, Step
from lithify.compiler.weights import chunk_banks

PASSING = 2
"""Chunks that only pass of which room is left beside those that stay."""

WORTH = 4
"""What need not be loaded again must be one part in so many of all that would be loaded meanwhile: a table that a deep
network uses twice is not worth a bank."""

Key = tuple[int, int, int]


@dataclass(frozen=True)
class Kept:
    """steps: that use the chunks, in order. keys: of the chunks. banks: that they take, one behind the other."""

    steps: tuple[int, ...]
    keys: frozenset[Key]
    banks: int


def kept_chunks(
    steps: Sequence[Step], plan: Plan, images: Sequence[Iterable[tuple[int, int]]], chip: Chip
) -> Kept | None:
    """The chunks that operations of several phases read, as many as fit beside all else; None without any.

    images: for each bank the times, first and last step, in which it holds an image.
    """
    phase_of = {number: place for place, numbers in enumerate(plan.operations) for number in numbers}
    uses: dict[Key, list[int]] = {}
    chunks: dict[Key, Chunk] = {}
    for index, step in enumerate(steps):
        if step.chunk is not None:
            uses.setdefault(step.chunk.key, []).append(index)
            chunks[step.chunk.key] = step.chunk
    phases = {key: len({phase_of[steps[index].operation] for index in used}) for key, used in uses.items()}
    # They share a page, whose words are all read one or two a cycle; vector programs are read one by one.
    apart = {key: used for key, used in uses.items() if phases[key] > 1 and chunks[key].ports == chip.weight_ports}
    if not apart:
        return None
    # Large ones that pass only before the second round, as what all inputs are multiplied with, need no room beside.
    second = min(used[1] for used in apart.values())
    early = [used[-1] for key, used in uses.items() if key not in apart and chunks[key].words > chip.bank_words]
    begin = max((index for index in early if index < second), default=-1)
    apart = {key: [index for index in used if index > begin] for key, used in apart.items()}
    apart = {key: used for key, used in apart.items() if len(used) > 1}
    if not apart:
        return None
    first, last = min(used[0] for used in apart.values()), max(used[-1] for used in apart.values())
    room = _largest_run(images, first, last) * chip.bank_words
    meanwhile = [key for key, used in uses.items() if used[0] <= last and used[-1] >= first]
    saved = sum(chunks[key].words * (phases[key] - 1) for key in apart)
    if saved * WORTH < sum(chunks[key].words * phases[key] for key in meanwhile):
        return None
    others = [_banks(chunks[key], chip) for key in meanwhile if key not in apart]
    everything = sum(chunks[key].words for key in apart)
    # Whole banks of room for what passes: of the largest chunk, and of those among these that do not stay.
    if everything + PASSING * max(others, default=0) * chip.bank_words > room:
        others += [_banks(chunks[key], chip) for key in apart]
    room -= PASSING * max(others, default=0) * chip.bank_words
    kept: list[Key] = []
    for key in apart:
        if chunks[key].words <= room:
            kept.append(key)
            room -= chunks[key].words
    if not kept:
        return None
    words = sum(chunks[key].words for key in kept)
    used = tuple(sorted(index for key in kept for index in apart[key]))
    return Kept(used, frozenset(kept), chunk_banks(words, chip.weight_ports, chip))


def _banks(chunk: Chunk, chip: Chip) -> int:
    return chunk_banks(chunk.words, chunk.ports, chip)


def _largest_run(images: Sequence[Iterable[tuple[int, int]]], first: int, last: int) -> int:
    """Most neighbouring banks without an image in the steps `first` to `last`."""
    longest = run = 0
    for spans in images:
        run = 0 if any(begin <= last and end >= first for begin, end in spans) else run + 1
        longest = max(longest, run)
    return longest
