"""The whole chip in time: queues, tokens and units over one calendar."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lithify.chip import Chip
from lithify.chip.pipeline import DRAM_LATENCY, SKIPPED
from lithify.errors import LithifyError
from lithify.isa import Instruction, Queue
from lithify.sim.timing.calendar import Calendar, Phase
from lithify.sim.timing.fetch import Fetch
from lithify.sim.timing.memory import Memory
from lithify.sim.timing.transfer import Bus, Transfer
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
    def __init__(
        self, chip: Chip, program: Sequence[Instruction], size: int, bases: Mapping[int, int],
        compute: ComputeModel | None, latency: int, skip: int,
    ) -> None:  # fmt: skip
        self._chip, self._compute, self._skip = chip, compute, skip & ~1
        self._quiet = dict.fromkeys(Queue, 0)  # the first cycle in which all that a queue started has retired
        self._calendar = calendar = Calendar()
        self._memory = Memory(chip.bus_bytes, chip.dram_bytes_per_cycle, latency)
        bus = Bus(calendar, self._memory)
        self._queues: dict[Queue, deque[Instruction]] = {queue: deque() for queue in Queue}
        self._occupied = dict.fromkeys(Queue, 0)
        self._started: dict[Queue, deque[tuple[Instruction, int]]] = {queue: deque() for queue in Queue}
        self._tokens = {(giver, taker): 0 for giver in Queue for taker in Queue}
        self._retired: list[tuple[int, int, int]] = []  # cycle, queue, cycle of the start
        self._compute_ready = self._vector_ready = 0
        self._ended: int | None = None
        self._tries = {queue: self._try(queue) for queue in Queue}
        self._units = {
            queue: Transfer(
                chip, calendar, bus, bases, load=queue == Queue.LOAD,
                freed=partial(calendar.attempt, phase=Phase.DECIDE, event=self._tries[queue]),
                retire=partial(self._retire, queue),
            )
            for queue in (Queue.LOAD, Queue.STORE)
        }  # fmt: skip
        self._fetch = Fetch(chip, calendar, bus, program, size, self._room, self._push, self._end)
        calendar.run()

    def result(self) -> Timing:
        stuck = [queue.name for queue in Queue if self._queues[queue]]
        if stuck or self._ended is None:
            names = " and ".join(stuck) or "decoder"
            raise LithifyError(
                f"The program never ends: the head of the queue {names} waits for a token that no instruction gives."
            )
        end = max(self._ended, *(cycle + 1 for cycle, _, _ in self._retired)) if self._retired else self._ended
        retired = [*sorted(self._retired), (end, END, end)]
        beats = {queue: unit.beats for queue, unit in self._units.items()}
        return Timing(
            cycles=end + 1,
            read_beats=self._fetch.beats + beats[Queue.LOAD],
            write_beats=beats[Queue.STORE],
            array_cycles=self._compute.array_cycles if self._compute else 0,
            queue=np.array([queue for _, queue, _ in retired], np.uint32),
            cycle=np.array([cycle for cycle, _, _ in retired], np.int64),
            start=np.array([start for _, _, start in retired], np.int64),
            bursts=np.array(self._memory.moved, np.int64).reshape(-1, 3),
        )

    def _room(self, queue: Queue) -> bool:
        return self._occupied[queue] < self._chip.queue_depth

    def _push(self, entry: Instruction) -> None:
        queue = entry.operation.queue
        assert queue is not None
        self._occupied[queue] += 1

        def visible() -> None:
            self._queues[queue].append(entry)
            self._calendar.attempt(self._calendar.now, Phase.DECIDE, self._tries[queue])

        self._calendar.at(self._calendar.now + 1, Phase.VISIBLE, visible)

    def _try(self, queue: Queue) -> Callable[[], None]:
        """The event that starts the head of a queue if it can start in this cycle."""

        def attempt() -> None:
            now = self._calendar.now
            if not self._queues[queue]:
                return
            entry = self._queues[queue][0]
            over = bool(self._skip >> entry.integer("when") & 1)
            if over and (self._started[queue] or now < self._quiet[queue]):
                return
            if not over and not self._ready(queue):
                return
            needed = [(giver, queue) for giver in Queue if entry.integer("wait") >> giver & 1]
            if any(self._tokens[pair] == 0 for pair in needed):
                return
            for pair in needed:
                self._tokens[pair] -= 1
            self._queues[queue].popleft()
            self._started[queue].append((entry, now))
            self._calendar.at(now + 1, Phase.VISIBLE, lambda: self._leave(queue))
            if over:
                # The next at the head can start, or be passed over, while this one retires.
                quiet = self._quiet[queue]
                self._retire(queue, now + SKIPPED)
                self._quiet[queue] = quiet
            elif queue == Queue.COMPUTE:
                assert self._compute is not None, "a compute instruction without a compute model"
                self._compute_ready, retires = self._compute.start(now, entry)
                self._calendar.attempt(self._compute_ready, Phase.DECIDE, attempt)
                self._retire(queue, retires)
            elif queue == Queue.VECTOR:
                assert self._chip.vector is not None, "a vector instruction without a vector unit"
                retires = now + retirement(entry)
                self._vector_ready = retires + 1
                self._calendar.attempt(self._vector_ready, Phase.DECIDE, attempt)
                self._retire(queue, retires)
            else:
                self._units[queue].start(entry)

        return attempt

    def _ready(self, queue: Queue) -> bool:
        if queue == Queue.COMPUTE:
            return self._calendar.now >= self._compute_ready
        if queue == Queue.VECTOR:
            return self._calendar.now >= self._vector_ready
        return self._units[queue].ready

    def _leave(self, queue: Queue) -> None:
        """The started instruction's place in the queue is free from this cycle on."""
        self._occupied[queue] -= 1
        self._calendar.attempt(self._calendar.now, Phase.DECIDE, self._fetch.hand_over)
        self._calendar.attempt(self._calendar.now, Phase.DECIDE, self._tries[queue])

    def _retire(self, queue: Queue, cycle: int) -> None:
        """The oldest instruction of a queue retires in ``cycle``; its tokens can be taken in the next."""
        entry, start = self._started[queue].popleft()
        self._quiet[queue] = cycle + 1
        if self._skip:
            self._calendar.attempt(cycle + 1, Phase.DECIDE, self._tries[queue])
        self._retired.append((cycle, queue, start))
        takers = [taker for taker in Queue if entry.integer("signal") >> taker & 1]
        if not takers:
            return

        def give() -> None:
            for taker in takers:
                self._tokens[queue, taker] += 1
                self._calendar.attempt(self._calendar.now, Phase.DECIDE, self._tries[taker])

        self._calendar.at(cycle + 1, Phase.VISIBLE, give)

    def _end(self, cycle: int) -> None:
        """END has been decoded; ``cycle`` is the first in which the fetch unit has nothing under way."""
        self._ended = cycle
