"""The sending half of the link, a cycle at a time: registers as they are in the cycle, then as they are in the next."""

import zlib
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lithify.isa.peer import FRAME_WORDS, SLOTS, TRANSFERS, WORD_BYTES, Kind, answer, head
from lithify.sim.timing.memory import Memory, Train
from lithify.sim.timing.peer.damage import Word

NUMBERS = 256


def ahead(first: int, second: int) -> int:
    """How many frames the second number is ahead of the first, modulo 256."""
    return (second - first) % NUMBERS


def behind(first: int, second: int) -> bool:
    """Whether the second number is behind the first."""
    return ahead(first, second) >= NUMBERS // 2


@dataclass(frozen=True)
class Answer:
    """All frames before `expected` have come, those before `limit` have room. again: send from `expected` on."""

    expected: int
    limit: int
    again: bool


@dataclass
class Frame:
    """A frame that is kept: its words, whether its message ends with it, where it goes, and the words themselves."""

    words: int
    last: bool
    address: int
    data: list[bytes]


class Sender:
    """Go-back-N; `step` is a cycle."""

    def __init__(self, dram: NDArray[np.uint8], latency: int) -> None:
        self.dram = dram
        self.timeout, self.tries = 0, 0
        self.out: Word | None = None
        self.dead = False
        self.transfers: deque[tuple[int, int, int]] = deque()
        self.sent_frames = self.again_frames = self.timeouts = 0
        self._memory = Memory(WORD_BYTES, WORD_BYTES, latency)
        self._base = self._following = self._sent = self._filled = self._reserved = 0
        self._limit = SLOTS
        self._frames: list[Frame] = [Frame(0, False, 0, []) for _ in range(SLOTS)]
        self._active: tuple[int, int, int] | None = None  # words left, source, target
        self._request: tuple[int, int] | None = None  # address and words at the bus
        self._reads: deque[tuple[Train, int]] = deque()
        self._beat = 0
        self._state, self._index, self._crc = "BETWEEN", 0, 0
        self._going = self._frames[0]
        self._rewind = self._probe = False
        self._timer = self._tried = 0

    @property
    def idle(self) -> bool:
        """All that was to be sent is answered."""
        return self._active is None and not self.transfers and self._base == self._reserved

    @property
    def ready(self) -> bool:
        """There is room for a message."""
        return len(self.transfers) < TRANSFERS

    @property
    def quiet(self) -> bool:
        """Nothing changes until a message or an answer comes."""
        if self.out is not None or self._state != "BETWEEN" or self._rewind:
            return False
        full = ahead(self._base, self._reserved) == SLOTS or (self._active is None and not self.transfers)
        return self.idle or (self.dead and full and self._filled == self._reserved)

    def step(self, now: int, came: Answer | None, own: Answer | None, transfer: tuple[int, int, int] | None) -> None:
        """came: an answer of the other end; own: the one that is due, which goes in this cycle; transfer: a message
        that is handed over.
        """
        base, filled, sent = self._base, self._filled, self._sent
        progress = came is not None and 0 < ahead(base, came.expected) <= ahead(base, sent)
        self._send(own)
        timed_out = base != filled and not progress and self._timer == self.timeout and not self.dead
        self._timer += 1
        if timed_out:
            self.timeouts += 1
            self._timer, self._tried, self._rewind, self._probe = 0, self._tried + 1, True, True
            self.dead = self._tried == self.tries
        if base == filled or progress:
            self._timer = self._tried = 0
        if came is not None:
            self._rewind |= came.again
            self._limit = came.limit
        self._read(now, base)
        if progress and came is not None:
            self._base = came.expected
        if transfer is not None:
            self.transfers.append(transfer)

    def _send(self, own: Answer | None) -> None:
        """What goes: an answer before everything else, else the next word of a frame."""
        self.out = None
        if own is not None:
            self.out = int(Kind.ANSWER), answer(own.expected, own.limit, own.again)
        frame = self._frames[self._following % SLOTS]
        if self._state == "BETWEEN":
            may = 0 < ahead(self._following, self._limit) < NUMBERS // 2
            if self._rewind or behind(self._base, self._following):
                self._following, self._rewind = self._base, False
            elif own is None and not self.dead and self._following != self._filled and (may or self._probe):
                first = head(frame.words, self._following, frame.last, frame.address)
                self.out = int(Kind.HEAD), first
                self._crc, self._going, self._index, self._probe = zlib.crc32(first), frame, 0, False
                self._state = "BODY" if frame.words else "TAIL"
        elif own is None and self._state == "BODY":
            # Its slot may be given to another frame meanwhile, whose words come long after this one has gone.
            word = self._going.data[self._index]
            self.out = int(Kind.BODY), word
            self._crc = zlib.crc32(word, self._crc)
            self._index += 1
            if self._index == self._going.words:
                self._state = "TAIL"
        elif own is None:
            self.out = int(Kind.TAIL), self._crc.to_bytes(WORD_BYTES, "little")
            self.sent_frames += 1
            if self._following == self._sent:
                self._sent = (self._sent + 1) % NUMBERS
            else:
                self.again_frames += 1
            self._following = (self._following + 1) % NUMBERS
            self._state = "BETWEEN"

    def _read(self, now: int, base: int) -> None:
        """Frames read ahead. `base`: as it is in this cycle."""
        landed = False
        if self._reads:
            train, address = self._reads[0]
            if train.cycle(self._beat) == now:
                start = address + WORD_BYTES * self._beat
                self._frames[self._filled % SLOTS].data.append(self.dram[start : start + WORD_BYTES].tobytes())
                self._beat += 1
                if self._beat == train.beats:
                    self._reads.popleft()
                    self._beat, landed = 0, True
        if self._request is not None:
            address, words = self._request
            self._reads.append((self._memory.accept(now, words), address))
            self._request = None
        token = False
        if self._active is None:
            self._active = self.transfers.popleft() if self.transfers else None
        elif ahead(base, self._reserved) != SLOTS:
            left, source, target = self._active
            token = left == 0 and self._filled == self._reserved
            if token or left:
                words = min(left, *(FRAME_WORDS - place // WORD_BYTES % FRAME_WORDS for place in (source, target)))
                self._frames[self._reserved % SLOTS] = Frame(words, words == left, target, [])
                self._reserved = (self._reserved + 1) % NUMBERS
                if words:
                    self._request = source, words
                step = words * WORD_BYTES
                self._active = None if words == left else (left - words, source + step, target + step)
        if landed or token:
            self._filled = (self._filled + 1) % NUMBERS
