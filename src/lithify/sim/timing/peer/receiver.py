"""The receiving half of the link, a cycle at a time."""

import zlib
from collections import deque

import numpy as np
from numpy.typing import NDArray

from lithify.isa.peer import CHECKED_BYTES, FRAME_WORDS, SLOTS, WORD_BYTES, Kind
from lithify.sim.timing.memory import Memory, Train
from lithify.sim.timing.peer.damage import Word
from lithify.sim.timing.peer.sender import NUMBERS, Answer, Frame, ahead, behind


class Receiver:
    """Frames in order, to memory; `step` is a cycle."""

    def __init__(self, dram: NDArray[np.uint8], latency: int) -> None:
        self.dram = dram
        self.taken = self.wrong = self.messages = 0
        self._memory = Memory(WORD_BYTES, WORD_BYTES, latency)
        self._word: Word | None = None
        self._expected = self._issued = self._drained = 0
        self._frames: list[Frame] = [Frame(0, False, 0, []) for _ in range(SLOTS)]
        self._inside = self._accept = False
        self._now, self._number, self._count, self._crc = Frame(0, False, 0, []), 0, 0, 0
        self._due = self._again = self._asked = False
        self._request: Frame | None = None
        self._writes: deque[tuple[Train, Frame]] = deque()
        self._beat = 0
        self._slot, self._there = 0, False
        self._response = False
        self._responses = 0

    @property
    def own(self) -> Answer | None:
        """The answer that is due."""
        if not self._due:
            return None
        return Answer(self._expected, (self._drained + SLOTS) % NUMBERS, self._again)

    @property
    def came(self) -> Answer | None:
        """The answer of the other end that is looked at in this cycle."""
        if self._word is None or self._word[0] != Kind.ANSWER or not _right(self._word):
            return None
        data = self._word[1]
        return Answer(data[1], data[2], bool(data[0] & 1))

    @property
    def quiet(self) -> bool:
        """Nothing changes until a word comes."""
        return self._word is None and not self._due and self._expected == self._drained

    def step(self, now: int, far: Word | None) -> bool:
        """far: the word that arrives. Whether a message is whole in memory now."""
        drains, arrived = self._drain(now)
        taken, calls, wants = self._look()
        answered = self._due
        if answered:
            self._due = self._again = False
        if calls or drains:
            self._due = True
        if wants:
            self._again = True
        self._write(now)
        if drains:
            self._drained = (self._drained + 1) % NUMBERS
        if taken is not None:
            self._frames[self._expected % SLOTS] = taken
            self._expected = (self._expected + 1) % NUMBERS
            self.taken += 1
        self.messages += arrived
        self._word = far
        return arrived

    def _look(self) -> tuple[Frame | None, bool, bool]:
        """The word that came in the cycle before: the frame that it completes, whether it calls for an answer, and for
        one that asks for more.
        """
        if self._word is None:
            return None, False, False
        kind, data = self._word
        if kind == Kind.BODY:
            if self._inside and self._accept and self._count < FRAME_WORDS:
                self._now.data.append(data)
            self._crc = zlib.crc32(data, self._crc)
            self._count = min(self._count + 1, 127)
        elif kind == Kind.TAIL:
            check = int.from_bytes(data[:4], "little")
            whole = self._inside and check == self._crc and self._count == self._now.words
            self._inside = False
            away = self._number != self._expected and not behind(self._expected, self._number)
            gap = whole and not self._accept and away
            wants = (not whole or gap) and not self._asked
            self.wrong += not whole
            self._asked |= wants
            taken = self._now if whole and self._accept else None
            return taken, (whole and not gap) or wants, wants
        elif kind in (Kind.HEAD, Kind.ANSWER) and not _right(self._word):
            self.wrong += 1
        elif kind == Kind.HEAD:
            self._number = data[1]
            nxt = self._number == self._expected
            self._accept = nxt and ahead(self._drained, self._expected) != SLOTS
            if nxt:
                self._asked = False
            self._now = Frame(data[0] & 127, bool(data[2] & 1), int.from_bytes(data[4:9], "little"), [])
            self._inside, self._count, self._crc = True, 0, zlib.crc32(data)
        return None, False, False

    def _write(self, now: int) -> None:
        """Bursts, and their beats; registers as they are in this cycle."""
        slot, issued, there = self._slot, self._issued, self._there
        moved = False
        self._response = False
        if self._writes:
            train, frame = self._writes[0]
            if train.cycle(self._beat) == now:
                assert there, "the link's words are at the bus before its memory takes them"
                start = frame.address + WORD_BYTES * self._beat
                self.dram[start : start + WORD_BYTES] = np.frombuffer(frame.data[self._beat], np.uint8)
                self._beat += 1
                if self._beat == train.beats:
                    self._writes.popleft()
                    self._beat, moved, self._response = 0, True, True
        if self._request is not None:
            frame, self._request = self._request, None
            self._writes.append((self._memory.accept(now, frame.words), frame))
        if issued != self._expected:
            frame = self._frames[issued % SLOTS]
            self._issued = (issued + 1) % NUMBERS
            if frame.words:
                self._request = frame
        if moved or (not there and slot != issued and not self._frames[slot % SLOTS].words):
            self._slot = (slot + 1) % NUMBERS
        self._there = self._slot != issued and self._frames[self._slot % SLOTS].words != 0

    def _drain(self, now: int) -> tuple[bool, bool]:
        """Whether the oldest frame is in memory now, and whether its message ends with it."""
        response, oldest = self._response, self._frames[self._drained % SLOTS]
        waits = self._drained != self._issued
        used = waits and oldest.words != 0 and self._responses != 0
        self._responses += response - used
        drains = used or (waits and oldest.words == 0)
        return drains, drains and oldest.last


def _right(word: Word) -> bool:
    kind, data = word
    return zlib.crc32(data[:CHECKED_BYTES]) == int.from_bytes(data[CHECKED_BYTES:], "little") and data[3] == kind
