"""A compiled network in use: `run` it from any thread, on one chip or several."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.isa.program import Program
from lithify.reference.graph import OPEN
from lithify.runtime.execute import Outcome, check_inputs, run, whole_batch
from lithify.runtime.names import parse
from lithify.runtime.opened import open_device
from lithify.runtime.pool import Machine, Pool
from lithify.runtime.resident import resident_program
from lithify.runtime.states import first_memory

Array = NDArray[Any]
Feed = Mapping[str, Array]

_TYPES = {
    "float32": "tensor(float)",
    "int8": "tensor(int8)",
    "uint8": "tensor(uint8)",
    "int32": "tensor(int32)",
    "int64": "tensor(int64)",
    "bool": "tensor(bool)",
}

AHEAD = 2
"""Requests that `run_many` keeps in flight for each chip."""


@dataclass(frozen=True)
class Value:
    """An input or output. shape: "batch" where any number of samples is taken; type: in ONNX Runtime's words."""

    name: str
    shape: tuple[int | str, ...]
    type: str


class Session:
    """A program on its devices, in the way of ONNX Runtime: ``lithify.Session("net.lith", device="sim:0-3")``

    program: a .lith file, a build folder, or a program. device: as `lithify.runtime.names` reads it; several take
    requests side by side. chip: the one that is wanted, None for the program's own. timeout: seconds after which a chip
    behind a driver counts as hung. note: hears what takes long while devices are opened.
    Every method may be called from any thread. Raises LithifyError for a program or device that is none.
    """

    def __init__(
        self,
        program: str | Path | Program,
        device: object = "sim",
        *,
        chip: str | Path | Chip | None = None,
        timeout: float = 60.0,
        note: Callable[[str], None] | None = None,
    ) -> None:
        if not timeout > 0:
            raise LithifyError(f"The timeout was given as {timeout} seconds; it must be above 0.")
        self.program = program if isinstance(program, Program) else resident_program(program)
        if chip is not None and (wanted := load_chip(chip)) != self.program.chip:
            raise LithifyError(
                f"The program '{self.program.name}' is for the chip '{self.program.chip.name}', and '{wanted.name}' "
                "differs from it; compile the network again for that chip."
            )
        names = parse(device)
        if self.program.states and len(names) > 1:
            raise LithifyError(
                f"The program '{self.program.name}' keeps states from run to run, so its runs follow each other on one "
                f"chip, but {len(names)} were named; name one, and open a session for each sequence."
            )
        machines: list[Machine] = []
        try:
            for name in names:
                opened, close = open_device(name, self.program.chip, limit=timeout, note=note)
                machines.append(Machine(str(name), opened, close))
        except BaseException:
            for machine in machines:
                machine.close()
            raise
        self._pool = Pool(machines)
        self._states = first_memory(self.program) if self.program.states else None
        self._in_order = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Answers what was submitted, then gives the devices back; `run` refuses from then on."""
        self._pool.close()

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices, those that failed included."""
        return tuple(machine.name for machine in self._pool.machines)

    @property
    def failed(self) -> Mapping[str, str]:
        """Devices that failed and take no more requests, with the reason."""
        return dict(self._pool.failed)

    @property
    def moved(self) -> int:
        """How often a request was tried again, usually on another device, because one failed."""
        return self._pool.moved

    @property
    def rate(self) -> float:
        """Requests a second that the devices answer together, by what each has done so far; 0.0 before the first.
        Without those that failed: after a failure, the rate that is left.
        """
        return self._pool.rate

    @property
    def answered(self) -> Mapping[str, int]:
        """How many requests each device has answered."""
        return self._pool.done

    def get_inputs(self) -> list[Value]:
        """What the network takes, in its order."""
        return [self._value(name) for name in self.program.inputs]

    def get_outputs(self) -> list[Value]:
        """What the network gives, in its order."""
        return [self._value(name) for name in self.program.outputs]

    def run(self, output_names: Sequence[str] | None, input_feed: Feed) -> list[Array]:
        """The outputs of these names (None: all, in the network's order) for one input of each name.

        Where the shape of the inputs says "batch", they hold any number of samples: they are cut into what the program
        takes, side by side on the devices.
        Raises LithifyError for a name, shape or type that the network does not have, and where no chip is left.
        """
        chosen = self._chosen(output_names)
        outcomes = [future.result() for future in self.submit_samples(input_feed)]
        if len(outcomes) == 1:
            return [outcomes[0].outputs[index] for index in chosen]
        return [np.concatenate([outcome.outputs[index] for outcome in outcomes]) for index in chosen]

    def submit(self, input_feed: Feed) -> "Future[Outcome]":
        """One request in flight: outputs, cycles and counters, when a device has answered.

        Raises LithifyError at once for inputs that do not fit.
        """
        self.check(input_feed)
        return self._pool.submit(partial(self._answer, feed=input_feed))

    def submit_samples(self, input_feed: Feed) -> list["Future[Outcome]"]:
        """Requests for all samples of a feed, as `run` cuts them: whole batches, and what remains."""
        batch, samples = self.program.batch, self.check(input_feed)
        if samples <= batch:
            return [self._pool.submit(partial(self._answer, feed=input_feed))]
        parts = [
            {name: array[first : first + batch] for name, array in input_feed.items()}
            for first in range(0, samples, batch)
        ]
        return [self._pool.submit(partial(self._answer, feed=part)) for part in parts]

    def check(self, input_feed: Feed) -> int:
        """How many samples of its batch a feed holds (1 where the batch is not open).

        Raises LithifyError for a name, shape or type that the network does not have, for different numbers of samples,
        and for numbers that are not finite.
        """
        if not isinstance(input_feed, Mapping):
            raise LithifyError(
                f"The inputs were given as {type(input_feed).__name__}; give a dictionary from names to arrays, with "
                f"the names: {', '.join(self.program.inputs)}."
            )
        batch = self.program.batch
        counts = {np.shape(array)[0] if np.ndim(array) else 0 for array in input_feed.values()}
        samples = max(counts, default=0) if batch > 1 and len(counts) == 1 else batch
        # What is more than a batch is judged by its first one.
        part = {name: array[:batch] for name, array in input_feed.items()} if samples > batch else input_feed
        check_inputs(self.program, whole_batch(self.program, part)[0])
        for name, array in input_feed.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise LithifyError(f"The input '{name}' holds NaN or infinite values; give finite numbers.")
        return samples if batch > 1 else 1

    def run_async(
        self,
        output_names: Sequence[str] | None,
        input_feed: Feed,
        callback: Callable[[list[Array], Any, str], None],
        user_data: Any = None,
    ) -> None:
        """As ONNX Runtime's: `callback` gets the outputs, `user_data` and "" or the error, on the device's thread."""
        chosen = self._chosen(output_names)

        def tell(future: "Future[Outcome]") -> None:
            error = future.exception()
            outputs = [] if error else [future.result().outputs[index] for index in chosen]
            callback(outputs, user_data, str(error) if error else "")

        self.submit(input_feed).add_done_callback(tell)

    def run_many(self, output_names: Sequence[str] | None, feeds: Iterable[Feed]) -> Iterator[list[Array]]:
        """The outputs for one feed after the other, in their order; every device has `AHEAD` requests in flight."""
        chosen, flying = self._chosen(output_names), list["Future[Outcome]"]()
        for feed in feeds:
            flying.append(self.submit(feed))
            if len(flying) >= AHEAD * len(self._pool.machines):
                outputs = flying.pop(0).result().outputs
                yield [outputs[index] for index in chosen]
        for future in flying:
            outputs = future.result().outputs
            yield [outputs[index] for index in chosen]

    def reset(self) -> None:
        """Makes every state of the program 0.0 again."""
        with self._in_order:
            if self._states is not None:
                self._states = first_memory(self.program)

    def _answer(self, machine: Machine, feed: Feed) -> Outcome:
        if self.program.states:
            with self._in_order:
                return run(self.program, feed, machine.device, memory=self._states)
        if machine.memory is None:
            machine.memory = first_memory(self.program)
        return run(self.program, feed, machine.device, memory=machine.memory)

    def _chosen(self, names: Sequence[str] | None) -> list[int]:
        known = self.program.outputs
        if names is None:
            return list(range(len(known)))
        if isinstance(names, str):
            raise LithifyError(f"Outputs were asked for by the text '{names}'; give a list of names, or None for all.")
        for name in names:
            if name not in known:
                raise LithifyError(
                    f"The program '{self.program.name}' has no output '{name}'; its outputs are: {', '.join(known)}."
                )
        return [known.index(name) for name in names]

    def _value(self, name: str) -> Value:
        info, batch = self.program.tensors[name], self.program.batch
        open_batch = batch > 1 and info.shape[:1] == (batch,)
        sizes: tuple[int | str, ...] = ("batch", *info.shape[1:]) if open_batch else info.shape
        shape = tuple("count" if size == OPEN else size for size in sizes)
        return Value(name, shape, _TYPES[info.dtype])
