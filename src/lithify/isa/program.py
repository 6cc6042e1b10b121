"""What a compiled network is: instructions, constants, where tensors lie, and what happens in which order.

A program runs by its segments, one after the other, over an environment of named logical tensors (layout of ONNX):
conversions and host segments compute on them directly; a chip segment packs its inputs into DRAM, rings the doorbell
and unpacks its outputs.
`isa/file.py` saves and loads programs. Nothing here needs the compiler or the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from lithify.chip import Chip
from lithify.preprocessing import Chain


class Base(IntEnum):
    """What each base register points to when a program runs. STATE: what the run before left behind NEXT; the two are
    exchanged from run to run. CACHE: states that rows are appended to in place. APPEND: CACHE, moved on by the rows
    that are there before the run.
    """

    CONSTANTS = 0
    INPUTS = 1
    OUTPUTS = 2
    WORKSPACE = 3
    STATE = 4
    NEXT = 5
    CACHE = 6
    APPEND = 7


@dataclass(frozen=True)
class TensorInfo:
    """A logical tensor.

    shape: as in ONNX; 0 of what the host makes: as many as the data decide.
    dtype: "int8", "int32", "int64" or "float32"; "uint8" of what users give and get.
    scale, zero_point: of int8 tensors.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int = 0


@dataclass(frozen=True)
class Placement:
    """Where an int8 tensor that crosses between host and chip lies in DRAM.

    The tensor is an image of height x width x channels: (1, C, H, W) -> H x W x C, and several images one under the
    other; (M, K) -> 1 x M x K; (K,) -> 1 x 1 x K. In DRAM: rows of pixels, each `pixel_bytes` long (channels first, the
    rest fill), with a border of fill pixels around:
    byte of (y, x, c) = offset + ((y + top) * (left + width + right) + x + left) * pixel_bytes + c.
    With rows_together = k > 1 the pixels of k rows take turns, column by column, and the rows with the borders are a
    multiple of k: offset + ((Y // k * (left + width + right) + x + left) * k + Y % k) * pixel_bytes + c, Y = y + top.
    fill: the value of all bytes that are no channel; usually the zero point.
    """

    tensor: str
    base: Base
    offset: int
    height: int
    width: int
    channels: int
    pixel_bytes: int
    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    fill: int = 0
    rows_together: int = 1

    @property
    def bytes(self) -> int:
        """Bytes in DRAM, borders included."""
        return (self.top + self.height + self.bottom) * (self.left + self.width + self.right) * self.pixel_bytes


@dataclass(frozen=True)
class IndexList:
    """A list that leads loads to entries of a table: int32 or int64 indices as the chip takes them.

    tensor: the indices. offset: of the list behind Base.INPUTS. places: which elements of the tensor it holds, in
    order, counted through the tensor in its row-major order. pitch: bytes from entry to entry of the table, which has
    `entries`: the list holds pitch x index, those from the end counted, 4 bytes each, little-endian.
    """

    tensor: str
    offset: int
    places: tuple[int, ...]
    pitch: int
    entries: int


@dataclass(frozen=True)
class Cache:
    """What is appended to in place. position: the input, one integer, that says how many rows are there before a run.

    rows: of every cache. added: rows that a run writes. pitch: bytes from row to row in DRAM, of all caches. whole: why
    a run works on all rows, however few are there, in words that follow "because"; empty where segments are shorter.
    """

    position: str
    rows: int
    added: int
    pitch: int
    whole: str = ""


@dataclass(frozen=True)
class State:
    """An input of the network that is, in each run, what an output was in the run before; both stay in DRAM.

    placement: of the int8 tensor behind Base.STATE; the output lies at the same place behind Base.NEXT. Behind
    Base.CACHE: of a state that is appended to, input and output at once.
    """

    input: str
    output: str
    placement: Placement


@dataclass(frozen=True)
class ChipSegment:
    """A stretch that runs on the chip. start, size: bytes into the instructions, multiples of 128, END included.

    lists: which the host writes beside the inputs. shorter: the same for launches after which the caches hold at most
    so many `rows`, the shortest first; it reads and makes the same, of longer tensors their first elements.
    """

    name: str
    start: int
    size: int
    inputs: tuple[Placement, ...]
    outputs: tuple[Placement, ...]
    lists: tuple[IndexList, ...] = ()
    rows: int = 0
    shorter: tuple["ChipSegment", ...] = ()

    def serving(self, rows: int | None) -> "ChipSegment":
        """The segment for a launch after which the caches hold so many rows; None: all that they can."""
        return self if rows is None else next((entry for entry in self.shorter if rows <= entry.rows), self)


@dataclass(frozen=True)
class HostSegment:
    """Float operators that the chip has no unit for: an ONNX model, run by ONNX Runtime.

    operators: its ONNX operator names.
    """

    name: str
    operators: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    model: bytes


@dataclass(frozen=True)
class Conversion:
    """Quantize (float32, bool, int32 or int64 -> int8), Dequantize (int8 -> float32), Signed (uint8 -> int8), Unsigned
    (int8 -> uint8), Truth (int8 -> bool), Indices (int8 -> int32 or int64) or Reshape of one tensor, PositionMask
    (position -> int8 of 1 and 0) or PositionRange (position -> int64, itself and what follows), on the host.
    """

    name: str
    operator: str
    input: str
    output: str


Segment = ChipSegment | HostSegment | Conversion


@dataclass(frozen=True)
class Result:
    """What an instruction writes: the region of `tensor` whose first element is (y, x, channel).

    instruction: index in the whole program's instruction list, which counts every instruction, each END included
    (`isa/sequence.py`). layer: whose result it is. Of a compute instruction height, width and channels follow from the
    instruction; step_y, step_x: from one of its rows and columns to the next in the tensor. The rows of a vector
    instruction are the channels of one pixel after the other, along the tensor's rows; one that is longer than the
    channels is several whole pixels.
    """

    instruction: int
    layer: str
    tensor: str
    y: int
    x: int
    channel: int
    step_y: int = 1
    step_x: int = 1


@dataclass(frozen=True)
class Layer:
    """A layer as reports show it.

    first, last: instruction indices, last included. macs: multiply-accumulates the model asks for.
    """

    name: str
    operator: str
    first: int
    last: int
    macs: int


@dataclass(frozen=True)
class Program:
    """A compiled network for one chip.

    inputs, outputs: the user's tensors in the model's order. tensors: every logical tensor by name.
    instructions: encoded, all chip segments one after the other. constants: contents of DRAM at Base.CONSTANTS.
    base_bytes: DRAM bytes that each base needs. results: one entry per compute instruction that writes (not `keep`).
    aliases: tensors that are another tensor's bytes in another shape (Reshape), alias -> original.
    fused: tensors that exist only inside a fused instruction, and never in a memory.
    preprocessing: how a picture becomes the input, which the host applies; None where the user stated nothing.
    batch: samples of dimension 0 of all inputs and outputs, of which a run may have fewer; 1: of its own there is one.
    states: inputs and outputs of the network that stay on the chip, and are not among those above.
    cache: what of the states is appended to, if any is. originals: tensors of shorter segments, and those of which they
    are the first elements.
    mixed: why there is one, where dimension 0 is larger, in words that follow "the network".
    """

    name: str
    chip: Chip
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, TensorInfo]
    segments: tuple[Segment, ...]
    instructions: bytes
    constants: bytes | memoryview
    base_bytes: Mapping[Base, int]
    results: tuple[Result, ...]
    layers: tuple[Layer, ...]
    aliases: Mapping[str, str]
    fused: tuple[str, ...]
    preprocessing: Chain | None = None
    batch: int = 1
    mixed: str = ""
    states: tuple[State, ...] = ()
    cache: Cache | None = None
    originals: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
