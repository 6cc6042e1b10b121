"""Lower bounds: by hand, never above what random networks take on random chips, and how they settle chips."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.explore.test_explore import a_point

from lithify.chip import Chip, load_chip
from lithify.compiler.compile import compile_with_reasons
from lithify.compiler.image import Rectangle
from lithify.compiler.operation import Operation
from lithify.compiler.steps.step import Buffer, Chunk, Step
from lithify.compiler.weights import Part
from lithify.errors import LithifyError
from lithify.explore.search.budget import budget
from lithify.explore.search.front import Judge
from lithify.explore.search.least import Least, of_operations, of_steps
from lithify.explore.search.settle import Rivals
from lithify.fuzz.graphs import drawn
from lithify.optimize import optimize
from lithify.profile.energy import inference_energy
from lithify.program import from_compiled
from lithify.quantize import inputs_of, quantize, read, seeded
from lithify.reference.graph import Graph, Tensor
from lithify.reference.operators import make_node
from lithify.sim.inference import costs, run_segments


class Bounds:
    """Listens, and keeps what was bounded: of the operations, of the steps, and of the steps with their loads."""

    def __init__(self, chip: Chip) -> None:
        self.chip, self.found = chip, [Least(), Least(), Least()]
        self.operations: Sequence[Operation] = ()

    def assigned(self, operations: Sequence[Operation]) -> None:
        self.operations = operations
        self.found[0] = of_operations(operations, self.chip)

    def planned(self, operations: Sequence[Operation], steps: Sequence[Step], placed: bool) -> None:
        self.found[1 + placed] += of_steps(operations, steps, self.chip)


def one_layer(channels: int, height: int, width: int, outputs: int) -> Graph:
    """A convolution of one pixel."""
    tensors = {
        "x": Tensor("x", (1, channels, height, width), "int8", np.float32(0.1), 0),
        "w": Tensor("w", (outputs, channels, 1, 1), "int8", np.full(outputs, 0.01, np.float32), 0),
        "b": Tensor("b", (outputs,), "int32"),
        "y": Tensor("y", (1, outputs, height, width), "int8", np.float32(0.1), 0),
    }
    constants = {"w": np.arange(outputs * channels, dtype=np.int8).reshape(outputs, channels, 1, 1),
                 "b": np.zeros(outputs, np.int32)}  # fmt: skip
    node = make_node("conv", "Conv", ("x", "w", "b"), ("y",), strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1),
                     group=1)  # fmt: skip
    return Graph("one", ("x",), ("y",), tensors, constants, (node,))


def test_a_layer_by_hand() -> None:
    chip = load_chip("tiny")  # 8 x 8, 16 accumulators, 8 lanes
    bounds = Bounds(chip)
    compile_with_reasons(one_layer(16, 10, 10, 8), chip, listener=bounds)
    # 100 positions, 2 weight sets of 8 words, 7 tiles of at most 16 positions; 8 words of bias and multiplier.
    # Fed: 2 passes of 100 words; a set takes 8 cycles, less than 16 positions. Read: 8 + 7 x 2 x 8.
    # Words: 200 read, 112 of weights read, 100 written, 8 parameters read, and 24 of weights loaded.
    assert bounds.found[0] == Least(200, 120, 100, 200, 444, 192)
    assert bounds.found[0].cycles(chip) == 200
    few = chip.model_copy(update={"accumulators": 2})
    # 50 tiles: every pass of 2 positions waits for a set of 8 words, but for the last.
    assert of_operations(bounds.operations, few).fed == 2 * 50 * 8 - 8
    # 100 pixels of 2 words are loaded and 100 of 1 word stored, at least; weights come once.
    assert (
        bounds.found[1].dram_bytes >= 8 * (200 + 100 + 24) and bounds.found[1].dram_bytes == bounds.found[2].dram_bytes
    )


def test_weights_that_come_again_by_hand() -> None:
    chip = load_chip("tiny")
    bounds = Bounds(chip)
    compile_with_reasons(one_layer(16, 10, 10, 8), chip, listener=bounds)
    here = Buffer("y", Rectangle(0, 0, 1, 1), 0, 1, 0)
    whole, part = chip.words, Part((0, 1), (0, 1), (0, 2))

    def turns(*words: int) -> tuple[Step, ...]:
        """Chunks of so many words, each used three times, in turn."""
        chunks = [Chunk(0, index, index + 1, 0, size) for index, size in enumerate(words)]
        return tuple(
            Step(0, here.rectangle, (0, 1), part, 1, False, False, here, None, here, chunk, (), (), ())
            for chunk in chunks * 3
        )

    def loaded(*words: int) -> int:
        return of_steps(bounds.operations, turns(*words), chip).dram_bytes // chip.word_bytes

    assert loaded(whole // 2, whole // 4) == 3 * whole // 4
    # Two scratchpads of weights: each turn after the first must bring one again, beside the images of a step, 2 words.
    assert loaded(whole, whole) == 2 * whole + 2 * (2 * whole - (whole - 2))
    with_loads = [replace(step, weights=(step.chunk,)) for step in turns(whole, whole) if step.chunk is not None]
    assert of_steps(bounds.operations, with_loads, chip).dram_bytes == 6 * whole * chip.word_bytes


def holds(numbers: range) -> int:
    """Checks drawn networks on drawn chips; how many there were that compile."""
    count = 0
    for number in numbers:
        model, chip = drawn(11, number)
        graph = read(quantize(optimize(model), seeded(inputs_of(model), 1, seed=0)))
        bounds = Bounds(chip)
        try:
            compiled = compile_with_reasons(graph, chip, listener=bounds)
        except LithifyError:
            continue
        program = from_compiled(compiled.program, graph, compiled.reasons)
        runs = run_segments(program)
        timing = costs(program, runs)
        joules = inference_energy(chip, runs, timing.dram_bytes).total / 1e6
        for least in bounds.found:
            assert least.fires <= sum(run.timing.array_cycles for run in runs), number
            assert least.dram_bytes <= timing.dram_bytes and least.cycles(chip) <= timing.cycles, number
            assert least.joules(chip) <= joules, number
        assert bounds.found[1].dram_bytes <= bounds.found[2].dram_bytes, number
        count += 1
    return count


def test_bounds_hold_for_random_networks_on_random_chips() -> None:
    assert holds(range(5)) >= 3


@pytest.mark.slow
def test_bounds_hold_for_many_networks() -> None:
    assert holds(range(5, 30)) >= 15


def test_settling_by_hand() -> None:
    points = [a_point(0, 4, 0.02, 2), a_point(1, 3, 0.05, 3), a_point(2, 9, 0.01, 1)]

    def why(area: float, seconds: float, joules: float, **limits: str) -> str:
        budgets = tuple(budget(name, text) for name, text in limits.items())
        rivals = Rivals.among(Judge(budgets, {"net": 0.9}), points)
        return rivals.why(area, {"net": (seconds, joules)})

    assert why(4, 0.02, 3) == "point 0 is better whatever the schedule" and not why(4, 0.02, 2)
    assert not why(3.5, 0.03, 2.5) and not why(10, 0.009, 9)
    assert why(5, 0.001, 1, mm2="4") == "area <= 4.00 mm2, and it has 5.00 mm2"
    assert why(1, 0.03, 1, latency="25ms") == "latency <= 25.0 ms, and it has at least 30.0 ms"
    assert why(1, 0.03, 1, fps="40") == "inferences a second >= 40.0 1/s, and it has at most 33.3 1/s"
    assert why(1, 0.001, 2.5, energy="2.2J") == "energy an inference <= 2.20 J, and it has at least 2.50 J"
    # 3 J at the 20 a second that are asked for; where no rate is asked for a slow chip may draw any less.
    assert why(1, 0.001, 3, mw="50W", fps="20") == "power <= 50,000 mW, and it has at least 60,000 mW"
    assert not why(1, 0.001, 3, mw="150W") and not why(1, 0.001, 1, accuracy="0.9")
    # As long as nothing is within the budgets the closest is wanted: it may miss one, but not be beaten.
    assert not why(1.5, 0.03, 1, mm2="1") and why(5, 0.03, 3, mm2="1") == "point 0 is better whatever the schedule"
    # A slower chip draws less where no rate is asked for: what is beaten may be within a power that its rival is not.
    assert not why(5, 0.03, 3, mw="1W") and why(5, 0.03, 3, mw="1W", fps="10") == why(5, 0.03, 3)
