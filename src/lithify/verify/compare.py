"""Runs every view of a program on the same inputs and compares them."""

import os
import threading
from collections import deque
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lithify.errors import LithifyError
from lithify.isa.operations import Queue
from lithify.isa.program import Program
from lithify.progress import Progress, Silent
from lithify.quantize.data import Samples
from lithify.reference.evaluate import run as run_reference
from lithify.reference.graph import Graph
from lithify.report import Verified
from lithify.runtime import FunctionalDevice, Outcome, SegmentOutcome, run
from lithify.runtime.results import element_of, scatter
from lithify.sim.inference import Simulation, simulate
from lithify.verify.difference import Array, Difference, instruction_text, unequal, writer_of

if TYPE_CHECKING:
    from lithify.runtime.chip import RtlDevice

LIMITS = (-128, 127)

LOOK = 0.5
"""Seconds between two looks at how far the RTL has come."""


@dataclass(frozen=True)
class Verification:
    """What `verify` found, with the outputs it saw.

    differences: the first of each input and pair of views, in order. reference, functional, rtl: the outputs by name,
    one array for each input (rtl: of the inputs that ran in RTL).
    """

    summary: Verified
    differences: tuple[Difference, ...]
    reference: Mapping[str, tuple[Array, ...]]
    functional: Mapping[str, tuple[Array, ...]]
    rtl: Mapping[str, tuple[Array, ...]]

    @property
    def agreed(self) -> bool:
        """Every value equal, every cycle equal."""
        return self.summary.agreed

    def to_json(self) -> dict[str, Any]:
        """The counts and the differences as JSON values."""
        return {
            **asdict(self.summary),
            "agreed": self.agreed,
            "differences": [difference.sentence for difference in self.differences],
        }


def verify(
    program: Program,
    graph: Graph,
    samples: Samples,
    *,
    rtl: str = "full",
    device: "RtlDevice | None" = None,
    progress: Progress | None = None,
) -> Verification:
    """Compares all views of a program on every sample.

    program: compiled from `graph`, which the reference runs. rtl: "full" runs all samples in RTL, "layers" the first,
    "none" nothing.
    device: the chip's Verilog in simulation, where it is built already.
    """
    watch = progress or Silent()
    in_rtl = {"full": len(samples), "layers": 1, "none": 0}[rtl]
    if in_rtl and device is None:
        from lithify.runtime.chip import RtlDevice

        device = RtlDevice.of(program.chip, watch.note)
    # What a run takes depends on its position alone; the longest is told.
    timings: dict[int | None, Simulation] = {None: (timing := simulate(program))}
    tally = Tally(program, graph)
    # Every run begins anew, with states of 0.0.
    first = {state.input: graph.tensors[state.input] for state in program.states}
    states = {
        name: np.full(tensor.shape, tensor.zero_point if tensor.dtype == "int8" else 0, tensor.dtype)
        for name, tensor in first.items()
    }
    rows: dict[str, list[tuple[Array, ...]]] = {"reference": [], "functional": [], "rtl": []}
    with closing(_hardware(program, samples, in_rtl, device, watch, timing.cycles)) as hardware_runs:
        for index in range(len(samples)):
            expected = run_reference(graph, {**states, **samples[index]})
            functional = run(program, samples[index], FunctionalDevice())
            tally.against_reference(index, expected, functional)
            rows["reference"].append(tuple(expected[name] for name in program.outputs))
            rows["functional"].append(functional.outputs)
            if index < in_rtl:
                hardware = next(hardware_runs)
                tally.against_hardware(index, functional, hardware)
                place = None if program.cache is None else int(samples[index][program.cache.position].reshape(-1)[0])
                if place not in timings:
                    timings[place] = simulate(program, position=place)
                tally.against_cycles(timings[place], hardware)
                rows["rtl"].append(hardware.outputs)
            watch.update(index + 1, len(samples), "inputs")
    views = {
        view: {name: tuple(row[place] for row in outputs) for place, name in enumerate(program.outputs)}
        for view, outputs in rows.items()
    }
    summary = Verified(
        rtl=rtl,
        inputs=len(samples),
        rtl_inputs=in_rtl,
        saturating_inputs=tally.saturating,
        values_compared=tally.values,
        values_different=tally.values_different,
        words_compared=tally.words,
        words_different=tally.words_different,
        retirements_compared=tally.retirements,
        retirements_different=tally.retirements_different,
        cycles_timing=timing.cycles if tally.cycles is None else tally.predicted,
        cycles_rtl=tally.cycles,
        rtl_sha256=device.verilog_sha256 if device is not None and in_rtl else None,
        not_compared=tally.not_compared,
        first_difference=tally.differences[0].sentence if tally.differences else None,
        first_retirement=tally.off,
    )
    return Verification(summary, tuple(tally.differences), views["reference"], views["functional"], views["rtl"])


def _hardware(
    program: Program, samples: Samples, count: int, device: "RtlDevice | None", progress: Progress, cycles: int
) -> Generator[Outcome, None, None]:
    """The first `count` samples in RTL, in order, as many at once as there are cores; closing it stops them.

    progress: hears, while one is waited for, how many cycles all of them have come to; cycles: what each takes.
    """
    if device is None:
        return
    stop = threading.Event()

    reached = [0] * count

    def watched(index: int) -> "RtlDevice":
        def watch(cycle: int) -> None:
            reached[index] = min(cycle, cycles)
            if stop.is_set():
                raise LithifyError("The simulation was stopped.")

        return replace(device, watch=watch)

    with ThreadPoolExecutor(max_workers=max(1, min(count, os.cpu_count() or 1))) as pool:
        ahead = deque(pool.submit(run, program, samples[index], watched(index)) for index in range(count))
        try:
            while ahead:
                while not wait([ahead[0]], timeout=LOOK).done:
                    progress.update(sum(reached), count * cycles, "cycles in RTL")
                reached[count - len(ahead)] = cycles
                yield ahead.popleft().result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


@dataclass
class Tally:
    """Counts what was compared and what differed, over all inputs.

    values: elements of tensors; words: words of post-processing, filling bytes and addresses included. cycles: the
    RTL's counter, the one that differs from the timing simulator if any does; predicted: what this has there. off: the
    first retirement in another cycle, in words.
    """

    program: Program
    graph: Graph
    values: int = 0
    values_different: int = 0
    words: int = 0
    words_different: int = 0
    retirements: int = 0
    retirements_different: int = 0
    saturating: int = 0
    cycles: int | None = None
    predicted: int = 0
    off: str | None = None
    not_compared: tuple[str, ...] = ()
    differences: list[Difference] = field(default_factory=list)

    def against_reference(self, index: int, expected: Mapping[str, Array], functional: Outcome) -> None:
        """Compares every tensor that the program makes, on the chip or on the host, with the reference's."""
        made = {name: [value] for name, value in functional.environment.items()}
        for outcome in functional.segments:
            assert outcome.result.results is not None, "the functional simulator records its results"
            for name, scattered in scatter(self.program, outcome.segment, outcome.result.results).items():
                if not scattered.covered.all():
                    raise LithifyError(
                        f"The program '{self.program.name}' does not say which instructions write all of '{name}'; "
                        "compile the network again."
                    )
                if name in self.program.originals:
                    self._against_longer(index, name, scattered.data, expected)
                    continue
                made.setdefault(name, []).insert(0, scattered.data)
        shorter = any(outcome.segment.rows for outcome in functional.segments)
        self.not_compared = self._left_out(
            {**made, **dict.fromkeys(self.program.originals.values())} if shorter else made
        )
        first = True
        for node in self.graph.nodes:
            for name in node.outputs:
                for value in made.get(name, ()):
                    wrong = unequal(expected[name], value.reshape(expected[name].shape))
                    count = int(wrong.sum())
                    self.values_different += count
                    if count and first:
                        first = False
                        self.differences.append(self._element(index, node.name, name, wrong, expected[name], value))
                # A tensor that crosses to the host is compared in both places, and counted once.
                self.values += made[name][0].size if name in made else 0
        self.saturating += self._saturates(expected)

    def _against_longer(self, index: int, name: str, data: Array, expected: Mapping[str, Array]) -> None:
        """Compares a tensor of a run for fewer rows with the first elements of the reference's."""
        original = self.program.originals[name]
        wanted = expected[original][tuple(slice(0, size) for size in data.shape)]
        wrong = unequal(wanted, data)
        if wrong.any() and not self.values_different:
            self.differences.append(self._element(index, name, name, wrong, wanted, data))
        self.values_different += int(wrong.sum())
        self.values += data.size

    def _saturates(self, values: Mapping[str, Array]) -> bool:
        """Whether an input is clipped where it is quantised or, where it comes in 8 bits, lies at the limits."""
        low, high = LIMITS
        for name in self.graph.inputs:
            limits = {"int8": LIMITS, "uint8": (0, 255)}.get(self.graph.tensors[name].dtype, ())
            if np.isin(values[name], limits).any():
                return True
        for node in self.graph.nodes:
            target = self.graph.tensors[node.outputs[0]]
            if node.operator == "Quantize" and node.inputs[0] in self.graph.inputs and target.scale is not None:
                steps = np.rint(values[node.inputs[0]] / target.scale) + target.zero_point
                if (steps < low).any() or (steps > high).any():
                    return True
        return False

    def against_hardware(self, index: int, functional: Outcome, hardware: Outcome) -> None:
        """Compares every word that the RTL wrote with the functional simulator's, and the outputs."""
        known = len(self.differences)
        for one, other in zip(functional.segments, hardware.segments, strict=True):
            model, chip = one.result.results, other.result.results
            assert model is not None and chip is not None, "both devices record their results"
            length = min(len(model.words), len(chip.words))
            bytes_wrong = model.words[:length] != chip.words[:length]
            wrong = bytes_wrong.any(axis=1) | (model.addresses[:length] != chip.addresses[:length])
            self.words += len(model.words)
            self.words_different += int(wrong.sum()) + abs(len(model.words) - len(chip.words))
            if len(chip.words) == len(model.words) and wrong.any():
                before, after = (scatter(self.program, one.segment, stream) for stream in (model, chip))
                self.values_different += sum(int((before[name].data != after[name].data).sum()) for name in before)
            if len(self.differences) == known and (wrong.any() or len(model.words) != len(chip.words)):
                word = int(np.argmax(wrong)) if wrong.any() else length
                self.differences.append(self._word(index, one, other, word))
        for name, value, found in zip(self.program.outputs, functional.outputs, hardware.outputs, strict=True):
            wrong = unequal(value, found)
            if wrong.any() and len(self.differences) == known:
                self.values_different += int(wrong.sum())
                at = tuple(int(entry) for entry in np.argwhere(wrong)[0])
                layer, text = writer_of(self.program, name, at)
                self.differences.append(
                    Difference(
                        index, layer, name, at, "functional simulator", float(value[at]), "RTL", float(found[at]), text
                    )
                )

    def against_cycles(self, timing: Simulation, hardware: Outcome) -> None:
        """Compares the cycle counter and every retirement of the RTL with the timing simulator's."""
        total = 0
        for predicted, outcome in zip(timing.segments, hardware.segments, strict=True):
            result = outcome.result
            assert result.queue is not None and result.cycle is not None and result.cycles is not None, "the RTL tells"
            total += result.cycles
            expected = list(zip(predicted.queue.tolist(), predicted.cycle.tolist(), strict=True))
            found = list(zip(result.queue.tolist(), result.cycle.tolist(), strict=True))
            self.retirements += len(expected)
            wrong = [place for place, (one, other) in enumerate(zip(expected, found, strict=False)) if one != other]
            self.retirements_different += len(wrong) + abs(len(expected) - len(found))
            if self.off is None and (wrong or len(expected) != len(found)):
                self.off = _off(outcome.segment.name, expected, found)
        if self.cycles is None or total != timing.cycles:
            self.cycles, self.predicted = total, timing.cycles

    def _left_out(self, made: Mapping[str, object]) -> tuple[str, ...]:
        """Tensors that no memory ever held, by name; an unexplained one is an error of the program."""
        known = set(self.graph.constants)
        for node in self.graph.nodes:
            if known.issuperset(name for name in node.inputs if name):
                # Computed once, by the compiler: its value is a constant of the program.
                known.update(node.outputs)
        names = [name for node in self.graph.nodes for name in node.outputs if name not in {*made, *known}]
        aliases = set(self.program.aliases) | set(self.program.aliases.values())
        # A state is never turned back into the user's numbers.
        aliases |= {state.output for state in self.program.states}
        for name in names:
            if name not in self.program.fused and name not in aliases:
                raise LithifyError(
                    f"The program '{self.program.name}' does not say where the tensor '{name}' is; "
                    "compile the network again."
                )
        return tuple(name for name in names if name in self.program.fused)

    def _element(self, index: int, layer: str, name: str, wrong: Array, expected: Array, value: Array) -> Difference:
        at = tuple(int(entry) for entry in np.argwhere(wrong)[0])
        _, text = writer_of(self.program, name, at)
        found = float(value.reshape(expected.shape)[at])
        return Difference(index, layer, name, at, "reference", float(expected[at]), "functional simulator", found, text)

    def _word(self, index: int, model: SegmentOutcome, chip: SegmentOutcome, word: int) -> Difference:
        """The difference in a word of the result streams."""
        one, other = model.result.results, chip.result.results
        assert one is not None and other is not None
        if word == min(len(one.words), len(other.words)):
            name = f"{model.segment.name} (number of result words)"
            return Difference(
                index, "whole segment", name, (), "functional simulator", len(one.words), "RTL", len(other.words)
            )
        bytes_wrong = np.flatnonzero(one.words[word] != other.words[word])
        byte = int(bytes_wrong[0]) if len(bytes_wrong) else 0
        element = element_of(self.program, model.segment, word, byte)
        text = instruction_text(self.program, element.instruction)
        if not len(bytes_wrong):
            values = float(one.addresses[word]), float(other.addresses[word])
            name = f"{element.tensor} (scratchpad address of its word {word})"
            return Difference(index, element.layer, name, (), "functional simulator", values[0], "RTL", values[1], text)
        name = element.tensor if element.index is not None else f"{element.tensor} (filling byte {byte} of word {word})"
        values = float(one.words[word, byte]), float(other.words[word, byte])
        at = element.index or ()
        return Difference(index, element.layer, name, at, "functional simulator", values[0], "RTL", values[1], text)


def _off(segment: str, expected: list[tuple[int, int]], found: list[tuple[int, int]]) -> str:
    """The first retirement that the two do not share, as a sentence."""
    for place, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            return (
                f"Segment '{segment}', retirement {place}: {_retirement(*one)} in the timing simulator, "
                f"{_retirement(*other)} in the RTL."
            )
    return f"Segment '{segment}': {len(expected)} retirements in the timing simulator, {len(found)} in the RTL."


def _retirement(queue: int, cycle: int) -> str:
    names = {int(entry): entry.name for entry in Queue}
    return f"{names.get(queue, 'END')} in cycle {cycle}"
