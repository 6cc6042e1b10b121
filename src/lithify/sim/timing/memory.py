"""When the memory moves each beat: the rule of docs/architecture.md, section 1, a burst at a time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Train:
    """The beats of one burst: beat i moves in cycle ``first + max(i, ceil((bus_bytes*(i+1) - tokens) / rate))``.

    first: the earliest cycle for the first beat; tokens: those in the bucket then, after that cycle's refill.
    """

    first: int
    tokens: int
    beats: int
    bus_bytes: int
    rate: int

    def cycle(self, beat: int) -> int:
        """The cycle in which a beat moves."""
        return self.first + max(beat, -(-(self.bus_bytes * (beat + 1) - self.tokens) // self.rate))

    @property
    def last(self) -> int:
        """The cycle in which the last beat moves."""
        return self.cycle(self.beats - 1)


class Memory:
    """Serves bursts in the order of acceptance. Reads and writes cost the same: a write's data is always there in time.

    That is a property of the store unit (its buffer is filled long before ``latency`` cycles have gone by), so the
    whole future of a burst is known when it is accepted.
    """

    def __init__(self, bus_bytes: int, bytes_per_cycle: int, latency: int) -> None:
        assert latency >= 16, "the store unit needs some cycles to have its first word ready"
        self.bus_bytes, self.rate, self.latency = bus_bytes, bytes_per_cycle, latency
        self._capacity = 2 * bus_bytes
        self._last, self._left = -1, self._capacity  # cycle of the last beat moved, tokens after it
        self.moved: list[tuple[int, int, int]] = []  # of each burst: cycles of the first and the last beat, beats

    def accept(self, cycle: int, beats: int) -> Train:
        """The burst accepted in ``cycle``; calls come in the order of cycles."""
        first = max(self._last + 1, cycle + self.latency)
        tokens = min(self._capacity, self._left + self.rate * (first - self._last))
        self.serve(cycle, beats)
        return Train(first, tokens, beats, self.bus_bytes, self.rate)

    def serve(self, cycle: int, beats: int) -> int:
        """The burst accepted in ``cycle``, as `accept`: when its last beat moves."""
        size = self.bus_bytes * beats
        # As Train says it, without the calls: most of a simulation's bursts come by here.
        first = cycle + self.latency
        if first <= self._last:
            first = self._last + 1
        tokens = self._left + self.rate * (first - self._last)
        if tokens > self._capacity:
            tokens = self._capacity
        wait = -((tokens - size) // self.rate)
        last = first + (wait if wait > beats - 1 else beats - 1)
        self._last = last
        self._left = tokens + self.rate * (last - first) - size
        self.moved.append((first, last, beats))
        return last
