"""Chip operations: what a node of the graph becomes, before anything is cut into tiles or given an address."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lithify.compiler.image import Image, Rectangle
from lithify.isa.vector import Micro

Unit = Literal["conv", "depthwise", "stream", "vector"]


@dataclass(frozen=True)
class Sliding:
    """A window of `kernel` taps; all pairs are (vertical, horizontal) in the input; pads: (top, left).

    turned: the window moves down the input from result to result of a row, and to the right from row to row; all of it
    lies on the image.
    """

    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int] = (0, 0)
    dilations: tuple[int, int] = (1, 1)
    turned: bool = False


@dataclass(frozen=True)
class Landing:
    """Where the results of an operation lie in its image, if not each at its own position.

    first, steps: (vertical, horizontal); the result of position (y, x) is the pixel first + (y, x) * steps.
    word: the first word of the pixels that is written. channels: channels that the operation makes.
    """

    first: tuple[int, int]
    steps: tuple[int, int]
    word: int
    channels: int

    def pixel(self, y: int, x: int) -> tuple[int, int]:
        """The pixel of a position."""
        return self.first[0] + y * self.steps[0], self.first[1] + x * self.steps[1]


@dataclass(frozen=True)
class Excerpt:
    """What an operation sees of the image that it reads: from row `row` on as many rows as its own x has, and of each
    pixel from word `word` on as many words.
    """

    row: int
    word: int = 0


@dataclass(frozen=True)
class Second:
    """The second operand of a product of two activations: rows of an image in DRAM, which are loaded as weights.

    image: as it lies in memory. first: the pixel that is output 0; step: pixels to the next output. channel: the first
    of the channels that are summed over, as many as x has. fill: what completes the last word of channels.
    constants: for each pass after the first over the same words of x the one value it is multiplied with instead.
    outside: passes after those in which the second operand is multiplied with the padding.
    """

    image: Image
    first: int
    step: int
    channel: int
    fill: int
    constants: tuple[int, ...]
    outside: int

    @property
    def inside(self) -> int:
        """Passes that read x."""
        return 1 + len(self.constants)


@dataclass(frozen=True)
class Gather:
    """Where the rows of x come from: entries of the image `table`, `rows` of its pixels each, which the tensor
    `indices` chooses among `entries`.
    """

    table: str
    indices: str
    rows: int
    entries: int


@dataclass(frozen=True)
class Residual:
    """The addition behind an operation: b is the image `image`; a is the operation's own result (see section 4). Of a
    vector operation it is the second tensor, whose rows its program reads, and b_zero_point alone counts.

    multiply: a stream's product instead: the zero points and the first multiplier count, and the operation's own zero
    point and limits. broadcast: `image` is one pixel, for all positions. column: of `image` that position 0 is added
    to, where that is an image of one row.
    """

    image: str
    a_zero_point: int
    b_zero_point: int
    zero_point: int
    minimum: int
    maximum: int
    a_multiplier: float
    b_multiplier: float
    multiply: bool = False
    broadcast: bool = False
    column: int = 0


@dataclass(frozen=True, eq=False)
class Parameters:
    """What an array operation multiplies with.

    weights: int8, [outputs, kernel_h, kernel_w, inputs], or [channels, kernel_h, kernel_w] if each output channel sees
    only its own input channel.
    bias: int32 [outputs], the input's zero point folded in; multiplier: float32 [outputs], positive and normal.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RowProgram:
    """What the vector unit does with every pixel, whose channels are a row.

    operations: its program. zero_point: what is taken from the int8 values that it reads. data: float32 rows that it
    reads beside them, the same for every pixel: none, one or two. table: float32 [256], in which it looks values up.
    alone: whether it treats every element alike, so that several pixels may make one row of it. together: pixels that
    do make one row.
    """

    operations: tuple[Micro, ...]
    zero_point: int
    data: tuple[NDArray[np.float32], ...]
    table: NDArray[np.float32] | None = None
    alone: bool = False
    together: int = 1

    @property
    def extent(self) -> tuple[int, int, int]:
        """Micro-operations, rows of data and tables."""
        return len(self.operations), len(self.data), int(self.table is not None)


@dataclass(frozen=True, eq=False)
class Operation:
    """One pass over the rectangle `region` of the image `y`.

    second: what is multiplied with if not stored weights; the parameters' weights are then zeros of no meaning, and
    the kernel's rows are passes over the same words (`instructions/second.py`).
    gather: where x comes from if it is no image in memory, but what indices choose of one.
    append: the cache, a tensor before the run, of which y is what it becomes: results are rows from the position on.
    excerpt: which rows of the image x is, if not all. landing: where results lie in y; then `region` counts positions,
    not pixels. unit: which instruction does it; cut: taps (height, width) that a depthwise pass takes at once, the
    whole kernel for stream, (1, 1) for conv. parameters: None for stream and vector; program: of vector alone. layer,
    operator, macs: as reports show the node. tensor: the tensor of the graph that the results belong to. table: int8
    [256], what the results are looked up in, last of all. beside: if array and vector unit both work meanwhile, from
    when to when, in cycles from the first operation on, about.
    """

    layer: str
    operator: str
    unit: Unit
    x: Image
    y: Image
    region: Rectangle
    sliding: Sliding
    cut: tuple[int, int]
    pad_value: int
    zero_point: int
    minimum: int
    maximum: int
    parameters: Parameters | None
    residual: Residual | None
    macs: int
    tensor: str
    table: NDArray[np.int8] | None = None
    landing: Landing | None = None
    excerpt: Excerpt | None = None
    program: RowProgram | None = None
    second: Second | None = None
    gather: Gather | None = None
    append: str = ""
    beside: tuple[int, int] | None = None

    @property
    def weighted(self) -> bool:
        """Whether it reads constants from the scratchpad: weights, or a program."""
        return self.parameters is not None or self.program is not None

    @property
    def first_word(self) -> int:
        """The word of the pixels in memory that is word 0 of x."""
        return self.excerpt.word if self.excerpt else 0

    @property
    def first_row(self) -> int:
        """The row of the image in memory that is row 0 of x."""
        return self.excerpt.row if self.excerpt else 0

    @property
    def results(self) -> Image:
        """The results as an image of their own: the region's rows and columns from 0 on, the channels it makes."""
        if self.landing is None:
            return self.y
        height, width = self.region.y + self.region.height, self.region.x + self.region.width
        return Image(self.y.name, height, width, self.landing.channels)

    @property
    def each_word_alone(self) -> bool:
        """Whether result word i is made from input word i only: stream, depthwise, and conv with diagonal weights."""
        if self.parameters is None:
            return self.program is None
        return self.parameters.weights.ndim == 3

    @property
    def passes(self) -> tuple[int, int]:
        """Passes over the kernel, (vertical, horizontal)."""
        return -(-self.sliding.kernel[0] // self.cut[0]), -(-self.sliding.kernel[1] // self.cut[1])

    @property
    def slide(self) -> int:
        """Window columns that a position must read when its left neighbour's are still in the shift register."""
        stride, dilation = self.sliding.strides[1], self.sliding.dilations[1]
        if self.sliding.turned or stride == 0:
            return self.cut[1]
        if self.unit != "depthwise" or stride % dilation or stride // dilation >= self.cut[1]:
            return self.cut[1]
        return stride // dilation

    @property
    def reads(self) -> tuple[str, ...]:
        """Images that it reads in the scratchpad, each once."""
        x = self.x.name
        return (x,) if self.residual is None or self.residual.image == x else (x, self.residual.image)

    @property
    def sources(self) -> tuple[str, ...]:
        """Images that it is made from, each once: `reads`, with the table that is gathered from in the place of x, and
        what is loaded in place of weights.
        """
        second = () if self.second is None else (self.second.image.name,)
        gathered = {} if self.gather is None else {self.x.name: self.gather.table}
        return tuple(dict.fromkeys((*(gathered.get(name, name) for name in self.reads), *second)))

    def input_of(
        self, out: Rectangle, passes_y: tuple[int, int] | None = None, passes_x: tuple[int, int] | None = None
    ) -> Rectangle:
        """The part of x that the results in `out` are made from; at least one pixel, where all is padding.

        passes_y, passes_x: only what these passes read (first, end).
        """
        down, right = (out.y, out.height), (out.x, out.width)
        if self.sliding.turned:
            down, right = right, down
        y, height = self._span(0, *down, self.x.height, passes_y or (0, self.passes[0]))
        x, width = self._span(1, *right, self.x.width, passes_x or (0, self.passes[1]))
        return Rectangle(y, x, height, width)

    def _span(self, axis: int, first: int, count: int, size: int, passes: tuple[int, int]) -> tuple[int, int]:
        sliding: Any = self.sliding
        taps = passes[0] * self.cut[axis], min(passes[1] * self.cut[axis], sliding.kernel[axis])
        return _span(
            sliding.strides[axis], sliding.pads[axis], sliding.dilations[axis], taps[0], taps[1], size, first, count
        )

    def input_lengths(self, axis: int, first: int, count: int, step: int, passes: tuple[int, int]) -> tuple[int, int]:
        """Rows (axis 0) or columns (1) of x under pieces of `step` of `count` results from `first`: sum and largest."""
        sliding: Any = self.sliding
        taps = passes[0] * self.cut[axis], min(passes[1] * self.cut[axis], sliding.kernel[axis])
        size = (self.x.height, self.x.width)[axis]
        return _lengths(
            sliding.strides[axis], sliding.pads[axis], sliding.dilations[axis], *taps, size, first, count, step
        )


def _span(
    stride: int, pad: int, dilation: int, first_tap: int, end_tap: int, size: int, first: int, count: int
) -> tuple[int, int]:
    """First coordinate and length of what taps first_tap to end_tap of `count` results from `first` on read."""
    begin = first * stride - pad
    low = min(max(begin + first_tap * dilation, 0), size - 1)
    high = begin + (count - 1) * stride + (end_tap - 1) * dilation + 1
    return low, max(min(high, size), low + 1) - low


@lru_cache(maxsize=65536)
def _lengths(
    stride: int, pad: int, dilation: int, first_tap: int, end_tap: int, size: int, first: int, count: int, step: int
) -> tuple[int, int]:
    lengths = [
        _span(stride, pad, dilation, first_tap, end_tap, size, place, min(step, first + count - place))[1]
        for place in range(first, first + count, step)
    ]
    return sum(lengths), max(lengths)
