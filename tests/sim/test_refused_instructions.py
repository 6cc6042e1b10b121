"""What the functional simulator refuses to execute, by name."""

import numpy as np
import pytest
from tests.sim.random_instructions import TRANSFER, VALID, run_on, small_chip

from lithify.errors import LithifyError
from lithify.isa import Instruction, encode, instruction
from lithify.sim.functional import run_segment

BARE = ("depthwise",)


@pytest.mark.parametrize(
    ("units", "entry", "message"),
    [
        (None, instruction("CONV", **{**VALID, "tile": 9}),
         "has tiles of 9 positions, but chip 'small' has 6 accumulators a column."),
        (None, instruction("CONV", **{**VALID, "window_width": 2}),
         "has a window of 2 taps, but the window of a CONV has one."),
        (None, instruction("DEPTHWISE", **{**VALID, "window_width": 3, "window_height": 3}),
         "has a window of 9 taps, but a column of 'small' has 8."),
        (None, instruction("DEPTHWISE", **{**VALID, "slide": 2}),
         "has slide 2, but it must be from 1 to the window's width, 1."),
        (None, instruction("STREAM", **{**VALID, "chunks": 2}), "has several passes, but a STREAM has one."),
        (None, instruction("STREAM", **{**VALID, "keep": 1}),
         "keeps or adds to sums, but a STREAM has none."),
        (None, instruction("CONV", **{**VALID, "out_width": 0}), "has out_width 0, but it must be at least 1."),
        (None, instruction("CONV", **{**VALID, "minimum": 1}),
         "has minimum 1 above maximum 0, but minimum must not exceed maximum."),
        (None, instruction("CONV", **{**VALID, "residual": 1}),
         "has a_multiplier 0.0, but a multiplier must be a positive normal number."),
        (None, instruction("CONV", **{**VALID, "group_words": 2}),
         "has group_words 2, but chip 'small' makes 1 result words a position."),
        (None, instruction("CONV", **{**VALID, "keep": 1, "groups": 2}),
         "is part of a split reduction and has 2 groups and 1 positions, but it must be of one group and one tile."),
        (None, instruction("CONV", **{**VALID, "accumulate": 1}),
         "adds to kept sums, but no instruction before it kept any."),
        (None, instruction("CONV", **{**VALID, "in_address": 9000}),
         "reads activations at scratchpad word 9000, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "weight_address": 8180}),
         "reads weights at scratchpad word 8195, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "taps_at_once": 2}),
         "has taps_at_once 2, but the window of a CONV has one tap."),
        (None, instruction("STREAM", **{**VALID, "taps_at_once": 2}),
         "has taps_at_once 2, but chip 'small' has activation_ports 1."),
        (None, instruction("CONV", **{**VALID, "weight_banks": 2}),
         "has weight_banks 2, but chip 'small' has weight_ports 1, so it must be 0."),
        (None, instruction("CONV", **{**VALID, "in_ring_start": 8000, "in_ring_words": 200}),
         "has a ring `in_ring` of words 8000 to 8199, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "out_ring_start": 100, "out_ring_words": 20}),
         "has out_address 0, but its ring is words 100 to 119."),
        (None, instruction("CONV", **{**VALID, "position_y_words": 9, "in_ring_words": 8}),
         "has position_y_words 9, but a step in a ring of 8 words is at most as long."),
        (None, instruction("CONV", **{**VALID, "in_width": 99, "out_width": 2, "position_x_words": 17,
                                      "in_ring_words": 8, "tile": 2}),
         "reads activations at scratchpad word 9, but its ring is words 0 to 7."),
        (None, instruction("STREAM", **{**VALID, "out_width": 2, "out_pixel_words": 17, "out_ring_words": 8}),
         "writes results at scratchpad word 9, but its ring is words 0 to 7."),
        (BARE, instruction("STREAM", **{**VALID, "window_width": 2, "slide": 2}),
         "needs the unit 'max_pool', but chip 'small' has no such unit; its optional units are: depthwise."),
        (BARE, instruction("STREAM", **VALID),
         "needs one of the units 'add', 'max_pool', 'lookup' and 'multiply', but chip 'small' has none of them."),
        (BARE, instruction("CONV", **{**VALID, "residual": 1}),
         "needs the unit 'add', but chip 'small' has no such unit; its optional units are: depthwise."),
        ((), instruction("DEPTHWISE", **VALID),
         "needs the unit 'depthwise', but chip 'small' has no such unit; its optional units are: none."),
        (BARE, instruction("CONV", **{**VALID, "lookup": 2}),
         "needs the unit 'lookup', but chip 'small' has no such unit; its optional units are: depthwise."),
        (("add",), instruction("STREAM", **{**VALID, "multiply": 1}),
         "needs the unit 'multiply', but chip 'small' has no such unit; its optional units are: add."),
        (None, instruction("STREAM", **{**VALID, "lookup": 3}), "has lookup 3, but it must be 0, 1 or 2."),
        (None, instruction("STREAM", **{**VALID, "lookup": 2}),
         "uses the table as it was left, but no instruction before it in the program loaded one."),
        (None, instruction("STREAM", **{**VALID, "lookup": 1, "weight_address": 8180}),
         "reads its table at scratchpad word 8211, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "keep": 1, "lookup": 2}),
         "keeps its sums and looks results up, but it has no results."),
        (None, instruction("CONV", **{**VALID, "broadcast": 1}),
         "has broadcast, but it has no second tensor to take again and again."),
        (None, instruction("CONV", **{**VALID, "multiply": 1}),
         "multiplies, but only a STREAM with a window of one tap does."),
        (None, instruction("STREAM", **{**VALID, "multiply": 1, "residual": 1}),
         "adds and multiplies, but it has one second tensor, for one of them."),
        (None, instruction("STREAM", **{**VALID, "multiply": 1}),
         "has a_multiplier 0.0, but a multiplier must be a positive normal number."),
        (None, instruction("LOAD", **{**TRANSFER, "base": 5}),
         "uses base register 5, but only these are set: 0."),
        (None, instruction("LOAD", **{**TRANSFER, "offset": 60}),
         "reaches byte 67 from base register 0, but there are 64 bytes."),
        (None, instruction("LOAD", **{**TRANSFER, "address": 8192}),
         "writes at scratchpad word 8192, but chip 'small' has 8192 words."),
        (None, instruction("STORE", **{**TRANSFER, "offset": 4}),
         "has offset 4, but it must be a multiple of the 8 bytes of a scratchpad word."),
        (None, instruction("LOAD", **{**TRANSFER, "rows": 0}), "has rows 0, but it must be at least 1."),
    ],
)  # fmt: skip
def test_what_the_chip_cannot_execute_is_refused_by_name(units, entry: Instruction, message: str) -> None:
    program = [instruction("LOAD", **TRANSFER), entry, instruction("END")]
    with pytest.raises(LithifyError) as caught:
        run_segment(small_chip(units=units), encode(program), {0: np.zeros(64, np.uint8)})
    assert str(caught.value) == f"Instruction 1 ({entry.operation.name}) {message}"


def test_kept_sums_must_be_taken_by_the_next_compute_instruction() -> None:
    program = [
        instruction("CONV", **{**VALID, "keep": 1}),
        instruction("CONV", **{**VALID, "weight_address": 8}),
        instruction("END"),
    ]
    with pytest.raises(LithifyError) as caught:
        run_segment(small_chip(), encode(program), {})
    assert str(caught.value) == (
        "Instruction 1 (CONV) starts new sums, but the instruction before it kept sums, "
        "which the next must take with `accumulate`."
    )


def test_weights_beyond_the_window_and_bad_multipliers_are_refused() -> None:
    chip = small_chip()
    memory = np.ones((5000, 8), np.int8)
    with pytest.raises(LithifyError) as caught:
        run_on(chip, memory, [instruction("DEPTHWISE", **VALID)])
    assert str(caught.value) == (
        "Instruction 1 (DEPTHWISE) has weights for more than its 1 taps, "
        "but the weight bytes of a DEPTHWISE beyond its window must be 0."
    )
    memory[4:8] = 0
    with pytest.raises(LithifyError) as caught:
        run_on(chip, memory, [instruction("CONV", **VALID)])
    assert str(caught.value) == (
        "Instruction 1 (CONV) has the multiplier 0.0 for channel 0 of group 0, "
        "but a multiplier must be a positive normal number."
    )
