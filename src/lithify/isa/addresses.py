"""Which scratchpad words a compute instruction reads and writes, in the order of docs/architecture.md, section 4."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip
from lithify.isa.encoding import Instruction

PARAMETER_WORDS = 8
"""Parameter words for each result word of a group: 4 of bias, 4 of multiplier."""

TABLE_BYTES = 256
"""A look-up table: an int8 result for every int8."""

Addresses = NDArray[np.int32]


@dataclass(frozen=True)
class Ring:
    """Words in which a tensor's rows lie one after the other, the last followed by the first; 0 words: no ring.

    What the chip does with addresses. It is the remainder as long as `holds` is true of the outcome.
    """

    start: int
    words: int

    @property
    def end(self) -> int:
        return self.start + self.words

    def row(self, first: int, step: int, number: Addresses) -> Addresses:
        """Addresses of rows, of which row 0 lies at `first` and each other `step` words after the one before it."""
        if not self.words:
            return first + number * step
        return self.start + (first - self.start + number * step) % self.words

    def reduce(self, addresses: Addresses) -> Addresses:
        """Subtracts the ring's length once from what is at or above its end."""
        return np.where(addresses >= self.end, addresses - self.words, addresses) if self.words else addresses

    def holds(self, addresses: Addresses) -> NDArray[np.bool_]:
        """Whether reduced addresses lie in the ring; all do if there is none."""
        return ((addresses >= self.start) & (addresses < self.end)) | (self.words == 0)


def ring(instruction: Instruction, tensor: str) -> Ring:
    """The ring of a compute instruction's tensor: "in", "out" or "residual"."""
    return Ring(instruction.integer(f"{tensor}_ring_start"), instruction.integer(f"{tensor}_ring_words"))


def reduced_reads(instruction: Instruction, sums: Addresses) -> Addresses:
    """The addresses that the feeder reads from the sums of all steps: reduced into the ring, or wrapped at 16 bits."""
    around = ring(instruction, "in")
    return around.reduce(sums) if around.words else sums & 0xFFFF


@dataclass(frozen=True)
class Reads:
    """The activation words of one group, without the steps to other chunks and groups.

    address: [positions, passes_y, passes_x, taps] int32, before `reduced_reads`; positions in raster order, taps in
        the order in which they enter the window (column by column).
    inside: the same shape, whether the coordinate exists; where it does not the word is all `pad_value`.
    """

    address: Addresses
    inside: NDArray[np.bool_]


def positions(instruction: Instruction) -> int:
    """Output positions of a compute instruction."""
    return instruction.integer("out_height") * instruction.integer("out_width")


def activation_reads(instruction: Instruction) -> Reads:
    """What the feeder reads, or still holds of what it read, for each position: see `Reads`."""
    value = instruction.integer
    height, width = value("out_height"), value("out_width")
    taps_y, taps_x = value("window_height"), value("window_width")
    # Column `source_tap` of the window of column position `source_x` is what tap column tx of a position holds.
    place = np.arange(height * width, dtype=np.int32)
    source_x, source_tap = _held_columns(place % width, place % value("tile"), taps_x, value("slide"))
    out_y = (place // width)[:, None, None, None, None]  # [positions, passes_y, passes_x, tap x, tap y]
    pass_y = np.arange(value("passes_y"), dtype=np.int32)[:, None, None, None]
    pass_x = np.arange(value("passes_x"), dtype=np.int32)[:, None, None]
    tap_y = np.arange(taps_y, dtype=np.int32)
    out_x, tap_x = source_x[:, None, None, :, None], source_tap[:, None, None, :, None]

    def combine(suffix: str, row: Addresses) -> tuple[Addresses, Addresses]:
        y = row + pass_y * value(f"pass_y{suffix}") + tap_y * value(f"tap_y{suffix}")
        x = out_x * value(f"position_x{suffix}") + pass_x * value(f"pass_x{suffix}") + tap_x * value(f"tap_x{suffix}")
        return y, x

    y, x = combine("", value("start_y") + out_y * value("position_y"))
    x = x + value("start_x")
    inside = (y >= 0) & (y < value("in_height")) & (x >= 0) & (x < value("in_width"))
    y_words, x_words = combine("_words", input_rows(instruction, out_y))
    shape = (height * width, value("passes_y"), value("passes_x"), taps_x * taps_y)
    return Reads((y_words + x_words).reshape(shape), inside.reshape(shape))


def input_rows(instruction: Instruction, out_y: Addresses) -> Addresses:
    """Addresses of the rows of positions in the input."""
    value = instruction.integer
    return ring(instruction, "in").row(value("in_address"), value("position_y_words"), out_y)


def _held_columns(column: Addresses, in_tile: Addresses, width: int, slide: int) -> tuple[Addresses, Addresses]:
    """For each position and window column: the position (its column) and the window column that were read there.

    A position that is not the first of its tile or row reads only the last `slide` window columns; the others hold
    what the position before had `slide` columns further right.
    column: [positions], x of each position; in_tile: its place in its tile. Returns two arrays [positions, width].
    """
    followers = np.minimum(column, in_tile)[:, None]  # positions since the last whole read
    tap = np.arange(width, dtype=np.int32)[None, :]
    steps = np.minimum(followers, -(-np.maximum(width - slide - tap, 0) // slide))
    return column[:, None] - steps, tap + steps * slide


def steps_between_reads(instruction: Instruction) -> Addresses:
    """Address steps to every chunk of every group: [groups, chunks] int32."""
    group = np.arange(instruction.integer("groups"), dtype=np.int32) * instruction.integer("group_in_words")
    chunk = np.arange(instruction.integer("chunks"), dtype=np.int32)
    return group[:, None] + chunk[None, :]


def set_words(chip: Chip, instruction: Instruction) -> int:
    """Words of a weight set: one for each column that is used."""
    return chip.columns if instruction.operation.name == "CONV" else chip.rows


def parameter_words(chip: Chip, instruction: Instruction) -> int:
    """Words of a group's parameters in memory."""
    if instruction.integer("keep"):
        return 0
    return PARAMETER_WORDS * (chip.column_words if instruction.operation.name == "CONV" else 1)


def passes(instruction: Instruction) -> int:
    """Passes over a tile: weight sets of a group."""
    return instruction.integer("passes_y") * instruction.integer("passes_x") * instruction.integer("chunks")


def table_words(chip: Chip, instruction: Instruction) -> int:
    """Words of the look-up table that an instruction loads."""
    return TABLE_BYTES // chip.word_bytes if instruction.integer("lookup") == 1 else 0


def weight_words(chip: Chip, instruction: Instruction) -> int:
    """Words of the table, of all parameters and of all weight sets from `weight_address` on; STREAM has no sets."""
    table = table_words(chip, instruction)
    if instruction.operation.name == "STREAM":
        return table
    group = parameter_words(chip, instruction) + passes(instruction) * set_words(chip, instruction)
    return table + instruction.integer("groups") * group


def weight_addresses(chip: Chip, instruction: Instruction, first: int, count: int) -> Addresses:
    """Where words `first` to before `first` + `count` of `weight_words` lie, in the order in which they are used.

    Where two are read in a cycle even words lie from `weight_address` on, odd ones half of `weight_banks` further.
    """
    number = np.arange(first, first + count, dtype=np.int32)
    if chip.weight_ports == 1:
        return instruction.integer("weight_address") + number
    apart = instruction.integer("weight_banks") * (chip.bank_words // 2)
    return instruction.integer("weight_address") + number // 2 + number % 2 * apart


def result_count(instruction: Instruction) -> int:
    """Words that a compute instruction writes."""
    if instruction.integer("keep"):
        return 0
    value = instruction.integer
    return positions(instruction) * ((value("groups") - 1) * value("group_words") + value("last_group_words"))


def result_addresses(instruction: Instruction) -> Addresses:
    """Addresses of the results, in order of writing."""
    return _placed(instruction, "out", 1)


def residual_addresses(instruction: Instruction) -> Addresses:
    """Addresses of the second tensor's words, in the order in which they are read: see `broadcast`."""
    return _placed(instruction, "residual", 1 - instruction.integer("broadcast"))


def _placed(instruction: Instruction, tensor: str, moves: int) -> Addresses:
    """The words of a tensor for every result; moves: 0 if all positions are at the same word."""
    value, around = instruction.integer, ring(instruction, tensor)
    place = np.arange(positions(instruction), dtype=np.int32) * moves
    y, x = place // value("out_width"), place % value("out_width")
    position = around.row(value(f"{tensor}_address"), value("out_row_words"), y) + x * value("out_pixel_words")
    words = np.arange(value("group_words"), dtype=np.int32)
    group = np.arange(value("groups"), dtype=np.int32) * value("group_words")
    steps = group[:, None, None] + position[None, :, None] + words[None, None, :]
    return around.reduce(np.concatenate([steps[:-1].ravel(), steps[-1, :, : value("last_group_words")].ravel()]))
