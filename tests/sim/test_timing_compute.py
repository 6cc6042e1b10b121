"""The compute unit's timing by hand; against the RTL it is judged in tests/rtl/compute/test_unit.py."""

import pytest

from lithify.chip import load_chip
from lithify.isa import Instruction, instruction
from lithify.sim.timing.compute import ComputeTiming, Waits

TINY = load_chip("tiny")  # 8 x 8, 16 accumulators, 8 lanes
RETIRE = 27  # from the last beat, with the units "add" and "lookup"


def layer(name: str, **values: int) -> Instruction:
    counts = ("window_height", "window_width", "slide", "passes_y", "passes_x", "chunks", "out_height", "out_width")
    ones = dict.fromkeys((*counts, "groups", "tile", "group_words", "last_group_words"), 1)
    return instruction(name, **(ones | values))


def test_a_single_position() -> None:
    """Start 0; 8 parameter words in 1 to 8, 8 weight words in 9 to 16; fed in 17; drained 5 cycles later."""
    issue = ComputeTiming(TINY).issue(layer("CONV"), 0)
    assert issue.feed == (3, 17)
    assert (issue.ready, issue.retire, issue.fires) == (17, 17 + 5 + RETIRE, 1)
    assert issue.waits == Waits(weights=14, accumulators=0, serial=0, post=0)


def test_two_weight_ports_halve_what_reading_takes() -> None:
    """4 pairs of parameters in 1 to 4, 4 of weights in 5 to 8, fed in 9; then 5 words a pass, more than 4 pairs."""
    two = TINY.model_copy(update={"weight_ports": 2})
    issue = ComputeTiming(two).issue(layer("CONV", weight_banks=2), 0)
    assert (issue.feed, issue.retire) == ((3, 9), 9 + 5 + RETIRE)
    issue = ComputeTiming(two).issue(layer("CONV", chunks=3, out_width=5, tile=5), 0)
    assert issue.feed == (3, 9 + 3 * 5 - 1)
    assert issue.waits.weights == 6


def test_passes_last_as_long_as_their_words_or_their_weights() -> None:
    """The first word in 17; five positions a pass, but eight words of weights: two passes more in 25 and 33."""
    issue = ComputeTiming(TINY).issue(layer("CONV", chunks=3, out_width=5, tile=5), 0)
    assert (issue.ready, issue.retire) == (25 + 8, 33 + 4 + 5 + 4 + RETIRE)
    issue = ComputeTiming(TINY).issue(layer("CONV", chunks=3, out_width=12, tile=12), 0)
    assert (issue.ready, issue.retire) == (29 + 8, 17 + 3 * 12 - 1 + 5 + 11 + RETIRE)


def test_accumulators_that_are_not_drained_hold_the_feeder() -> None:
    """With two lanes a position takes four beats: the third tile of 8 finds the accumulators of the first two full."""
    slow = TINY.model_copy(update={"lanes": 2})
    issue = ComputeTiming(slow).issue(layer("CONV", out_width=24, tile=8), 0)
    first_beat = 17 + 7 + 5  # the tile is fed in 17 to 24
    assert issue.retire == first_beat + 24 * 4 - 1 + RETIRE
    last_claim = first_beat + 8 * 4 - 1 + 1  # after the release of the eighth position
    assert issue.feed[1] == last_claim
    assert issue.waits.accumulators == last_claim - 17 - 23


def test_stream_waits_for_what_came_before() -> None:
    timing = ComputeTiming(TINY)
    first = timing.issue(layer("CONV"), 0)
    second = timing.issue(layer("STREAM", window_height=2, window_width=2, slide=2, out_width=3), first.ready)
    assert second.feed == (first.retire + 2, first.retire + 1 + 12)
    assert second.retire == second.feed[1] + 2 + RETIRE
    assert second.waits.serial == first.retire + 1 - (first.ready + 2)
    assert timing.array_cycles == 1


def test_a_table_is_loaded_once_everything_before_has_retired() -> None:
    """256 bytes are 32 words; parameters and the set follow it, and a STREAM is fed after it."""
    timing = ComputeTiming(TINY)
    first = timing.issue(layer("CONV", lookup=1), 0)
    assert first.feed == (34, 32 + 8 + 8 + 1)
    assert first.waits == Waits(weights=15, accumulators=0, serial=31, post=0)
    second = timing.issue(layer("STREAM", lookup=1), first.ready)
    table = first.retire + 32
    assert second.feed == (table + 2, table + 2)
    assert second.retire == table + 2 + 2 + RETIRE
    third = timing.issue(layer("STREAM", lookup=2, out_width=3), second.ready)
    assert third.retire == second.retire + 1 + 3 + 2 + RETIRE


def test_a_product_waits_for_its_factor() -> None:
    timing = ComputeTiming(TINY)
    issue = timing.issue(layer("STREAM", multiply=1, out_width=5), 0)
    assert issue.feed == (3, 7)
    assert issue.retire == 7 + 6 + RETIRE
    slow = ComputeTiming(TINY.model_copy(update={"lanes": 2})).issue(layer("STREAM", multiply=1, out_width=5), 0)
    assert slow.retire == 3 + 4 * 4 + 6 + 3 + RETIRE


def test_a_kept_sum_needs_no_drain() -> None:
    """No parameters for `keep`; the instruction that adds to it claims no accumulator."""
    timing = ComputeTiming(TINY)
    values = {"out_width": 16, "tile": 16}
    first = timing.issue(layer("CONV", keep=1, **values), 0)
    assert (first.ready, first.retire) == (9, 9 + 15 + 5 + RETIRE)
    second = timing.issue(layer("CONV", accumulate=1, **values), first.ready)
    fed = 9 + 8 + 8 + 1  # after its own parameters and weights
    assert second.feed[1] == fed + 15
    assert second.waits.accumulators == 0


@pytest.mark.parametrize("slide", [1, 3])
def test_a_sliding_window_reads_its_new_columns_only(slide: int) -> None:
    """Rows of 4 positions in tiles of 6: the tile and each row in it begin with a whole window."""
    entry = layer("DEPTHWISE", window_height=2, window_width=3, slide=slide, out_height=3, out_width=4, tile=6)
    issue = ComputeTiming(TINY).issue(entry, 0)
    whole, new = 6, 2 * slide
    first = 2 * whole + 4 * new  # 4 of the first row, 2 of the second
    second = 2 * whole + 4 * new  # 2 of the second row, 4 of the third
    assert issue.feed[1] == 16 + first + second
    assert issue.fires == 12
