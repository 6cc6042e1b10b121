"""A program compiled by hand runs to the values of the reference, and wrong inputs are refused in one sentence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.isa.file import save
from lithify.isa.program import Conversion
from lithify.isa.sequence import all_instructions
from lithify.reference.evaluate import run as run_reference
from lithify.runtime import FunctionalDevice, run, run_program_file
from lithify.sim.functional import check_order


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_equals_the_reference(compiled, seed: int) -> None:
    expected = run_reference(compiled.graph, {"x": compiled.x})
    outcome = run(compiled.program, [compiled.x], FunctionalDevice(seed=seed), seed=seed)
    assert set(outcome.environment) == {"x", "xq", "p", "pf", "y"}
    for name, value in outcome.environment.items():
        assert value.dtype == expected[name].dtype
        assert np.array_equal(value, expected[name]), name
    assert [value.shape for value in outcome.outputs] == [(1, 12, 2, 2), (1, 48)]
    assert np.array_equal(outcome.outputs[1], expected["y"])
    assert outcome.cycles is None
    # Far from trivial: the pooled values are many and some are clamped by the convolution.
    assert len(np.unique(expected["p"])) > 20 and (expected["c"] == -100).any()


def test_inputs_may_be_named_and_the_stream_may_be_left_out(compiled) -> None:
    outcome = run(compiled.program, {"x": compiled.x}, FunctionalDevice(record=False))
    assert np.array_equal(outcome.outputs[0], run(compiled.program, [compiled.x]).outputs[0])
    assert outcome.segments[0].result.results is None


def test_a_saved_program_runs(compiled, tmp_path: Path) -> None:
    save(compiled.program, tmp_path / "hand.lith")
    outcome = run_program_file(tmp_path / "hand.lith", compiled.x)
    assert np.array_equal(outcome.outputs[1], run(compiled.program, [compiled.x]).outputs[1])


def test_the_program_is_in_order(compiled) -> None:
    check_order(compiled.program.chip, all_instructions(compiled.program))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "The program 'hand' was given 0 inputs; it takes 1: x."),
        ({}, "The program 'hand' was not given its input 'x'; its inputs are: x."),
        ({"z": np.zeros(1)}, "The program 'hand' has no input 'z'; its inputs are: x."),
        (
            [np.zeros((1, 3, 5, 4))],
            "Input 'x' was given as float64 of shape (1, 3, 5, 4); it must be float32 of shape (1, 3, 5, 4).",
        ),
        (
            [np.zeros((3, 5, 4), np.float32)],
            "Input 'x' was given as float32 of shape (3, 5, 4); it must be float32 of shape (1, 3, 5, 4).",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(compiled, inputs, message: str) -> None:
    with pytest.raises(LithifyError) as caught:
        run(compiled.program, inputs)
    assert str(caught.value) == message


def test_programs_that_cannot_run_are_refused(compiled) -> None:
    program = compiled.program
    quantize, chip, dequantize, host = program.segments
    late = replace(program, segments=(chip, quantize, dequantize, host))
    unknown = replace(program, segments=(Conversion("quantize", "Cast", "x", "xq"), chip, dequantize, host))
    shifted = replace(chip, inputs=(replace(chip.inputs[0], offset=200),))
    wrong = replace(chip, outputs=(replace(chip.outputs[0], channels=13),))
    for changed, message in (
        (late, "The program 'hand' uses the tensor 'xq' before anything made it; compile the network again."),
        (
            unknown,
            "Conversion 'quantize' has the operator 'Cast'; this Lithify knows: Quantize, Dequantize, "
            "Signed, Unsigned, Truth, Indices, Reshape, PositionMask, PositionRange.",
        ),
        (
            replace(program, segments=(quantize, shifted, dequantize, host)),
            "The program 'hand' places 'xq' beyond its memory; compile the network again.",
        ),
        (
            replace(program, segments=(quantize, wrong, dequantize, host)),
            "The program 'hand' places 'p' of shape (1, 12, 2, 2) as an image of 2 x 2 x 13; "
            "compile the network again.",
        ),
        (
            replace(program, segments=(quantize, chip, dequantize, replace(host, outputs=("z",)))),
            "Host segment 'softmax' gives y but not 'z'; compile the network again.",
        ),
    ):
        with pytest.raises(LithifyError) as caught:
            run(changed, [compiled.x])
        assert str(caught.value) == message
