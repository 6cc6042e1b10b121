"""Room in a chip's DRAM, in pages, because no burst crosses one."""

from dataclasses import dataclass, field

from lithify.isa.layout import PAGE


@dataclass
class Allocator:
    """First fit over `size` bytes; what is freed grows together with its neighbours."""

    size: int
    _taken: dict[int, int] = field(default_factory=dict)

    def allocate(self, size: int) -> int | None:
        """The address of `size` bytes, a multiple of 4096; None where no gap is so large."""
        needed, start = max(1, -(-size // PAGE)) * PAGE, 0
        for address, length in sorted(self._taken.items()):
            if address - start >= needed:
                break
            start = address + length
        if start + needed > self.size:
            return None
        self._taken[start] = needed
        return start

    def free(self, address: int) -> None:
        """Gives back what `allocate` gave; KeyError for another address."""
        del self._taken[address]

    @property
    def free_bytes(self) -> int:
        """Bytes that are not taken, in all gaps together."""
        return self.size - sum(self._taken.values())
