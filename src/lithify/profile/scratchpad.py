"""What lies in the scratchpad when: which instruction wrote each word, which read it, and how full the memory is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa import Instruction, Queue
from lithify.isa.addresses import Ring, residual_addresses, result_addresses, ring, weight_addresses, weight_words
from lithify.isa.program import Base

Words = NDArray[np.int64]
KINDS = ("weights", "activations")


@dataclass(frozen=True)
class Occupancy:
    """How many words are in use: from the start of the instruction that writes a word to the end of the last that
    reads it. cycle: [n] when a number changes; words: [2, n] from then on, by KINDS.
    """

    cycle: NDArray[np.int64]
    words: NDArray[np.int64]

    def peaks(self, count: int, cycles: int) -> tuple[list[int], list[list[int]]]:
        """The largest numbers in each of `count` stretches of equal length: first cycles, and words by KINDS."""
        edges = np.linspace(0, cycles, count + 1).astype(np.int64)[:-1]
        if not self.cycle.size:
            return edges.tolist(), [[0] * count for _ in KINDS]
        # What holds at each edge, and what changes until the next.
        at = np.searchsorted(self.cycle, edges, "right") - 1
        held = np.where(at >= 0, self.words[:, np.maximum(at, 0)], 0)
        place = np.searchsorted(edges, self.cycle, "right") - 1
        total = held.sum(0)
        for index, stretch in enumerate(place):
            if self.words[:, index].sum() > total[stretch]:
                held[:, stretch], total[stretch] = self.words[:, index], self.words[:, index].sum()
        return edges.tolist(), held.tolist()


@dataclass(frozen=True)
class Use:
    """readers: instruction -> those that were the first to read words which it wrote, and how many, by place in the
    segment. writers: instruction -> those that wrote the words that it reads.
    """

    readers: Mapping[int, Mapping[int, int]]
    writers: Mapping[int, tuple[int, ...]]
    occupancy: Occupancy


def scratchpad_use(chip: Chip, instructions: Sequence[Instruction], start: Sequence[int], end: Sequence[int]) -> Use:
    """Follows a segment's instructions in their order, of which each starts and ends in the given cycles."""
    writer = np.full(chip.words, -1, np.int64)
    since = np.zeros(chip.words, np.int64)
    until = np.zeros(chip.words, np.int64)
    kind = np.zeros(chip.words, np.int64)
    fresh = np.zeros(chip.words, np.bool_)  # nobody has read it yet
    readers: dict[int, dict[int, int]] = {}
    writers: dict[int, tuple[int, ...]] = {}
    spans: list[NDArray[np.int64]] = []

    def close(words: Words) -> None:
        ended = words[until[words] > since[words]]
        found, counts = np.unique(np.stack([kind[ended], since[ended], until[ended]]), axis=1, return_counts=True)
        spans.append(np.concatenate([found, counts[None]]))

    for index, entry in enumerate(instructions):
        queue = entry.operation.queue
        if queue is None:
            continue
        read, written = words_of(chip, entry)
        if read.size:
            sources = np.unique(writer[read])
            writers[index] = tuple(int(source) for source in sources if source >= 0)
            first = read[fresh[read]]
            for source, count in zip(*np.unique(writer[first], return_counts=True), strict=True):
                readers.setdefault(int(source), {})[index] = int(count)
            fresh[first] = False
            until[read] = np.maximum(until[read], end[index])
        if written.size:
            close(written)
            writer[written], since[written], until[written] = index, start[index], start[index]
            fresh[written] = True
            weights = queue is Queue.LOAD and entry.integer("base") == Base.CONSTANTS
            kind[written] = 0 if weights else 1
    close(np.arange(chip.words))
    return Use(readers, writers, _occupancy(np.concatenate(spans, axis=1)))


def _occupancy(spans: NDArray[np.int64]) -> Occupancy:
    """spans: [4, n] kind, first cycle, last cycle, words."""
    kinds, since, until, count = spans
    times = np.unique(np.concatenate([since, until + 1]))
    change = np.zeros((len(KINDS), times.size), np.int64)
    np.add.at(change, (kinds, np.searchsorted(times, since)), count)
    np.add.at(change, (kinds, np.searchsorted(times, until + 1)), -count)
    return Occupancy(times, change.cumsum(1))


def words_of(chip: Chip, entry: Instruction) -> tuple[Words, Words]:
    """The scratchpad words that an instruction reads and those that it writes, each once.

    Of a compute instruction's input: every word from the first to the last that it reads.
    """
    nothing = np.empty(0, np.int64)
    value = entry.integer
    if entry.operation.queue is not Queue.COMPUTE:
        plane = np.arange(value("planes"))[:, None, None] * value("plane_words")
        row = np.arange(value("rows"))[:, None] * value("row_words")
        words = value("address") + plane + row + np.arange(-(-value("row_bytes") // chip.word_bytes))
        once = np.unique(words % chip.words)
        return (nothing, once) if entry.operation.queue is Queue.LOAD else (once, nothing)
    weights = weight_addresses(chip, entry, 0, weight_words(chip, entry)).astype(np.int64)
    read = [weights, _around(_input(entry), ring(entry, "in"))]
    written = nothing
    if not value("keep"):
        written = np.unique(result_addresses(entry).astype(np.int64) % chip.words)
        if value("residual") or value("multiply"):
            read.append(residual_addresses(entry).astype(np.int64))
    return np.unique(np.concatenate(read) % chip.words), written


def _input(entry: Instruction) -> Words:
    value = entry.integer

    def reach(axis: str) -> tuple[int, int]:
        """Words from `in_address` to the first and to the last coordinate of an axis that exists and is read."""
        window = value("window_height" if axis == "y" else "window_width")
        counts = {"position": value("out_height" if axis == "y" else "out_width"), "tap": window}
        counts["pass"] = value(f"passes_{axis}")
        steps = [(value(f"{name}_{axis}"), value(f"{name}_{axis}_words"), count) for name, count in counts.items()]
        pitch = next((words // step for step, words, count in steps if step and count > 1), 0)
        start = entry.integer(f"start_{axis}")
        last = start + sum(step * (count - 1) for step, _, count in steps)
        size = value("in_height" if axis == "y" else "in_width")
        return (max(start, 0) - start) * pitch, (min(last, size - 1) - start) * pitch

    (top, bottom), (left, right) = reach("y"), reach("x")
    deep = (value("groups") - 1) * value("group_in_words") + value("chunks")
    return value("in_address") + np.arange(top + left, max(bottom + right, top + left) + deep)


def _around(words: Words, ring: Ring) -> Words:
    return ring.start + (words - ring.start) % ring.words if ring.words else words
