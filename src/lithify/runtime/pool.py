"""Several chips that take requests: each idle one takes the next; a chip that fails leaves its work to the others."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from lithify.errors import LithifyError
from lithify.runtime.bus import ChipFailure
from lithify.runtime.device import Device
from lithify.runtime.states import Memory


@dataclass
class Machine:
    """A chip of a pool. memory: the DRAM that its requests use again; done: how many it has answered, in `busy` seconds
    of work.
    """

    name: str
    device: Device
    close: Callable[[], None]
    memory: Memory | None = None
    done: int = 0
    busy: float = 0.0


Work = Callable[[Machine], Any]

TRIES = 2
"""On how many chips that hang a request is tried: after that it counts as the cause."""


@dataclass
class _Entry:
    """What waits for a machine."""

    work: Work
    future: Future[Any]
    hung: int = 0

    def starts(self) -> bool:
        """Whether the work is still wanted."""
        return self.future.running() or self.future.set_running_or_notify_cancel()


@dataclass
class Pool:
    """Runs work on the first machine that is free, in the order of submission; one thread a machine.

    failed: of machines that failed, why, by name. moved: how often a request went to another machine, or to the same
    one again after a reset, because one failed.
    """

    machines: Sequence[Machine]
    failed: dict[str, str] = field(default_factory=dict)
    moved: int = 0

    def __post_init__(self) -> None:
        self._queue: deque[_Entry] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(machine,), name=f"lithify {machine.name}", daemon=True)
            for machine in self.machines
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> Future[Any]:
        """What the work will give. Raises LithifyError where the pool is closed, or every machine has failed."""
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise LithifyError("The session is closed; open another.")
            if len(self.failed) == len(self.machines):
                raise self._nobody()
            self._queue.append(_Entry(work, future))
            self._changed.notify()
        return future

    @property
    def done(self) -> Mapping[str, int]:
        """How many requests each machine has answered, by name."""
        return {machine.name: machine.done for machine in self.machines}

    @property
    def rate(self) -> float:
        """Requests a second that those answer that have not failed, by what each has done so far; 0.0 before."""
        working = [machine for machine in self.machines if machine.name not in self.failed and machine.busy > 0]
        return sum(machine.done / machine.busy for machine in working)

    @property
    def waiting(self) -> int:
        """Requests that no machine has begun."""
        return len(self._queue)

    def close(self) -> None:
        """Answers what was submitted, then gives every machine back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self, machine: Machine) -> None:
        try:
            while (entry := self._next()) is not None:
                if not entry.starts():
                    continue
                begin = time.perf_counter()
                try:
                    result = entry.work(machine)
                except ChipFailure as failure:
                    if not self._goes_on(machine, failure, entry):
                        return
                except BaseException as error:
                    entry.future.set_exception(error)
                else:
                    machine.done += 1
                    machine.busy += time.perf_counter() - begin
                    entry.future.set_result(result)
        finally:
            machine.close()

    def _next(self) -> _Entry | None:
        with self._changed:
            while not self._queue:
                if self._closed:
                    return None
                self._changed.wait()
            return self._queue.popleft()

    def _goes_on(self, machine: Machine, failure: ChipFailure, entry: _Entry) -> bool:
        """Whether the machine takes more work after a failure. Its request goes to another, first of all; it fails with
        the last one, or where it has hung `TRIES` chips.
        """
        with self._changed:
            entry.hung += failure.recovered
            if not failure.recovered:
                self.failed[machine.name] = str(failure)
            left = len(self.machines) - len(self.failed)
            if left and entry.hung < min(TRIES, left):
                self._queue.appendleft(entry)
                self.moved += 1
                self._changed.notify()
                return failure.recovered
            lost = [entry] if left else [entry, *self._queue]
            if not left:
                self._queue.clear()
        for waiting in lost:
            if waiting.starts():
                waiting.future.set_exception(failure if left or len(self.machines) == 1 else self._nobody())
        return failure.recovered

    def _nobody(self) -> LithifyError:
        reasons = " ".join(f"{name}: {reason}" for name, reason in self.failed.items())
        return LithifyError(f"No chip of the session is left. {reasons}")
