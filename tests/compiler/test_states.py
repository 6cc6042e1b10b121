"""States that stay in the chip's DRAM from run to run: the reference's bits over 20 runs, in every view."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import lithify
from compiler.compiled import CHIPS
from compiler.test_rows import WITH_UNIT, device
from lithify.errors import LithifyError
from lithify.isa.program import Base, ChipSegment
from lithify.isa.sequence import chip_segments, segment_instructions
from lithify.program import Program
from lithify.reference.evaluate import run as run_reference
from lithify.runtime import run
from lithify.runtime.chip import RtlDevice
from lithify.sim.functional.order import check_order
from optimize.test_recurrent import recurrent

ELMAN = """<ir_version: 9, opset_import: ["" : 20]>
    elman (float[1, 12] x, float[1, 20] h) => (float[1, 5] y, float[1, 20] h_out) {
        a = Gemm (x, w, b)
        c = Gemm (h, u, b)
        d = Add (a, c)
        h_out = Tanh (d)
        y = Gemm (h_out, v)
    }"""

STEPS = 20


def elman() -> onnx.ModelProto:
    random = np.random.default_rng(0)
    proto = onnx.parser.parse_model(ELMAN)
    shapes = {"w": (12, 20), "u": (20, 20), "b": (20,), "v": (20, 5)}
    proto.graph.initializer.extend(
        numpy_helper.from_array(random.normal(0, 0.4, shape).astype(np.float32), name) for name, shape in shapes.items()
    )
    return proto


NETWORKS: dict[str, tuple[Any, dict[str, str]]] = {
    "elman": (elman, {"h": "h_out"}),
    "LSTM": (lambda: recurrent("LSTM", steps=1, hidden=16, states=True), {"h0": "y_h", "c0": "y_c"}),
    "GRU": (lambda: recurrent("GRU", steps=2, hidden=24, states=True), {"h0": "y_h"}),
    "RNN": (lambda: recurrent("RNN", steps=1, batch=3, states=True), {"h0": "y_h"}),
}


@cache
def program(name: str, chip: str = "tiny") -> Program:
    make, states = NETWORKS[name]
    model = lithify.quantize(lithify.optimize(lithify.load(make())), state=states)
    return lithify.compile(model, CHIPS[chip], strict=True)


def stream(one: Program, seed: int = 3) -> np.ndarray:
    (x,) = one.model_inputs
    return np.random.default_rng(seed).normal(0, 1, (STEPS, *x.shape)).astype(np.float32)


def expected(one: Program, given: np.ndarray) -> list[dict[str, np.ndarray]]:
    """What the reference makes, its states carried from step to step."""
    assert one.graph is not None
    carried = {state.input: np.zeros(one.graph.tensors[state.input].shape, np.float32) for state in one.states}
    found = []
    for x in given:
        made = run_reference(one.graph, {one.inputs[0]: x, **carried})
        carried = {state.input: made[state.output] for state in one.states}
        found.append(dict(made))
    return found


@pytest.mark.parametrize("chip", ["tiny", "small"])
@pytest.mark.parametrize("name", NETWORKS)
def test_states_stay_over_twenty_runs(name: str, chip: str) -> None:
    one = program(name, chip)
    assert {state.input: state.output for state in one.states} == NETWORKS[name][1]
    assert len(one.inputs) == 1 and not set(one.outputs) & set(NETWORKS[name][1].values())
    for segment in chip_segments(one):
        check_order(one.chip, segment_instructions(one, segment))
        assert not {place.tensor for place in segment.inputs if place.base is Base.INPUTS} & {
            state.placement.tensor for state in one.states
        }
    given = stream(one)
    wanted = expected(one, given)
    one.reset()
    for x, made in zip(given, wanted, strict=True):
        for output, value in zip(one.outputs, one.run(x), strict=True):
            assert np.array_equal(value, made[output])
        for state in one.states:
            assert np.array_equal(one.state(state.input), made[state.output])
    assert np.abs(one.state(one.states[0].input)).max() > 0


def test_a_reset_begins_anew_and_several_samples_are_steps() -> None:
    one = program("elman")
    given = stream(one)
    one.reset()
    first = [one.run(x)[0] for x in given]
    assert not np.array_equal(one.run(given[0])[0], first[0])
    one.reset()
    assert not one.state("h").any()
    (together,) = one.run(given)
    assert np.array_equal(together, np.concatenate(first))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["elman", pytest.param("LSTM", marks=pytest.mark.slow)])
def test_twenty_runs_in_rtl(name: str) -> None:
    """The bits of the reference, and of each run the cycles of the timing simulator."""
    one = program(name)
    given = stream(one)
    one.reset()
    simulated = RtlDevice.of(one.chip)
    cycles = one.simulate().cycles
    for x, made in zip(given, expected(one, given), strict=True):
        outcome = run(one, [x], simulated, memory=one._kept())
        assert outcome.cycles == cycles
        for output, value in zip(one.outputs, outcome.outputs, strict=True):
            assert np.array_equal(value, made[output])


def test_a_program_with_states_is_verified_and_saved(tmp_path: Path) -> None:
    one = program("elman")
    assert one.verify(rtl="none").agreed
    one.save(tmp_path / "e.lith")
    loaded = Program.load(tmp_path / "e.lith")
    assert loaded.states == one.states and "state h <- h_out: " in loaded.disassemble()
    given = stream(one)
    one.reset()
    assert np.array_equal(loaded.run(given)[0], one.run(given)[0])
    (segment,) = (part for part in loaded.segments if isinstance(part, ChipSegment))
    assert {place.base for place in segment.outputs} == {Base.OUTPUTS, Base.NEXT}


def test_states_that_cannot_stay_are_refused() -> None:
    plain = lithify.quantize(lithify.optimize(lithify.load(elman())))
    with pytest.raises(LithifyError, match=r"quantise the network with state=\{'h': 'h_out'\}"):
        lithify.compile(plain, "tiny", state={"h": "h_out"})
    for states, message in (
        ({"g": "h_out"}, "The state 'g' -> 'h_out' needs an input 'g', and the network has: x, h."),
        ({"h": "z"}, "The state 'h' -> 'z' needs an output 'z', and the network has: y, h_out."),
        (
            {"h": "y"},
            "The state 'h' is float32 of shape (1, 20), its output 'y' float32 of shape (1, 5); both must be the same.",
        ),
    ):
        with pytest.raises(LithifyError) as caught:
            lithify.compile(plain, "tiny", state=states)
        assert str(caught.value) == message
    with pytest.raises(LithifyError) as caught:
        lithify.quantize(lithify.load(elman()), state={"h": "z"})
    assert str(caught.value) == "The state 'h' -> 'z' needs an output 'z', and the network has: y, h_out."
    with pytest.raises(LithifyError) as caught:
        program("elman").state("x")
    assert str(caught.value) == "The program 'elman' has no state 'x'; its states are: h."


CACHED = 8
"""Tokens that the cache of `decoding` holds beside the new one."""

DECODING = f"""<ir_version: 9, opset_import: ["" : 20]>
    decoding (float[1, 1, 16] x, float[1, 1, 1, {CACHED + 1}] mask, float[1, 2, {CACHED}, 8] keys,
              float[1, 2, {CACHED}, 8] values)
        => (float[1, 1, 16] y, float[1, 2, {CACHED}, 8] keys_out, float[1, 2, {CACHED}, 8] values_out) {{
        heads = Constant <value_ints = [1, 2, 1, 8]> ()
        joined = Constant <value_ints = [1, 1, 16]> ()
        thirds = Constant <value_ints = [16, 16, 16]> ()
        one = Constant <value_ints = [1]> ()
        end = Constant <value_ints = [{CACHED + 1}]> ()
        two = Constant <value_ints = [2]> ()
        qkv = MatMul (x, w)
        q0, k0, v0 = Split <axis = -1> (qkv, thirds)
        q = Reshape (q0, heads)
        k = Reshape (k0, heads)
        v = Reshape (v0, heads)
        all_keys = Concat <axis = 2> (keys, k)
        all_values = Concat <axis = 2> (values, v)
        keys_out = Slice (all_keys, one, end, two)
        values_out = Slice (all_values, one, end, two)
        turned = Transpose <perm = [0, 1, 3, 2]> (all_keys)
        s0 = MatMul (q, turned)
        s1 = Mul (s0, scale)
        s2 = Add (s1, mask)
        p = Softmax <axis = -1> (s2)
        a = MatMul (p, all_values)
        y = Reshape (a, joined)
    }}"""


def mask(length: int) -> np.ndarray:
    """What is added to the scores where the cache holds `length` tokens: the last ones, and the new one behind."""
    made = np.full((1, 1, 1, CACHED + 1), -12.0, np.float32)
    made[..., CACHED - min(length, CACHED) :] = 0
    return made


@cache
def decoding() -> Program:
    random = np.random.default_rng(0)
    proto = onnx.parser.parse_model(DECODING)
    for name, value in {"scale": np.array(8**-0.5), "w": random.normal(0, 0.4, (16, 48))}.items():
        proto.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    shapes = {"x": (1, 1, 16), "keys": (1, 2, CACHED, 8), "values": (1, 2, CACHED, 8)}
    samples = [
        {
            **{name: random.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()},
            "mask": mask(length),
        }
        for length in range(CACHED + 1)
    ]
    model = lithify.optimize(lithify.load(proto))
    model = lithify.quantize(model, samples, state={"keys": "keys_out", "values": "values_out"})
    return lithify.compile(model, WITH_UNIT["tiny"], strict=True)


def decoded(one: Program) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For twenty tokens the input, the mask and what the reference makes of them."""
    assert one.graph is not None
    tokens = np.random.default_rng(7).normal(0, 1, (STEPS, 1, 1, 16)).astype(np.float32)
    carried = {state.input: np.zeros(one.graph.tensors[state.input].shape, np.float32) for state in one.states}
    found = []
    for length, x in enumerate(tokens):
        made = run_reference(one.graph, {"x": x, "mask": mask(length), **carried})
        carried = {state.input: made[state.output] for state in one.states}
        found.append((x, mask(length), made["y"]))
    return found


def test_keys_and_values_stay_on_the_chip_from_token_to_token() -> None:
    """The cache never leaves DRAM; what it does not hold yet is masked in the Softmax."""
    one = decoding()
    assert one.inputs == ("x", "mask") and one.outputs == ("y",) and one.host_nodes == ()
    one.reset()
    answers = decoded(one)
    for x, hidden, wanted in answers:
        assert np.array_equal(one.run(x, hidden)[0], wanted)
    # A cache of zeros under the mask is no cache: the first token attends to itself alone.
    assert len({wanted.tobytes() for _, _, wanted in answers}) == STEPS


@pytest.mark.slow
def test_decoding_twenty_tokens_in_rtl() -> None:
    one = decoding()
    one.reset()
    cycles = one.simulate().cycles
    for x, hidden, wanted in decoded(one):
        outcome = run(one, [x, hidden], device("tiny"), memory=one._kept())
        assert outcome.cycles == cycles and np.array_equal(outcome.outputs[0], wanted)
