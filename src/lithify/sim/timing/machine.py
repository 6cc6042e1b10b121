"""The whole chip in time: queues, tokens and units, and what the memory sees of them in the order of cycles."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lithify.chip import Chip
from lithify.chip.pipeline import DRAM_LATENCY, SKIPPED
from lithify.errors import LithifyError
from lithify.isa import Instruction, Queue
from lithify.sim.timing.fetch import Fetch
from lithify.sim.timing.memory import Memory
from lithify.sim.timing.transfer import NEVER, Transfer
from lithify.sim.timing.vector import retirement

END = len(Queue)
"""The number of END in the trace of retirements."""


class ComputeModel(Protocol):
    """The compute unit in time. Its future depends on nothing but the instructions started so far."""

    def start(self, cycle: int, entry: Instruction) -> tuple[int, int]:
        """Start an instruction in ``cycle``; cycles never decrease.

        Returns the first cycle in which the next instruction may start, and the cycle in which this one retires.
        """

    @property
    def array_cycles(self) -> int:
        """Cycles in which the array takes a word or a window, over all instructions started."""


@dataclass(frozen=True)
class Timing:
    """What the timing simulator predicts; the first six fields are those of ``lithify.rtl.simulation.run.Run``.

    start: the cycle in which each retirement's instruction left its queue (END: that of its retirement).
    bursts: [n, 3] of every burst that the memory moved, fetches included: cycle of the first beat, of the last, beats.
    """

    cycles: int
    read_beats: int
    write_beats: int
    array_cycles: int
    queue: npt.NDArray[np.uint32]
    cycle: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    bursts: npt.NDArray[np.int64]


def simulate(
    chip: Chip, program: Sequence[Instruction], size: int, bases: Mapping[int, int], compute: ComputeModel | None,
    *, latency: int = DRAM_LATENCY, skip: int = 0,
) -> Timing:  # fmt: skip
    """Predict the retirement of every instruction of ``program``, which ends with END.

    ``size`` is what PROGRAM_BYTES says, a multiple of 128; ``bases`` the base registers; ``skip`` the register SKIP.
    ``compute`` is a new compute model, or None for a program without compute instructions. Raises LithifyError when the
    program cannot end because an instruction waits for a token that never comes.
    """
    return _Machine(chip, program, size, bases, compute, latency, skip).result()


class _Machine:
    """Whose state is what is known of the future.

    Whatever starts tells at once when it will end, so the start of an instruction is known as soon as its arrival, its
    tokens and its unit's readiness are. What has to happen in the order of cycles is only what the memory sees: reads
    of the fetch unit and the load unit, and writes of the store unit. Within a cycle a write that waits is accepted,
    then the fetch unit issues, then the others.
    """

    def __init__(
        self, chip: Chip, program: Sequence[Instruction], size: int, bases: Mapping[int, int],
        compute: ComputeModel | None, latency: int, skip: int,
    ) -> None:  # fmt: skip
        self._chip, self._compute, self._skip = chip, compute, skip & ~1
        self._quiet = [0] * len(Queue)  # the first cycle in which all that a queue started has retired
        self._memory = memory = Memory(chip.bus_bytes, chip.dram_bytes_per_cycle, latency)
        # Of each queue: instructions that wait, with the cycle in which each is there; those that have started and of
        # whose retirement nothing is known yet, with the cycle of their start; cycles in which places become free.
        self._queues: list[deque[tuple[Instruction, int]]] = [deque() for _ in Queue]
        self._started: list[deque[tuple[Instruction, int]]] = [deque() for _ in Queue]
        self._places = [deque([0] * chip.queue_depth) for _ in Queue]
        # By taker and giver the cycles in which tokens can be taken.
        self._tokens: list[list[deque[int]]] = [[deque() for _ in Queue] for _ in Queue]
        self._retired: list[tuple[int, int, int]] = []  # cycle, queue, cycle of the start
        self._ready = [0] * len(Queue)  # of the compute unit and the vector unit: when the next can start
        self._after = [0] * len(Queue)  # the cycle after the last start
        self._changed: list[int] = []  # queues whose head may have become able to start
        self._load, self._store = (
            Transfer(chip, memory, bases, partial(self._changed.append, int(queue)), partial(self._retire, int(queue)))
            for queue in (Queue.LOAD, Queue.STORE)
        )
        self._fetch = Fetch(chip, memory, program, size, self._room, self._push)
        self._run()

    def result(self) -> Timing:
        stuck = [queue.name for queue in Queue if self._queues[queue]]
        ended = self._fetch.ended()
        if stuck or ended == NEVER:
            names = " and ".join(stuck) or "decoder"
            raise LithifyError(
                f"The program never ends: the head of the queue {names} waits for a token that no instruction gives."
            )
        end = max(ended, *(cycle + 1 for cycle, _, _ in self._retired)) if self._retired else ended
        retired = np.array([*sorted(self._retired), (end, END, end)], np.int64)
        return Timing(
            cycles=end + 1,
            read_beats=self._fetch.beats + self._load.beats,
            write_beats=self._store.beats,
            array_cycles=self._compute.array_cycles if self._compute else 0,
            queue=retired[:, 1].astype(np.uint32),
            cycle=retired[:, 0].copy(),
            start=retired[:, 2].copy(),
            bursts=np.array(self._memory.moved, np.int64).reshape(-1, 3),
        )

    def _run(self) -> None:
        fetch, load, store, changed = self._fetch, self._load, self._store, self._changed
        reads = -1  # the cycle of the last read's issue
        write = NEVER  # the cycle in which the write that waits may be accepted
        while True:
            now = min(fetch.due, load.due, store.due)
            if write <= now and write != NEVER:
                if reads == write - 1:
                    write += 1  # the memory accepts a read in this cycle
                    continue
                store.written(write)
                write = NEVER
            elif now == NEVER:
                return
            elif fetch.due == now:
                fetch.issue()
                reads = now
            elif load.due == now:
                if reads == now:
                    load.due = now + 1
                    continue
                reads = load.read(min(fetch.due, write, store.due + 1))
            else:
                store.write()
                write = now + 1
            while changed:
                self._advance(changed.pop())

    def _room(self, queue: Queue) -> int:
        places = self._places[queue]
        return places[0] if places else NEVER

    def _push(self, entry: Instruction, cycle: int) -> None:
        queue = entry.operation.queue
        assert queue is not None
        self._places[queue].popleft()
        self._queues[queue].append((entry, cycle + 1))
        self._changed.append(int(queue))

    def _advance(self, queue: int) -> None:
        """Start instructions of a queue as long as it is known when its head can start."""
        waiting, tokens, started = self._queues[queue], self._tokens[queue], self._started[queue]
        while waiting:
            entry, cycle = waiting[0]
            value = entry.integer
            cycle = max(cycle, self._after[queue])
            over = bool(self._skip >> value("when") & 1)
            if over:
                if started:
                    return
                cycle = max(cycle, self._quiet[queue])
            else:
                ready = self._unit_ready(queue)
                if ready == NEVER:
                    return
                cycle = max(cycle, ready)
            mask = value("wait")
            needed = [tokens[giver] for giver in range(len(Queue)) if mask >> giver & 1]
            if not all(needed):
                return
            for given in needed:
                cycle = max(cycle, given.popleft())
            waiting.popleft()
            started.append((entry, cycle))
            self._after[queue] = cycle + 1
            self._places[queue].append(cycle + 1)
            if over:
                # The next at the head can start, or be passed over, while this one retires.
                quiet = self._quiet[queue]
                self._retire(queue, cycle + SKIPPED)
                self._quiet[queue] = quiet
            elif queue == Queue.COMPUTE:
                assert self._compute is not None, "a compute instruction without a compute model"
                self._ready[queue], retires = self._compute.start(cycle, entry)
                self._retire(queue, retires)
            elif queue == Queue.VECTOR:
                assert self._chip.vector is not None, "a vector instruction without a vector unit"
                retires = cycle + retirement(entry)
                self._ready[queue] = retires + 1
                self._retire(queue, retires)
            else:
                (self._load if queue == Queue.LOAD else self._store).start(entry, cycle)
            if self._fetch.waits == queue:
                self._fetch.advance()

    def _unit_ready(self, queue: int) -> int:
        if queue == Queue.LOAD:
            return self._load.ready
        return self._store.ready if queue == Queue.STORE else self._ready[queue]

    def _retire(self, queue: int, cycle: int) -> None:
        """The oldest instruction of a queue retires in ``cycle``; its tokens can be taken in the next."""
        entry, start = self._started[queue].popleft()
        self._quiet[queue] = cycle + 1
        if self._skip:
            self._changed.append(queue)
        self._retired.append((cycle, queue, start))
        mask = entry.integer("signal")
        for taker in range(len(Queue)):
            if mask >> taker & 1:
                self._tokens[taker][queue].append(cycle + 1)
                self._changed.append(taker)
