"""Traffic at a memory's bus and at its host's port, judged in every cycle against the memory model and plain numpy."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from lithify.chip.memories import BURSTS_IN_FLIGHT, READS_IN_FLIGHT
from lithify.chip.pipeline import DRAM_LATENCY
from lithify.rtl.axi import PAGE_BYTES
from lithify.rtl.simulation.memory import Inputs, MemorySession

OKAY, SLAVE_ERROR = 0, 2


@dataclass
class Burst:
    """write; address: of the first word; words; ripe: the first cycle for its first beat; done: beats that moved."""

    write: bool
    address: int
    words: int
    ripe: int
    done: int = 0


@dataclass(frozen=True)
class Shape:
    """What traffic is like. beats: of bursts, from and to; busy: how often there is a new one; host: how often the host
    asks; outside: how often a burst lies outside the memory.
    """

    beats: tuple[int, int]
    busy: float
    host: float = 0.0
    outside: float = 0.0


class Traffic:
    """Random bursts of a seed, as a chip makes them: what is in flight is not touched by the other direction, the words
    of a write are there in time, and a read of what was written comes after its response.

    rows: of 4096 bytes, in which all this happens; host_row: the host's own.
    """

    def __init__(self, memory: MemorySession, bus_bytes: int, rate: int, size: int, seed: int) -> None:
        self.memory, self.bus_bytes, self.rate, self.size = memory, bus_bytes, rate, size
        self.random = np.random.default_rng(seed)
        pages = self.random.choice(size // PAGE_BYTES, 8, replace=False)
        self.pages, self.host_page = [int(page) for page in pages[:-1]], int(pages[-1])
        self.words: dict[int, int] = {}  # what was written, by address
        self.order: deque[Burst] = deque()
        self.answered: Burst | None = None  # the write whose response comes in this cycle
        self.read_valid = self.write_valid = False
        self.read, self.write = self._burst(False, Shape((1, 1), 1)), self._burst(True, Shape((1, 1), 1))
        self.now, self.late, self.beats, self.tokens = 0, 0, 0, 2 * bus_bytes
        self.was_late = False
        self.host: tuple[bool, int, int] | None = None
        self.host_reads: deque[tuple[int, int | None]] = deque()

    def run(self, cycles: int, shape: Shape) -> None:
        """So many cycles, and those until all is answered."""
        end = self.now + cycles
        while self.now < end or self.order or self.answered or self.host or self.host_reads:
            self._cycle(shape if self.now < end else Shape((1, 1), 0))
            assert self.now < end + 200_000, "the memory hangs"

    def idle(self, cycles: int) -> None:
        """Nothing asked."""
        for _ in range(cycles):
            self.memory.cycle(Inputs())

    def _word(self) -> int:
        return int.from_bytes(self.random.bytes(self.bus_bytes), "little")

    def _burst(self, write: bool, shape: Shape) -> Burst:
        words = int(self.random.integers(shape.beats[0], shape.beats[1] + 1))
        page = self.pages[self.random.integers(len(self.pages))]
        if self.random.random() < shape.outside:
            page = self.size // PAGE_BYTES + page
        start = int(self.random.integers(PAGE_BYTES // self.bus_bytes - words + 1)) * self.bus_bytes
        return Burst(write, page * PAGE_BYTES + start, words, 0)

    def _touches(self, new: Burst) -> bool:
        """Whether another burst of the other direction that is in flight shares a word with it."""
        flying = [*self.order, *([self.answered] if self.answered else [])]
        size = self.bus_bytes
        return any(
            other.write != new.write
            and other.address < new.address + size * new.words
            and new.address < other.address + size * other.words
            for other in flying
        )

    def _ask(self, shape: Shape) -> Inputs:
        asked = Inputs()
        for write in (False, True):
            waits = self.write_valid if write else self.read_valid
            flying = sum(burst.write == write for burst in self.order)
            if not waits and self.random.random() < shape.busy:
                new = self._burst(write, shape)
                if flying < (BURSTS_IN_FLIGHT if write else READS_IN_FLIGHT) and not self._touches(new):
                    if write:
                        self.write, self.write_valid = new, True
                    else:
                        self.read, self.read_valid = new, True
        # What the other direction was given in the meantime may touch a burst that waits.
        if self.read_valid and not self._touches(self.read):
            asked.arvalid, asked.araddr, asked.arlen = 1, self.read.address, self.read.words - 1
        if self.write_valid and not asked.arvalid and not self._touches(self.write):
            asked.awvalid, asked.awaddr, asked.awlen = 1, self.write.address, self.write.words - 1
        asked.wvalid, asked.wdata = 1, self._word()
        if self.host is None and self.random.random() < shape.host:
            place = self.host_page * PAGE_BYTES + int(self.random.integers(8)) * self.bus_bytes
            self.host = bool(self.random.integers(2)), place, self._word()
        if self.host:
            asked.host_valid, asked.host_write = 1, self.host[0]
            asked.host_address, asked.host_data = self.host[1] // self.bus_bytes, self.host[2]
        return asked

    def _cycle(self, shape: Shape) -> None:
        asked = self._ask(shape)
        shown = self.memory.cycle(asked)
        size = self.bus_bytes
        assert bool(shown.bvalid) == (self.answered is not None)
        if self.answered:
            assert shown.bresp == (SLAVE_ERROR if self.answered.address >= self.size else OKAY)
            self.answered = None
        # The memory model: a beat moves where the first burst is ripe and there are tokens. Or the memory says that it
        # is late, and gains no tokens for the next cycle.
        if not self.was_late:
            self.tokens = min(2 * size, self.tokens + self.rate)
        may = bool(self.order) and self.order[0].ripe <= self.now and self.tokens >= size
        moved = bool(shown.rvalid or shown.wready)
        assert may == (moved or bool(shown.late)) and not (moved and shown.late), self.now
        self.late += shown.late
        self.was_late = bool(shown.late)
        if moved:
            burst = self.order[0]
            assert bool(shown.wready) == burst.write and bool(shown.rvalid) != burst.write
            address = burst.address + size * burst.done
            self.tokens -= size
            self.beats += 1
            burst.done += 1
            inside = burst.address < self.size
            if burst.write:
                if inside:
                    self.words[address] = asked.wdata
            else:
                assert shown.rlast == (burst.done == burst.words)
                assert shown.rresp == (OKAY if inside else SLAVE_ERROR)
                if inside:
                    assert shown.rdata == self.words.get(address, shown.rdata)
            if burst.done == burst.words:
                self.order.popleft()
                self.answered = burst if burst.write else None
        assert shown.arready and shown.awready == (not asked.arvalid)
        for valid, burst in ((asked.arvalid, self.read), (asked.awvalid, self.write)):
            if valid:
                burst.ripe = self.now + DRAM_LATENCY
                self.order.append(burst)
                self.read_valid &= burst.write
                self.write_valid &= not burst.write
        self._of_host(shown, bool(asked.host_valid))
        self.now += 1

    def _of_host(self, shown, asked: bool) -> None:
        if shown.host_read_valid:
            place, expected = self.host_reads.popleft()
            if expected is not None:
                assert shown.host_read_data == expected
        if asked and shown.host_ready and self.host:
            write, place, word = self.host
            if write:
                self.words[place] = word
            else:
                self.host_reads.append((place, self.words.get(place)))
            self.host = None
