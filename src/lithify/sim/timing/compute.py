"""The cycles of the compute unit: docs/architecture.md, section 5, as arithmetic on tiles.

Within a tile everything is closed form. A set of C words can be read while the pass before it is fed, so after the
first pass each takes max(its words, C) cycles; taps that are read at once count as one word. The positions of the first
pass claim accumulators, which post-processing gives back at an even pace: over a stretch of positions of equal length
and an even pace of releases only the first and the last release can hold up the last claim.
"""

from collections import deque
from dataclasses import dataclass

from lithify.chip import Chip
from lithify.chip.memories import TABLE_BYTES
from lithify.chip.pipeline import compute_pipeline
from lithify.isa import Instruction

PARAMETER_WORDS = 8
PARAMETER_BUFFERS = 2
LONG_AGO = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Waits:
    """Cycles in which the feeder had an instruction, or could have taken one, and issued no word.

    weights: for a weight set; accumulators: for one to be drained; serial: for earlier instructions to retire,
    and then for the look-up table; post: for post-processing to begin with the instruction before.
    """

    weights: int
    accumulators: int
    serial: int
    post: int


@dataclass(frozen=True, slots=True)
class Issue:
    """What becomes of an instruction. ready: the first cycle in which the next may start; retire: of its retirement.

    fires: cycles in which the array takes a word or a window. feed: the first cycle in which F may issue a word of it,
    and the cycle of its last word.
    """

    ready: int
    retire: int
    fires: int
    feed: tuple[int, int]
    waits: Waits


class ComputeTiming:
    """The compute unit of a chip since reset; instructions are given in the order in which they start.

    array_cycles: cycles so far in which the array takes a word or a window.
    """

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._pipeline = compute_pipeline(chip)
        self._swapped = LONG_AGO  # F's first word of the last pass: the shadow weights are free from then on
        self._fed = LONG_AGO  # F's last word
        self._taken = LONG_AGO  # P took the last instruction from its waiting place
        self._drained = LONG_AGO  # P's last beat
        self._retired = (LONG_AGO, LONG_AGO)  # the last but one, the last
        # When accumulators are given back, in the order of their use: (how many, the first, from one to the next).
        self._free: deque[tuple[int, int, int]] = deque([(chip.accumulators, LONG_AGO, 0)])
        self._buffers = deque([LONG_AGO] * PARAMETER_BUFFERS)
        self.array_cycles = 0

    def start(self, cycle: int, entry: Instruction) -> tuple[int, int]:
        """`issue` as the chip's simulator wants it: when the next instruction may start, and when this one retires."""
        issue = self.issue(entry, cycle)
        return issue.ready, issue.retire

    def issue(self, instruction: Instruction, cycle: int) -> Issue:
        """Start `instruction` in `cycle`, which is not before the `ready` of the instruction before."""
        value = instruction.integer
        stream = instruction.operation.name == "STREAM"
        # Of the table, the parameters and the sets: the cycles in which W reads them.
        table = TABLE_BYTES // self._chip.word_bytes // self._chip.weight_ports if value("lookup") == 1 else 0
        could = max(cycle + self._pipeline.take, self._fed + 1)
        room = max(could, self._taken + 1)
        alone = self._retired[1] + 1 if stream or value("serial") or table else LONG_AGO
        take = max(room, alone)
        read = cycle  # W's last word
        if table:
            read = max(cycle + 1, self._retired[1] + 1) + table - 1
            take = max(take, read + 1)
        waits = [0, 0, take - room, room - could]
        self._taken = max(take + 1, self._drained + 1, self._retired[0] + 1)
        fires = 0
        if stream:
            self._stream(instruction, take)
        else:
            read = self._sums(instruction, read, take, waits)
            positions = value("out_height") * value("out_width") * value("groups")
            fires = positions * value("passes_y") * value("passes_x") * value("chunks")
        self.array_cycles += fires
        retire = self._drained + self._pipeline.retire
        self._retired = (self._retired[1], retire)
        return Issue(max(read, take) + 1, retire, fires, (take + 1, self._fed), Waits(*waits))

    def _stream(self, instruction: Instruction, take: int) -> None:
        value, beats = instruction.integer, self._chip.word_beats
        words = _column_cycles(instruction) * value("window_width")
        positions = value("out_height") * value("out_width") * value("groups")
        self._fed = take + (positions - 1) * max(words, beats) + words
        first_beat = self._pipeline.product if value("multiply") else self._pipeline.stream
        self._drained = self._fed + first_beat + beats - 1

    def _sums(self, instruction: Instruction, read: int, take: int, waits: list[int]) -> int:
        """CONV and DEPTHWISE: the cycle of W's last word; `read`: of its last one before the first parameters."""
        value, chip, pipeline = instruction.integer, self._chip, self._pipeline
        depthwise = instruction.operation.name == "DEPTHWISE"
        keep, claims = bool(value("keep")), not value("accumulate")
        set_words = (chip.word_bytes if depthwise else chip.columns) // chip.weight_ports
        parameter_words = PARAMETER_WORDS * (1 if depthwise else chip.column_words) // chip.weight_ports
        parameter_words *= not keep
        passes = value("passes_y") * value("passes_x") * value("chunks")
        groups = value("groups")
        tiles = _tiles(instruction)
        feed = take  # F's last word, or the cycle before it may issue one
        drain = self._taken  # P's last beat, or the cycle before it may issue one
        for group in range(groups):
            if parameter_words:
                read = max(read + 1, self._buffers.popleft() + 1) + parameter_words - 1
            last_words = value("last_group_words") if group == groups - 1 else value("group_words")
            beats = last_words * chip.word_beats
            for positions, words, runs in tiles:
                # The first pass.
                read = max(read + 1, self._swapped) + set_words - 1
                begin = max(feed, read)  # the cycle before its first word, as far as weights decide
                waits[0] += begin - feed
                if claims:
                    swapped, feed = self._claim(runs, begin)
                    waits[1] += feed - begin - words
                else:
                    swapped, feed = begin + 1, begin + words
                # The others: a set is read while the pass before is fed.
                if passes > 1:
                    second = max(feed + 1, swapped + set_words)
                    each = max(words, set_words)
                    self._swapped = second + (passes - 2) * each
                    waits[0] += second - feed - 1 + (passes - 2) * (each - words)
                    feed = self._swapped + words - 1
                    read = (swapped if passes == 2 else self._swapped - each) + set_words - 1
                else:
                    self._swapped = swapped
                first_beat = max(drain + 1, feed + pipeline.accumulate)
                if keep:
                    drain = first_beat
                    continue
                drain = first_beat + positions * beats - 1
                self._free.append((positions, first_beat + beats - 1, beats))
            if parameter_words:
                self._buffers.append(drain)
        self._fed, self._drained = feed, drain
        return read

    def _claim(self, runs: list[tuple[int, int]], begin: int) -> tuple[int, int]:
        """Feed the first pass of a tile, words from `begin` + 1 on: the cycles of its first and its last word."""
        free = self._free
        fed, first = begin, 0
        count, at, step = free.popleft()
        for length, words in runs:
            while length:
                if not count:
                    count, at, step = free.popleft()
                part = min(length, count)
                end = at + (part - 1) * step
                before = fed
                fed = max(fed + part * words, at + 1 + (part - 1) * words, end + 1)
                if not first:
                    first = max(before + 1, at + 1) if words == 1 else before + 1
                length, count, at = length - part, count - part, end + step
        if count:
            free.appendleft((count, at, step))
        return first, fed


def _column_cycles(instruction: Instruction) -> int:
    """Cycles in which the taps of a window column are read."""
    return -(-instruction.integer("window_height") // max(1, instruction.integer("taps_at_once")))


def _tiles(instruction: Instruction) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """The tiles of a group: positions, words of a pass, and the positions as runs of (how many, words of each)."""
    value = instruction.integer
    height, width, tile = value("out_height"), value("out_width"), value("tile")
    whole = _column_cycles(instruction) * value("window_width")
    slide = _column_cycles(instruction) * value("slide")
    full, rest = divmod(height * width, tile)
    if whole == slide:
        tiles = [(tile, tile * whole, [(tile, whole)])] * full
        return [*tiles, (rest, rest * whole, [(rest, whole)])] if rest else tiles
    seen: dict[tuple[int, int], tuple[int, int, list[tuple[int, int]]]] = {}
    result = []
    for first in range(0, height * width, tile):
        positions, x = min(tile, height * width - first), first % width
        if (positions, x) not in seen:
            runs, left = [], positions
            while left:  # a row's part in the tile: the whole window, then its new columns
                part = min(left, width - x)
                runs.append((1, whole))
                if part > 1:
                    runs.append((part - 1, slide))
                left, x = left - part, 0
            seen[positions, first % width] = positions, sum(count * words for count, words in runs), runs
        result.append(seen[positions, first % width])
    return result
