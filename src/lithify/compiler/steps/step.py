"""A step is one compute instruction of a chip segment, with what it needs loaded before and stored after.

Images have their scratchpad addresses here, chunks of weights get theirs in `ring.py`; nothing is encoded yet.
"""

from dataclasses import dataclass, replace

from lithify.chip import Chip
from lithify.compiler.image import Rectangle
from lithify.compiler.operation import Landing
from lithify.compiler.weights import Part


@dataclass(frozen=True)
class RowRing:
    """Whole rows of an image of `height` rows in `words` words from `address` on: row y begins at word y * `pitch`,
    modulo `words`. rows: how many it holds.
    """

    address: int
    rows: int
    height: int
    words: int
    pitch: int

    @property
    def wraps(self) -> bool:
        """Whether rows beyond its end begin anew."""
        return self.pitch * self.height > self.words


@dataclass(frozen=True)
class Buffer:
    """A rectangle of an image in the scratchpad, packed: rows of `rectangle.width` pixels of `pixel_words` words.

    first_word: the first word of each pixel that it holds (it may hold a slice of the channels). address: in words.
    ring: where its rows, which are whole ones, lie; then `address` is 0. landing: if `rectangle` counts positions,
    where in the image their pixels, and the first of their words, lie.
    """

    image: str
    rectangle: Rectangle
    first_word: int
    pixel_words: int
    address: int
    ring: RowRing | None = None
    landing: Landing | None = None

    @property
    def words(self) -> int:
        """Words it occupies."""
        return self.rectangle.positions * self.pixel_words

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Stretches of the scratchpad that it occupies: (address, words)."""
        if self.ring is None or self.ring.pitch == self.rectangle.width * self.pixel_words:
            return tuple((piece.address, piece.words) for piece in self.pieces(self.rectangle.height))
        ring, row = self.ring, self.rectangle.width * self.pixel_words
        found = []
        for y in range(self.rectangle.y, self.rectangle.y + self.rectangle.height):
            first = y * ring.pitch % ring.words
            found.append((ring.address + first, min(row, ring.words - first)))
            if first + row > ring.words:
                found.append((ring.address, first + row - ring.words))
        return tuple(found)

    @property
    def row_words(self) -> int:
        """Words from row to row."""
        return self.ring.pitch if self.ring else self.rectangle.width * self.pixel_words

    def pieces(self, most: int) -> "tuple[Buffer, ...]":
        """Buffers outside of rings that make it up: of at most `most` rows, none of them around a ring's end."""
        if self.ring is None:
            return (self,)
        assert self.ring.pitch == self.rectangle.width * self.pixel_words, "a spread image is neither loaded nor stored"
        made, area = [], self.rectangle
        y, end = area.y, area.y + area.height
        while y < end:
            place = y % self.ring.rows
            count = min(end - y, self.ring.rows - place, most)
            address = self.ring.address + place * area.width * self.pixel_words
            made.append(replace(self, rectangle=replace(area, y=y, height=count), address=address, ring=None))
            y += count
        return tuple(made)

    def address_of(self, y: int, x: int) -> int:
        """Address of the pixel (y, x) of the image, which may lie outside."""
        if self.ring is not None:
            step = y * self.ring.pitch + (x - self.rectangle.x) * self.pixel_words
            return self.ring.address + (step % self.ring.words if self.ring.wraps else step)
        return self.address + ((y - self.rectangle.y) * self.rectangle.width + x - self.rectangle.x) * self.pixel_words


@dataclass(frozen=True)
class Chunk:
    """Weights of groups first to before `end` of an operation, one part of the reduction.

    operation: of several with equal weights the first. ports: words of it that are read in a cycle. address: in the
    ring, in words; banks: over which it lies where that are two: half of its words begin at `address`, the others half
    as many banks further. `ring.py` sets both.
    """

    operation: int
    first: int
    end: int
    part: int
    words: int
    ports: int = 1
    address: int = 0
    banks: int = 0

    def places(self, chip: Chip) -> tuple[tuple[int, int], ...]:
        """Stretches of the scratchpad that it occupies, one for each port: (address, words)."""
        apart = self.banks * chip.bank_words // 2
        return tuple((self.address + port * apart, self.words // self.ports) for port in range(self.ports))

    @property
    def key(self) -> tuple[int, int, int]:
        """What tells chunks apart."""
        return self.operation, self.first, self.part


@dataclass(frozen=True)
class Step:
    """One compute instruction.

    operation: index in the segment. out: the results' rectangle. groups: first and end. part: None for stream.
    weights, loads: chunks and buffers to load before. stores: buffers to store after.
    """

    operation: int
    out: Rectangle
    groups: tuple[int, int]
    part: Part | None
    tile: int
    keep: bool
    accumulate: bool
    input: Buffer
    residual: Buffer | None
    output: Buffer
    chunk: Chunk | None
    weights: tuple[Chunk, ...]
    loads: tuple[Buffer, ...]
    stores: tuple[Buffer, ...]
