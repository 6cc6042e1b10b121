"""What a network takes on a chip at least, whatever the schedule; and what a plan takes at least, once there is one.

The array's order is the chip's (docs/architecture.md, section 5): a pass ends when all its words are fed, and not
before the next weight set is read. So a pass lasts as long as the longer of both, every result takes its beats, every
word of weights its read, and every byte that is moved its part of a cycle of DRAM. Of a plan the images that are loaded
and stored are known, and how often weights must come again: more than the scratchpad holds does not stay in it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lithify.chip import Chip
from lithify.compiler.operation import Operation
from lithify.compiler.steps.shared import first_alike
from lithify.compiler.steps.step import Buffer, Step
from lithify.compiler.weights import (
    PARAMETER_WORDS,
    alike,
    group_result_words,
    groups,
    set_words,
    table_words,
    whole_part,
)
from lithify.profile.energy import energy

STRETCHES = (1.25, 1.5, 2, 3, 4, 8, 32, 1 << 30)
"""Over which weights are counted that come again: in scratchpads full of them."""


@dataclass(frozen=True)
class Least:
    """Lower bounds of one inference.

    fed: cycles in which words are fed to the array, or a weight set is waited for; read: in which weights are read;
    drained: in which results are written; fires: in which the array multiplies. scratchpad_words: read and written.
    dram_bytes: of loads and stores.
    """

    fed: int = 0
    read: int = 0
    drained: int = 0
    fires: int = 0
    scratchpad_words: int = 0
    dram_bytes: int = 0

    def __add__(self, other: "Least") -> "Least":
        return Least(*(a + b for a, b in zip(self.numbers, other.numbers, strict=True)))

    def __rmul__(self, times: int) -> "Least":
        return Least(*(times * number for number in self.numbers))

    def __or__(self, other: "Least") -> "Least":
        """The better of two bounds of the same."""
        return Least(*(max(a, b) for a, b in zip(self.numbers, other.numbers, strict=True)))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its fields, in order."""
        return self.fed, self.read, self.drained, self.fires, self.scratchpad_words, self.dram_bytes

    def cycles(self, chip: Chip) -> int:
        """The unit that has most to do works all the time."""
        return max(self.fed, self.read, self.drained, self.dram_bytes // chip.dram_bytes_per_cycle)

    def seconds(self, chip: Chip) -> float:
        """Of an inference on the chip; what the host takes comes beside it."""
        return self.cycles(chip) / chip.clock_hz

    def joules(self, chip: Chip) -> float:
        """By the model of energy that points are judged with."""
        words = self.scratchpad_words * chip.word_bytes
        return energy(chip, self.cycles(chip), self.fires, words, self.dram_bytes).total / 1e6


def of_operations(operations: Sequence[Operation], chip: Chip) -> Least:
    """Every operation over the whole of its region, its weights loaded once."""
    found = Least()
    firsts = first_alike(operations, chip)
    made = {operation.y.name for operation in operations}
    for index, operation in enumerate(operations):
        region, count = operation.region, groups(operation, chip)
        if operation.program is not None:
            continue
        if operation.unit == "stream":
            found += _streamed(operation, chip, region.positions, count)
            continue
        part = whole_part(operation, chip)
        sets = part.sets
        if operation.unit == "conv" and operation.x.name not in made and not operation.each_word_alone:
            # An input of few channels may be packed, several taps in a word.
            height, width = operation.sliding.kernel
            sets = min(sets, -(-height * width * operation.x.channels // chip.word_bytes))
        tiles = -(-region.positions // chip.accumulators)
        found += _multiplied(operation, chip, region.positions, tiles, count, sets, last=True)
        if firsts[index] == index and operation.second is None:
            stored = 1 if alike(operation, chip) else count
            words = PARAMETER_WORDS * group_result_words(operation, chip) + sets * set_words(operation, chip)
            loaded = stored * words + table_words(operation, chip)
            found += Least(scratchpad_words=loaded, dram_bytes=loaded * chip.word_bytes)
    return found


def of_steps(operations: Sequence[Operation], steps: Sequence[Step], chip: Chip) -> Least:
    """Every step as it was planned, what it loads and stores, and weights that no scratchpad of this size keeps."""
    moved = 0
    alike: Counter[tuple[int, int, int, int, int, bool]] = Counter()
    for step in steps:
        for buffer in (*step.loads, *step.stores):
            moved += _words(buffer, operations[step.operation])
        sets = 0 if step.part is None else step.part.sets
        count = step.groups[1] - step.groups[0]
        alike[step.operation, step.out.positions, step.tile, count, sets, step.keep] += 1
    found = Least(scratchpad_words=moved, dram_bytes=moved * chip.word_bytes)
    for (index, positions, tile, count, sets, keep), times in alike.items():
        operation = operations[index]
        if operation.program is not None:
            continue
        if not sets or operation.unit == "stream":
            found += times * _streamed(operation, chip, positions, count)
        else:
            found += times * _multiplied(operation, chip, positions, -(-positions // tile), count, sets, last=not keep)
    words = _reloaded(operations, steps, chip)
    return found + Least(scratchpad_words=words, dram_bytes=words * chip.word_bytes)


def _words(buffer: Buffer, operation: Operation) -> int:
    """Of a transfer, at least: pixels that share bytes, and those that lists choose, may lie closer than words."""
    if buffer.image == operation.x.name and (operation.x.overlapping or operation.gather is not None):
        return 0
    return buffer.words


def _streamed(operation: Operation, chip: Chip, positions: int, words: int) -> Least:
    """words: result words of a position."""
    cycles = positions * words * max(_columns(operation, chip) * operation.cut[1], chip.word_beats)
    table = table_words(operation, chip)
    return Least(fed=cycles - chip.word_beats, drained=positions * words * chip.word_beats,
                 scratchpad_words=2 * positions * words, read=table // chip.weight_ports)  # fmt: skip


def _multiplied(
    operation: Operation, chip: Chip, positions: int, tiles: int, count: int, sets: int, last: bool
) -> Least:
    """Of `count` groups, over so many weight sets each. last: whether it gives results."""
    fires = positions * count * sets
    taken = set_words(operation, chip) // chip.weight_ports
    words = positions * (_columns(operation, chip) * operation.slide if operation.unit == "depthwise" else 1)
    own = PARAMETER_WORDS * group_result_words(operation, chip) if last else 0
    results = positions * _result_words(operation, chip, count) if last else 0
    return Least(
        # The set behind the last pass may be a smaller one.
        fed=max(count * sets * words, count * sets * max(words, tiles * taken) - taken),
        read=count * (own // chip.weight_ports + tiles * sets * taken),
        drained=results * chip.word_beats,
        fires=fires,
        scratchpad_words=count * sets * (words + tiles * set_words(operation, chip)) + results + count * own,
    )


def _result_words(operation: Operation, chip: Chip, count: int) -> int:
    """Result words of a position of so many groups: the last of all may have fewer than the others."""
    each = group_result_words(operation, chip)
    missing = groups(operation, chip) * each - operation.results.pixel_words(chip.word_bytes)
    return count * each - missing


def _columns(operation: Operation, chip: Chip) -> int:
    """Cycles in which the taps of a window column are read, as many at once as there are ports."""
    return -(-operation.cut[0] // max(1, min(chip.activation_ports, operation.cut[0])))


def _reloaded(operations: Sequence[Operation], steps: Sequence[Step], chip: Chip) -> int:
    """Words of weights that are loaded; at least, where they have no places yet. In any stretch of steps all that are
    used must come, but for what lay in the scratchpad when it began, beside the images of its first step; the stretches
    are so long that so many scratchpads of weights are used.
    """
    placed = sum(chunk.words for step in steps for chunk in step.weights)
    if placed:
        return placed
    used = [
        (step.chunk.key, step.chunk.words, step)
        for step in steps
        if step.chunk is not None and operations[step.operation].second is None
    ]  # fmt: skip
    most = 0
    for length in STRETCHES:
        total, there, inside = 0, 0, 0
        seen: set[tuple[int, int, int]] = set()
        for key, words, step in used:
            if inside >= length * chip.words:
                total += max(0, inside - there)
                seen, inside = set(), 0
                there = max(0, chip.words - step.input.words - step.output.words)
            if key not in seen:
                seen.add(key)
                inside += words
        most = max(most, total + max(0, inside - there))
    return most
