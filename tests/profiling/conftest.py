"""Programs that are profiled, compiled once."""

from pathlib import Path

import pytest

import lithify
from lithify.profile import Profile, profile_program
from lithify.program import Program
from lithify.sim.inference import SegmentRun, run_segments

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session", params=[("digits_cnn", "tiny"), ("digits_mobilenet", "edge")], ids=lambda row: row[0])
def program(request: pytest.FixtureRequest) -> Program:
    """An example on a chip; one is bound by its bytes, the other has every kind of instruction."""
    name, chip = request.param
    model = lithify.optimize(lithify.load(EXAMPLES / f"{name}.onnx"))
    return lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), chip)


@pytest.fixture(scope="session")
def runs(program: Program) -> tuple[SegmentRun, ...]:
    """Its segments in time."""
    return run_segments(program)


@pytest.fixture(scope="session")
def profile(program: Program) -> Profile:
    """What there is to say about it."""
    return profile_program(program)
