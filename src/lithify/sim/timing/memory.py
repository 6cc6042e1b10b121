"""When the memory moves each beat: the rule of docs/architecture.md, section 1, a burst at a time."""


class Memory:
    """Serves bursts in the order of acceptance. Reads and writes cost the same: a write's data is always there in time.

    That is a property of the store unit (its buffer is filled long before ``latency`` cycles have gone by), so the
    whole future of a burst is known when it is accepted: beat i moves in cycle
    ``first + max(i, ceil((bus_bytes*(i+1) - tokens) / rate))``, where ``first`` is the earliest cycle for the first
    beat, and ``tokens`` those in the bucket then, after that cycle's refill.
    """

    def __init__(self, bus_bytes: int, bytes_per_cycle: int, latency: int) -> None:
        assert latency >= 16, "the store unit needs some cycles to have its first word ready"
        self.bus_bytes, self.rate, self.latency = bus_bytes, bytes_per_cycle, latency
        self._capacity = 2 * bus_bytes
        self._last, self._left = -1, self._capacity  # cycle of the last beat moved, tokens after it
        self._first, self._tokens = 0, self._capacity  # of the burst that was accepted last
        self.moved: list[tuple[int, int, int]] = []  # of each burst: cycles of the first and the last beat, beats

    def accept(self, cycle: int, beats: int) -> int:
        """The burst accepted in ``cycle``: when its last beat moves. Calls come in the order of cycles."""
        before, size = self._last, self.bus_bytes * beats
        first = cycle + self.latency
        if first <= before:
            first = before + 1
        tokens = self._left + self.rate * (first - before)
        if tokens > self._capacity:
            tokens = self._capacity
        wait = -((tokens - size) // self.rate)
        last = first + (wait if wait > beats - 1 else beats - 1)
        self._first, self._tokens, self._last = first, tokens, last
        self._left = tokens + self.rate * (last - first) - size
        self.moved.append((first, last, beats))
        return last

    def cycle(self, beat: int) -> int:
        """The cycle in which a beat of the burst that was accepted last moves."""
        return self._first + max(beat, -((self._tokens - self.bus_bytes * (beat + 1)) // self.rate))
