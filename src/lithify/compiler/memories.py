"""DRAM as a program fills it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from lithify.errors import LithifyError
from lithify.isa.program import Base

ALIGNMENT = 128
"""Offsets of everything in DRAM are multiples of this."""
Runs = tuple[tuple[int, int], ...]
"""Where constants lie that a port loads: offsets and bytes, in order."""
MOST_RUNS = 3
"""Into so many a load is cut so that constants are stored once; each is a transfer of its own."""
LIMIT = 1 << 32
"""Offsets have 32 bits."""


@dataclass
class Memories:
    """DRAM as it is filled while segments are compiled: bytes used behind each base, the constants, and by its digest
    where each of these lies. state, next: offsets of tensors behind Base.STATE and Base.NEXT. cache: offsets of caches
    behind Base.CACHE, by the tensors that they are before a run and by those that they become. pitch: bytes from row to
    row of these. parts: by their digests where parts of constants lie, and where groups of weights do that are several
    in a part.
    """

    used: dict[Base, int] = field(default_factory=lambda: dict.fromkeys(Base, 0))
    constants: list[bytes] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    state: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)
    cache: dict[str, int] = field(default_factory=dict)
    pitch: int = 0
    parts: dict[bytes, int] = field(default_factory=dict)

    def reserve(self, base: Base, size: int, what: str, alignment: int = ALIGNMENT) -> int:
        """Offset of `size` new bytes, a multiple of `alignment`."""
        offset = -(-self.used[base] // alignment) * alignment
        self.used[base] = offset + -(-size // ALIGNMENT) * ALIGNMENT
        if self.used[base] > LIMIT:
            raise LithifyError(
                f"With {what} the network needs {self.used[base]} bytes of DRAM for {base.name.lower()}; "
                f"a program addresses at most {LIMIT}; use a smaller network or input."
            )
        return offset

    def add_constant(self, data: NDArray[np.uint8] | NDArray[np.int8], what: str, alignment: int = ALIGNMENT) -> int:
        """Offset of constants, a multiple of `alignment`; what is there already is not added again."""
        content = data.tobytes()
        key = sha256(content).digest()
        if key not in self.known or self.known[key] % alignment:
            self.known[key] = self._append(content, what, alignment)
        return self.known[key]

    def _append(self, content: bytes, what: str, alignment: int) -> int:
        before = self.used[Base.CONSTANTS]  # a multiple of ALIGNMENT
        offset = self.reserve(Base.CONSTANTS, len(content), what, alignment)
        self.constants.append(bytes(offset - before) + content + bytes(-len(content) % ALIGNMENT))
        return offset

    def add_parts(self, data: Sequence[tuple[NDArray[np.uint8], int]], what: str) -> list[Runs]:
        """Where constants lie that are loaded together: those that are new one behind the other, the others where they
        lie already, which may be in a few runs.

        data: the words of each part, and how many groups of weights of equal size they end with: the same layer
        elsewhere may be loaded in other parts, which begin and end between groups.
        """
        found, fresh, end = list[Runs](), list[NDArray[np.uint8]](), self.used[Base.CONSTANTS]
        for words, groups in data:
            part = _Part.of(words, groups)
            runs = self._place(part)
            if runs is None:
                runs = ((end, part.size),)
                for key, place in ((part.key, 0), *part.groups):
                    self.parts.setdefault(key, end + place)
                fresh.append(words)
                end += part.size
            found.append(runs)
        if fresh:
            self._append(np.concatenate(fresh).tobytes(), what, ALIGNMENT)
        return found

    def _place(self, part: "_Part") -> Runs | None:
        """Where a part lies as a whole, or its groups in at most `MOST_RUNS`; None where neither is so."""
        if part.key in self.parts:
            return ((self.parts[part.key], part.size),)
        if not part.groups or any(key not in self.parts for key, _ in part.groups):
            return None
        size, runs = part.size // len(part.groups), list[tuple[int, int]]()
        for key, _ in part.groups:
            offset = self.parts[key]
            if runs and sum(runs[-1]) == offset:
                runs[-1] = runs[-1][0], runs[-1][1] + size
            else:
                runs.append((offset, size))
        return tuple(runs) if len(runs) <= MOST_RUNS else None


@dataclass(frozen=True)
class _Part:
    """Digests of constants that are loaded together, `size` bytes. groups: of each group, and its place, where the
    groups are all of the part; empty where something else comes first.
    """

    key: bytes
    size: int
    groups: tuple[tuple[bytes, int], ...]

    @classmethod
    def of(cls, words: NDArray[np.uint8], groups: int) -> "_Part":
        data = words.tobytes()
        size = len(data) // groups if groups else 0
        places = range(0, len(data), size) if size else ()
        entries = tuple((sha256(memoryview(data)[place : place + size]).digest(), place) for place in places)
        return cls(sha256(data).digest(), len(data), entries)
