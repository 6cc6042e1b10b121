"""The listing, as golden text: one line an instruction, with the fields that say something."""

from dataclasses import replace

from isa.saved_program import program
from lithify.isa import encode, instruction
from lithify.isa.listing import instruction_line, listing
from lithify.isa.program import ChipSegment, Layer

ONES = dict.fromkeys(("window_height", "window_width", "slide", "passes_y", "passes_x", "chunks", "groups"), 1)

INSTRUCTIONS = [
    instruction("LOAD", base=0, offset=64, row_bytes=900, rows=1, planes=1, address=0, row_words=5),
    instruction(
        "LOAD", base=1, row_bytes=27, rows=3, planes=2, row_stride=30, row_words=4, plane_stride=900, plane_words=12,
        address=512, fill=-7, signal=2,
    ),
    instruction(
        "CONV", **{**ONES, "passes_y": 3, "chunks": 2, "groups": 2}, wait=1, in_address=65530, in_height=4, in_width=1,
        start_y=-1, position_y=1, position_y_words=6, pass_y=1, pass_y_words=6, tap_x=9, pad_value=-7, out_height=4,
        out_width=1, out_address=1024, out_row_words=2, out_pixel_words=2, tile=4, group_words=1, last_group_words=1,
        weight_address=0, zero_point=3, minimum=-128, maximum=127, b_zero_point=9,
    ),
    instruction(
        "STREAM", **{**ONES, "window_height": 2, "slide": 2}, serial=1, signal=9, in_address=1024, in_height=4,
        in_width=1, tap_y=1, tap_y_words=2, out_height=1, out_width=1, out_address=1536, tile=1, group_words=1,
        last_group_words=1, minimum=-128, maximum=127, residual=1, residual_address=2048, a_multiplier=0.5,
        b_multiplier=0.1, sum_maximum=127, sum_minimum=-128,
    ),
    instruction("STORE", base=2, row_bytes=8, rows=1, planes=1, address=1536, wait=2),
    instruction("END"),
]  # fmt: skip

GOLDEN = """\
program net for chip tiny: 6 instructions in 384 bytes, 200 bytes of constants
input x: float32 1x4x2x3
output y: float32 1x24

host quantize: Quantize, x -> x_int8

chip chip: bytes 0 to 383
  in x_int8: INPUTS+0, 2 x 3 pixels of 4 in 8 bytes, top 1, left 2, fill -7
  out x_int8: OUTPUTS+0, 2 x 3 pixels of 4 in 8 bytes, top 1, left 2, fill -7
  conv (Conv, 1234 MACs)
     0  LOAD       base=CONSTANTS offset=64 row_bytes=900 address=0
     1  LOAD       signal=COMPUTE base=INPUTS row_bytes=27 rows=3 planes=2 row_stride=30 plane_stride=900 address=512 \
row_words=4 plane_words=12 fill=-7
     2  CONV       wait=LOAD in_address=65530 in_height=4 in_width=1 start_y=-1 position_y=1 position_y_words=6 \
pass_y=1 pass_y_words=6 passes_y=3 chunks=2 pad_value=-7 out_height=4 out_width=1 out_address=1024 out_row_words=2 \
tile=4 groups=2 group_words=1 last_group_words=1 zero_point=3 minimum=-128 maximum=127
  pool (MaxPool, 0 MACs)
     3  STREAM     signal=LOAD+STORE serial=1 residual=1 in_address=1024 in_height=4 in_width=1 tap_y=1 tap_y_words=2 \
window_height=2 out_height=1 out_width=1 out_address=1536 tile=1 last_group_words=1 minimum=-128 maximum=127 \
residual_address=2048 sum_minimum=-128 sum_maximum=127 a_multiplier=0.5 b_multiplier=0.100000001
     4  STORE      wait=COMPUTE base=OUTPUTS row_bytes=8 address=1536
     5  END

host softmax: Softmax, Erf, x_int8 -> y
"""


def test_a_listing_shows_every_instruction_under_its_layer() -> None:
    code = encode(INSTRUCTIONS)
    base = program()
    quantize, chip, softmax = base.segments
    assert isinstance(chip, ChipSegment)
    size = -(-len(code) // 128) * 128
    changed = replace(
        base,
        instructions=code.ljust(size, b"\0"),
        segments=(quantize, replace(chip, size=size), softmax),
        layers=(Layer("conv", "Conv", 0, 2, 1234), Layer("pool", "MaxPool", 3, 4, 0)),
    )
    assert listing(changed) == GOLDEN


def test_kept_sums_show_no_results() -> None:
    entry = instruction(
        "CONV", **ONES, keep=1, tile=4, out_height=1, out_width=4, out_address=5, zero_point=7, maximum=9
    )
    assert instruction_line(12, entry) == "    12  CONV       keep=1 out_height=1 out_width=4 tile=4"
