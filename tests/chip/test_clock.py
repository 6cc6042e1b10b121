"""The modelled clock: as synthesis found it, and set by the slowest of what is built."""

import pytest
from tests.chip.test_memories import altered

from lithify.chip import load_chip
from lithify.chip.clock import clock_limit, macro_ns

SYNTHESISED_MHZ = {"tiny": 206.7, "edge": 206.7}
"""`lithify synth`, SG13G2, typical corner, with the margin for wires."""


@pytest.mark.parametrize("name", SYNTHESISED_MHZ)
def test_presets_close_where_synthesis_says(name: str) -> None:
    limit = clock_limit(load_chip(name))
    assert limit.hz / 1e6 == pytest.approx(SYNTHESISED_MHZ[name], rel=0.01)
    assert limit.path == "a macro of the scratchpad"


def test_the_slowest_of_what_is_built_sets_it() -> None:
    small = altered("tiny", scratchpad_bytes=8 * 8 * 256)
    assert clock_limit(small).path == "lanes and control"
    assert clock_limit(small).hz > clock_limit(load_chip("tiny")).hz
    unit = altered("edge", scratchpad_bytes=15 * 16 * 256)
    assert clock_limit(unit).path == "the vector unit's conversion of integers"
    assert clock_limit(unit).hz < clock_limit(small).hz


def test_deep_memories_are_as_fast_as_their_macros() -> None:
    assert macro_ns(64) == macro_ns(256) < macro_ns(512) == macro_ns(4096)
