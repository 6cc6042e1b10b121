"""The proof finds what is wrong and says where: faults in the program, in the hardware's results and in its cycles."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import lithify
from lithify.isa.program import Base, ChipSegment
from lithify.isa.program import Program as Compiled
from lithify.isa.stream import ResultStream
from lithify.progress import Silent
from lithify.quantize.data import Input, Samples, seeded
from lithify.reference.evaluate import run as by_reference
from lithify.runtime import DeviceResult, FunctionalDevice, run
from lithify.sim.inference import simulate
from lithify.verify import verify, verify_samples
from lithify.verify.compare import Tally
from lithify.verify.difference import unequal

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = EXAMPLES / "digits.npz"


@pytest.fixture(scope="module")
def program() -> lithify.Program:
    """The residual example for `tiny`."""
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_resnet8.onnx"))
    return lithify.compile(lithify.quantize(model, DATA), chip="tiny")


@pytest.fixture(scope="module")
def samples(program: lithify.Program) -> Samples:
    return verify_samples(program.model_inputs, DATA, 8, 0)


@dataclass(frozen=True)
class Faulty:
    """A chip that equals the functional simulator but for one byte of one result word."""

    word: int
    byte: int
    name: str = "faulty"

    def run_segment(
        self, program: Compiled, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        result = FunctionalDevice().run_segment(program, segment, dram)
        assert result.results is not None
        words = result.results.words.copy()
        words[self.word, self.byte] ^= 1
        return replace(result, results=ResultStream(result.results.addresses, words))


def tally(program: lithify.Program) -> Tally:
    assert program.graph is not None
    return Tally(program, program.graph)


def test_reference_equals_functional_on_every_tensor(program: lithify.Program, samples: Samples) -> None:
    counts = tally(program)
    for index in range(len(samples)):
        counts.against_reference(index, by_reference(counts.graph, samples[index]), run(program, samples[index]))
    assert counts.differences == [] and counts.values_different == 0
    # What is not compared exists only inside an instruction; all else is, once for each input.
    names = [name for node in counts.graph.nodes for name in node.outputs if name not in counts.not_compared]
    shapes = [counts.graph.tensors[name].shape for name in names if name not in program.aliases]
    assert counts.values == len(samples) * sum(int(np.prod(shape)) for shape in shapes)
    assert set(counts.not_compared) == set(program.fused)


def test_half_of_the_inputs_saturate(program: lithify.Program, samples: Samples) -> None:
    counts = tally(program)
    for index in range(len(samples)):
        counts.against_reference(index, by_reference(counts.graph, samples[index]), run(program, samples[index]))
    assert counts.saturating == 4


def test_a_wrong_weight_is_found_and_named(program: lithify.Program, samples: Samples) -> None:
    """One changed byte among the constants: the first layer that it reaches is named, with the instruction."""
    constants = bytearray(program.constants)
    assert program.graph is not None
    layer = program.layers[4]
    weights = next(node.inputs[1] for node in program.graph.nodes if node.name == layer.name)
    rows = program.graph.constants[weights][0].reshape(program.graph.constants[weights].shape[1], -1)[:8, 0]
    constants[constants.index(rows.tobytes())] ^= 64
    broken = replace(program, constants=bytes(constants))
    counts = tally(broken)
    counts.against_reference(0, by_reference(counts.graph, samples[0]), run(broken, samples[0]))
    (difference,) = counts.differences
    assert difference.layer == layer.name
    assert difference.judge == "reference" and difference.judged == "functional simulator"
    assert difference.expected != difference.found
    index = int(difference.instruction.split()[0])
    assert layer.first <= index <= layer.last
    assert difference.sentence == (
        f"Input 0, layer '{layer.name}', tensor '{difference.tensor}'{list(difference.index)}: "
        f"{difference.expected:g} in the reference, {difference.found:g} in the functional simulator; "
        f"written by instruction {difference.instruction}."
    )


def test_a_wrong_word_of_the_hardware_is_found_and_named(program: lithify.Program, samples: Samples) -> None:
    counts = tally(program)
    model = run(program, samples[0])
    counts.against_hardware(0, model, run(program, samples[0], Faulty(word=1000, byte=3)))
    assert counts.words_different == 1
    (difference,) = counts.differences
    assert difference.judge == "functional simulator" and difference.judged == "RTL"
    assert abs(difference.expected - difference.found) == 1
    expected = by_reference(counts.graph, samples[0])[difference.tensor][difference.index]
    assert expected == difference.expected
    assert difference.instruction.split()[1] in ("CONV", "DEPTHWISE", "STREAM")


def test_a_wrong_cycle_is_found_and_named(program: lithify.Program, samples: Samples) -> None:
    timing = simulate(program)
    model = run(program, samples[0])

    def pretend(shift: int) -> Tally:
        """The functional run, with the timing simulator's cycles, the 7th retirement `shift` cycles late."""
        segments = []
        for outcome, predicted in zip(model.segments, timing.segments, strict=True):
            cycle = predicted.cycle.copy()
            cycle[7] += shift
            result = replace(outcome.result, cycles=predicted.cycles, queue=predicted.queue, cycle=cycle)
            segments.append(replace(outcome, result=result))
        counts = tally(program)
        counts.against_cycles(timing, replace(model, segments=tuple(segments)))
        return counts

    assert pretend(0).retirements_different == 0 and pretend(0).off is None
    wrong = pretend(1)
    assert wrong.retirements_different == 1
    assert wrong.off is not None and wrong.off.startswith("Segment ") and "retirement 7: " in wrong.off


def test_samples_keep_to_the_types_of_the_inputs() -> None:
    inputs = (Input("a", (1, 4)), Input("b", (2, 3), "int8"), Input("c", (5,), "int64"))
    for count in (8, 11):
        made = verify_samples(inputs, None, count, seed=3)
        assert len(made) == count
        for item in inputs:
            assert made.inputs[item.name].shape == (count, *item.shape)
            assert made.inputs[item.name].dtype == item.dtype
        assert np.isfinite(made.inputs["a"]).all()
        assert made.inputs["b"].min() == -128 and made.inputs["b"].max() == 127
        assert (made.inputs["c"] == 0).all(), "an index that every table has"
    same = verify_samples(inputs, None, 8, seed=3)
    assert all(np.array_equal(same.inputs[name], verify_samples(inputs, None, 8, 3).inputs[name]) for name in "abc")
    with pytest.raises(lithify.LithifyError, match="7 inputs are too few to verify with; take at least 8"):
        verify_samples(inputs, None, 7, 0)


def test_few_samples_are_filled_up() -> None:
    inputs = (Input("a", (1, 4)),)
    data = seeded(inputs, 2)
    made = verify_samples(inputs, [data[0], data[1]], 8, 0)
    assert len(made) == 8 and np.array_equal(made.inputs["a"][:2], data.inputs["a"])


def test_unequal_tells_signs_and_takes_nan_for_nan() -> None:
    one = np.array([0.0, -0.0, np.nan, 1.0, np.inf], np.float32)
    other = np.array([-0.0, -0.0, np.nan, 2.0, np.inf], np.float32)
    assert unequal(one, other).tolist() == [True, False, False, True, False]


@dataclass(frozen=True)
class Long:
    """A chip that equals both simulators, and does not go on before somebody has heard how far it is."""

    heard: threading.Event
    watch: Callable[[int], None] | None = None
    name: str = "long"
    verilog_sha256: str = ""

    def run_segment(
        self, program: Compiled, segment: ChipSegment, dram: Mapping[Base, NDArray[np.uint8]], skip: int = 0
    ) -> DeviceResult:
        assert self.watch is not None
        self.watch(1000)
        assert self.heard.wait(60)
        result = FunctionalDevice().run_segment(program, segment, dram)
        (timing,) = simulate(program).segments
        return replace(result, cycles=timing.cycles, queue=timing.queue, cycle=timing.cycle)


class Hears(Silent):
    """Records what is told of the RTL."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.told: list[tuple[int, int]] = []

    def update(self, done: int, total: int, unit: str) -> None:
        if unit == "cycles in RTL" and done:
            self.told.append((done, total))
            self.event.set()


def test_long_runs_in_rtl_say_how_far_they_are(program: lithify.Program, samples: Samples) -> None:
    hears = Hears()
    assert program.graph is not None
    found = verify(program, program.graph, samples.first(1), device=Long(hears.event), progress=hears)
    assert found.agreed and hears.told[0] == (1000, program.simulate().cycles)
