"""Which products of the array are made of look-up tables: those for which the part has no multiplier blocks left."""

import re
from collections.abc import Mapping

from lithify.chip import Chip

LANE_BLOCKS, ADD_BLOCKS, MULTIPLY_BLOCKS = 4, 4, 1
"""Multiplier blocks of a lane: its scaling, and what the units "add" and "multiply" need more."""

PRODUCT_LUTS = 130
"""Look-up tables of an int8 product without a block; Yosys's own recoding (`booth`) takes 210."""

RULE = """\
// An int8 product as a tree of sums: each pair of partial products, the pairs, the quarters. Written by Lithify.
(* techmap_celltype = "$mul" *)
module lithify_soft_product (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 0, B_WIDTH = 0, Y_WIDTH = 0;
  (* force_downto *) input [A_WIDTH-1:0] A;
  (* force_downto *) input [B_WIDTH-1:0] B;
  (* force_downto *) output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = !A_SIGNED || !B_SIGNED || A_WIDTH != 8 || B_WIDTH != 8 || Y_WIDTH != 16;
  wire signed [9:0] a = $signed(A);
  wire signed [9:0] low = (B[0] ? a : 10'sd0) + (B[1] ? a <<< 1 : 10'sd0);
  wire signed [9:0] second = (B[2] ? a : 10'sd0) + (B[3] ? a <<< 1 : 10'sd0);
  wire signed [9:0] third = (B[4] ? a : 10'sd0) + (B[5] ? a <<< 1 : 10'sd0);
  wire signed [9:0] high = (B[6] ? a : 10'sd0) - (B[7] ? a <<< 1 : 10'sd0);
  wire signed [12:0] lower = low + $signed({second, 2'b00});
  wire signed [12:0] upper = third + $signed({high, 2'b00});
  assign Y = lower + $signed({upper, 4'b0000});
endmodule
"""
"""A rule of Yosys's `techmap`, for products that `wreduce` has brought back to the bits they have."""


def lane_blocks(chip: Chip) -> int:
    """Multiplier blocks of a post-processing lane."""
    return LANE_BLOCKS + ADD_BLOCKS * chip.has("add") + MULTIPLY_BLOCKS * chip.has("multiply")


def soft_rows(chip: Chip, blocks: int) -> int:
    """Rows of the array whose products are made of look-up tables where the part has so many multiplier blocks.

    The lanes' products are wider, so they come first.
    """
    left = max(0, blocks - lane_blocks(chip) * chip.lanes)
    return max(0, chip.rows - left // chip.columns)


def selection(files: Mapping[str, str], rows: int) -> str:
    """The products of the first `rows` rows of every column, as Yosys selects them."""
    words = []
    for name, text in files.items():
        if name.startswith("lithify_column_"):
            lines = [number for number, line in enumerate(text.splitlines(), 1) if re.search(r"\) \* \$signed\(", line)]
            assert len(lines) >= rows, f"{name} has {len(lines)} products"
            words += [f"{name.removesuffix('.v')}/$mul${name}:{number}$*" for number in lines[:rows]]
    return " ".join(words)
