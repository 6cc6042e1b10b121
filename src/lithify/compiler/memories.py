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
LIMIT = 1 << 32
"""Offsets have 32 bits."""


@dataclass
class Memories:
    """DRAM as it is filled while segments are compiled: bytes used behind each base, the constants, and by its digest
    where each of these lies. state, next: offsets of tensors behind Base.STATE and Base.NEXT. cache: offsets of caches
    behind Base.CACHE, by the tensors that they are before a run and by those that they become. pitch: bytes from row to
    row of these. parts: by their digests where parts of constants lie; None where nobody asks for them again.
    """

    used: dict[Base, int] = field(default_factory=lambda: dict.fromkeys(Base, 0))
    constants: list[bytes] = field(default_factory=list)
    known: dict[bytes, int] = field(default_factory=dict)
    state: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)
    cache: dict[str, int] = field(default_factory=dict)
    pitch: int = 0
    parts: dict[bytes, int] | None = None

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
            before = self.used[Base.CONSTANTS]
            self.known[key] = self.reserve(Base.CONSTANTS, data.size, what, alignment)
            self.constants.append(bytes(self.known[key] - before) + content + bytes(-data.size % ALIGNMENT))
        return self.known[key]

    def add_parts(self, data: Sequence[NDArray[np.uint8]], what: str) -> list[int]:
        """Offsets of constants that are loaded together, one behind the other; or where they lie already, each for
        itself, which then may be apart.
        """
        keys = [sha256(part.tobytes()).digest() for part in data] if self.parts is not None else []
        if self.parts is not None and all(key in self.parts for key in keys):
            return [self.parts[key] for key in keys]
        first = self.add_constant(np.concatenate(list(data)), what)
        offsets = [first + int(end) for end in np.cumsum([0, *(part.size for part in data[:-1])])]
        if self.parts is not None:
            for key, offset in zip(keys, offsets, strict=True):
                self.parts.setdefault(key, offset)
        return offsets
