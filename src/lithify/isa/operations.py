"""The instruction table: every operation of the chip and every field of its instructions, said once.

The encoder, the decoder, the listing, the manual and the decoder in the RTL are made from these rows.
What an instruction does is written in `docs/architecture.md`, section by section in the order of this file.
"""

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Literal

ISA_VERSION = 1
GRANULE_BYTES = 32
"""Instructions are whole granules long; the fetch unit moves granules."""


class Queue(IntEnum):
    """The queues that run side by side; the number is the bit in the `wait` and `signal` masks."""

    LOAD = 0
    COMPUTE = 1
    VECTOR = 2
    STORE = 3


Kind = Literal["unsigned", "signed", "float32", "flag", "mask"]


@dataclass(frozen=True)
class Field:
    """One field of an instruction.

    bits: width; kind: how the bits are read ("mask" holds one bit per queue); unit: what a number counts.
    """

    name: str
    bits: int
    meaning: str
    kind: Kind = "unsigned"
    unit: str = ""


@dataclass(frozen=True)
class Operation:
    """One operation: its code, the queue that runs it (None: the dispatcher), its length and its fields."""

    name: str
    opcode: int
    queue: Queue | None
    granules: int
    fields: tuple[Field, ...]
    meaning: str

    @property
    def offsets(self) -> dict[str, int]:
        """Bit offset of each field from the start of the instruction, little-endian."""
        offsets, position = {}, 0
        for field in self.fields:
            offsets[field.name] = position
            position += field.bits
        return offsets


_HEADER = (
    Field("opcode", 4, "The operation."),
    Field(
        "when", 4, "n > 0: passed over if bit n of the register SKIP is set; tokens are taken and given all the same."
    ),
    Field("wait", 4, "Queues whose token is awaited, and taken, before the instruction starts.", "mask"),
    Field("signal", 4, "Queues that are given a token when the instruction retires.", "mask"),
)

_DRAM = (
    Field("base", 3, "Base register that is added to `offset`."),
    Field("offset", 32, "DRAM address of the first row, from the base register.", unit="bytes"),
    Field("row_bytes", 20, "Contiguous bytes of a row.", unit="bytes"),
    Field("rows", 16, "Rows of a plane."),
    Field("planes", 16, "Planes."),
    Field("row_stride", 32, "From row to row in DRAM.", unit="bytes"),
    Field("plane_stride", 32, "From plane to plane in DRAM.", unit="bytes"),
    Field("address", 16, "Scratchpad address of the first row.", unit="words"),
    Field("row_words", 16, "From row to row in the scratchpad.", unit="words"),
    Field("plane_words", 16, "From plane to plane in the scratchpad.", unit="words"),
)

_COMPUTE = (
    Field("serial", 1, "Feeding starts only when every earlier compute instruction has retired.", "flag"),
    Field("accumulate", 1, "Add to the accumulators that the previous `keep` instruction left.", "flag"),
    Field("keep", 1, "Leave the sums in the accumulators: no parameters, no results.", "flag"),
    Field("residual", 1, "Add a second tensor to the results.", "flag"),
    # Where the feeder reads. A coordinate outside the input reads as `pad_value`.
    Field("in_address", 16, "Address of coordinate (start_y, start_x); wraps.", unit="words"),
    Field("in_height", 16, "Rows of the input that exist."),
    Field("in_width", 16, "Columns of the input that exist."),
    Field("start_y", 16, "Row of the first tap of the first position.", "signed"),
    Field("start_x", 16, "Column of the first tap of the first position.", "signed"),
    Field("position_y", 16, "Rows from position to position (the stride)."),
    Field("position_x", 16, "Columns from position to position (the stride)."),
    Field("position_y_words", 16, "The same as an address step.", unit="words"),
    Field("position_x_words", 16, "The same as an address step.", unit="words"),
    Field("tap_y", 16, "Rows from tap to tap in a window (the dilation)."),
    Field("tap_x", 16, "Columns from tap to tap in a window (the dilation)."),
    Field("tap_y_words", 16, "The same as an address step.", unit="words"),
    Field("tap_x_words", 16, "The same as an address step.", unit="words"),
    Field("pass_y", 16, "Rows from pass to pass."),
    Field("pass_x", 16, "Columns from pass to pass."),
    Field("pass_y_words", 16, "The same as an address step.", unit="words"),
    Field("pass_x_words", 16, "The same as an address step.", unit="words"),
    Field("window_height", 8, "Taps of a window, vertically; 1 for CONV."),
    Field("window_width", 8, "Taps of a window, horizontally; 1 for CONV."),
    Field("slide", 8, "Window columns read anew at a position that follows its left neighbour in the same tile."),
    Field("passes_y", 8, "Passes, vertically."),
    Field("passes_x", 8, "Passes, horizontally."),
    Field("chunks", 16, "Words of input channels; the innermost pass loop, one word apart."),
    Field("group_in_words", 16, "From group to group in the input.", unit="words"),
    Field("pad_value", 8, "Value of a coordinate outside the input.", "signed"),
    # Where results go. The residual is read with the same steps.
    Field("out_height", 16, "Rows of positions."),
    Field("out_width", 16, "Columns of positions."),
    Field("out_address", 16, "Address of the first result.", unit="words"),
    Field("out_row_words", 16, "From row to row.", unit="words"),
    Field("out_pixel_words", 16, "From position to position.", unit="words"),
    Field("tile", 8, "Positions of a tile, at most the accumulators of a column."),
    Field("groups", 16, "Groups of output channels."),
    Field(
        "group_words",
        8,
        "Result words of a position in each group; also from group to group in the output.",
        unit="words",
    ),
    Field("last_group_words", 8, "Result words of a position in the last group.", unit="words"),
    Field("weight_address", 16, "Address of the first group's parameters, then its weight sets.", unit="words"),
    # What is done to the sums.
    Field("zero_point", 8, "Added after scaling.", "signed"),
    Field("minimum", 8, "Lower clamp after scaling.", "signed"),
    Field("maximum", 8, "Upper clamp after scaling.", "signed"),
    Field("residual_address", 16, "Address of the first word to add.", unit="words"),
    Field("a_zero_point", 8, "Zero point of the scaled result, before the addition.", "signed"),
    Field("b_zero_point", 8, "Zero point of the residual.", "signed"),
    Field("sum_zero_point", 8, "Zero point of the sum.", "signed"),
    Field("sum_minimum", 8, "Lower clamp of the sum.", "signed"),
    Field("sum_maximum", 8, "Upper clamp of the sum.", "signed"),
    Field("a_multiplier", 32, "Scale of the result over the scale of the sum.", "float32"),
    Field("b_multiplier", 32, "Scale of the residual over the scale of the sum.", "float32"),
    # Tensors that lie in rings of rows, so that a few rows of them are held at a time; 0 words: no ring.
    Field("in_ring_start", 16, "First word of the input's ring.", unit="words"),
    Field("in_ring_words", 16, "Length of the input's ring.", unit="words"),
    Field("out_ring_start", 16, "First word of the output's ring.", unit="words"),
    Field("out_ring_words", 16, "Length of the output's ring.", unit="words"),
    Field("residual_ring_start", 16, "First word of the residual's ring.", unit="words"),
    Field("residual_ring_words", 16, "Length of the residual's ring.", unit="words"),
    Field("taps_at_once", 2, "Vertical taps read in one cycle, at most the chip's `activation_ports`; 0 reads as 1."),
    Field(
        "lookup",
        2,
        "Results go through the table: 1 after loading it from `weight_address`, 2 as it was left; 0: they do not.",
    ),
    Field("multiply", 1, "STREAM: multiply by the second tensor.", "flag"),
    Field("broadcast", 1, "Every position takes the residual of the first.", "flag"),
    Field(
        "weight_banks",
        7,
        "Where `weight_ports` is 2: banks over which the weights lie; the second word of a cycle half of them further.",
    ),
)


def _stream(name: str, what: str) -> tuple[Field, ...]:
    """The fields of a tensor that the vector unit reads or writes."""
    return (
        Field(f"{name}_address", 16, f"Scratchpad address of the first row of {what}.", unit="words"),
        Field(f"{name}_row_words", 16, "From row to row; 0: every row is the first.", unit="words"),
        Field(f"{name}_format", 2, "Its elements: 0 int8, 1 int32, 2 float32; 3: there is none."),
        Field(f"{name}_zero_point", 8, "Its zero point, if int8.", "signed"),
    )


_VECTOR = (
    Field("program", 16, "Address of the first micro-operation.", unit="words"),
    Field("operations", 7, "Micro-operations of the program."),
    Field("rows", 16, "Rows."),
    Field("columns", 16, "Elements of a row."),
    *_stream("x", "the first input"),
    *_stream("w", "the second input"),
    Field("v_address", 16, "Scratchpad address of the first row of the third input.", unit="words"),
    Field("v_format", 2, "Its elements, as of the others. Its row step and zero point are those of the second input."),
    Field(
        "table",
        1,
        "A table follows the program, from the next word on: 256 float32, for -128 to 127 of the first input.",
        "flag",
    ),
    *_stream("y", "the output"),
    Field("minimum", 8, "Lower clamp of an int8 output.", "signed"),
    Field("maximum", 8, "Upper clamp of an int8 output.", "signed"),
    Field("row_cycles", 24, "Cycles of a row, as the program's micro-operations add up. The unit does not read it."),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "END", 0, None, 1, _HEADER, "Wait until every queue is empty and every unit idle, then finish the program."
    ),
    Operation(
        "LOAD",
        1,
        Queue.LOAD,
        1,
        (
            *_HEADER,
            *_DRAM,
            Field("fill", 8, "Value of the bytes after a row's end in its last word.", "signed"),
            Field("listed", 1, "Planes begin where a list in DRAM says; its place is in `plane_stride`.", "flag"),
            Field("list_base", 3, "Base register that is added to the list's place."),
            Field(
                "table",
                25,
                "Bytes from `offset` on in which all planes lie. The unit does not read it.",
                unit="128 bytes",
            ),
        ),
        "Copy planes of rows from DRAM to the scratchpad.",
    ),
    Operation("STORE", 2, Queue.STORE, 1, (*_HEADER, *_DRAM), "Copy planes of rows from the scratchpad to DRAM."),
    Operation(
        "CONV",
        3,
        Queue.COMPUTE,
        3,
        (*_HEADER, *_COMPUTE),
        "Dot products over input channels: convolution, matrix product.",
    ),
    Operation(
        "DEPTHWISE",
        4,
        Queue.COMPUTE,
        3,
        (*_HEADER, *_COMPUTE),
        "Dot products over a window of each channel: depthwise convolution, average pooling.",
    ),
    Operation(
        "STREAM",
        5,
        Queue.COMPUTE,
        3,
        (*_HEADER, *_COMPUTE),
        "Maximum over a window of each channel, then clamp or addition: pooling, residual addition, copy.",
    ),
    Operation(
        "VECTOR",
        6,
        Queue.VECTOR,
        1,
        (*_HEADER, *_VECTOR),
        "Run a program of float32 micro-operations over rows ([vector.md](vector.md)).",
    ),
)

BY_NAME = MappingProxyType({operation.name: operation for operation in OPERATIONS})
BY_OPCODE = MappingProxyType({operation.opcode: operation for operation in OPERATIONS})
