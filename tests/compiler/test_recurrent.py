"""LSTM, GRU and RNN on the chip: whole in RTL, weights that stay, and a state that goes from call to call."""

from typing import Any

import numpy as np
import pytest

import lithify
from compiler.compiled import CHIPS, check
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.program import Program
from lithify.quantize import read
from lithify.quantize.data import Input, seeded
from lithify.reference.graph import Graph
from lithify.runtime.chip import RtlDevice
from lithify.verify import verify
from optimize.test_recurrent import recurrent


def graph_of(operator: str, **settings: Any) -> Graph:
    """The quantised graph of a network of one operator."""
    return read(lithify.quantize(lithify.optimize(lithify.load(recurrent(operator, **settings)))))


def samples(graph: Graph) -> dict[str, np.ndarray]:
    inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
    return dict(next(iter(seeded(inputs, 1))))


@pytest.mark.slow
@pytest.mark.parametrize(
    "chip", ["tiny", pytest.param("small", marks=pytest.mark.slow), pytest.param("wide", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("operator", "settings"),
    [
        ("LSTM", {"steps": 2, "hidden": 24, "direction": "bidirectional", "states": True}),
        ("LSTM", {"steps": 2, "peepholes": True, "batch": 2, "clip": 2.0}),
        ("GRU", {"steps": 3, "hidden": 24, "linear_before_reset": 1}),
        ("GRU", {"steps": 2, "direction": "reverse", "states": True, "batch": 3}),
        ("RNN", {"steps": 5, "direction": "bidirectional", "activations": ["Tanh", "Relu"]}),
    ],
)
def test_every_tensor_is_the_reference(operator: str, settings: dict[str, Any], chip: str) -> None:
    graph = graph_of(operator, **settings)
    compilation = check(graph, CHIPS[chip], samples(graph))
    assert compilation.reasons == {}
    assert all(node.operator != "Host" for node in graph.nodes)


@pytest.mark.slow
def test_weights_of_the_state_are_stored_and_loaded_once() -> None:
    sizes, loaded = [], []
    for steps in (2, 4):
        program = compiled("GRU", "edge", steps=steps, inputs=32, hidden=64)
        sizes.append(len(program.constants))
        loaded.append(_weight_bytes(program))
    assert sizes[1] == sizes[0]
    assert loaded[1] == loaded[0] >= 3 * 64 * (32 + 64), "every weight, once"


def _weight_bytes(program: Program) -> int:
    """Bytes of constants that the program loads."""
    total = 0
    for segment in chip_segments(program):
        for instruction in segment_instructions(program, segment):
            if instruction.operation.name == "LOAD" and instruction.integer("base") == 0:
                total += instruction.integer("row_bytes") * instruction.integer("rows") * instruction.integer("planes")
    return total


def compiled(operator: str, chip: str, **settings: Any) -> Program:
    model = lithify.optimize(lithify.load(recurrent(operator, **settings)))
    return lithify.compile(lithify.quantize(model), chip, strict=True)


@pytest.mark.parametrize("operator", ["LSTM", "GRU", "RNN"])
def test_a_state_goes_from_call_to_call_bit_by_bit(operator: str) -> None:
    """What a call ends with is exactly what the next begins with: its int8 numbers survive being float in between."""
    program = compiled(operator, "tiny", steps=2, states=True, hidden=16)
    x, *states = program.model_inputs
    random = np.random.default_rng(5)
    carried = [np.zeros(entry.shape, np.float32) for entry in states]
    conversions = [segment for segment in program.segments if getattr(segment, "operator", "") == "Quantize"]
    for _ in range(4):
        _, *after = program.run(random.normal(0, 1, x.shape).astype(np.float32), *carried)
        for entry, state in zip(states, after, strict=True):
            (down,) = [segment for segment in conversions if segment.input == entry.name]
            info = program.tensors[down.output]
            steps = state / np.float32(info.scale)
            assert np.abs(steps - np.rint(steps)).max() < 1e-3, "a multiple of the input's scale"
            whole = np.rint(steps) + info.zero_point
            assert whole.min() >= -128 and whole.max() <= 127
            assert np.array_equal((whole - info.zero_point).astype(np.float32) * np.float32(info.scale), state)
        assert any(state.any() for state in after)
        carried = list(after)


@pytest.fixture(scope="module")
def device() -> RtlDevice:
    return RtlDevice.of(CHIPS["tiny"], lambda note: None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operator", "settings"),
    [
        ("LSTM", {"steps": 20, "inputs": 12, "hidden": 16, "states": True}),
        ("GRU", {"steps": 6, "inputs": 12, "hidden": 16, "linear_before_reset": 1, "direction": "bidirectional"}),
    ],
)
def test_whole_in_rtl(operator: str, settings: dict[str, Any], device: RtlDevice) -> None:
    """Reference, functional simulator and RTL agree on every tensor, and cycles are those of the timing simulator."""
    program = compiled(operator, "tiny", **settings)
    assert program.host_nodes == ()
    graph = program.graph
    inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
    result = verify(program, graph, seeded(inputs, 8), rtl="full", device=device)
    assert result.agreed, result


@pytest.mark.campaign
@pytest.mark.parametrize("operator", ["LSTM", "GRU"])
def test_larger_ones_in_rtl(operator: str, device: RtlDevice) -> None:
    program = compiled(operator, "tiny", steps=20, inputs=64, hidden=128)
    graph = program.graph
    inputs = tuple(Input(name, graph.tensors[name].shape, graph.tensors[name].dtype) for name in graph.inputs)
    assert verify(program, graph, seeded(inputs, 8), rtl="full", device=device).agreed
