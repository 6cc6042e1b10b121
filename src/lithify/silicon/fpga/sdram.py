"""The DRAM of boards: of which kind there is a controller, and how an SDRAM is joined to its pins."""

from collections.abc import Mapping
from types import MappingProxyType

from lithify.rtl.link.sdram import SDRAM_256M, Sdram

MEMORIES: Mapping[str, Sdram | None] = MappingProxyType({"sdram": SDRAM_256M, "ddr3": None})
"""Resources of `amaranth_boards` that are DRAM; None: there is no controller for it."""

MOST_HZ = 50_000_000
"""The fastest clock at which the pins are reckoned to keep their times (docs/decisions/0042-sdram-on-boards.md)."""

BYTES_PER_CYCLE = 2
"""What the data pins carry."""

BUS_BYTES = (4, 8, 16)
"""Widths of the chip's bus that are bursts of an SDRAM."""

PORT_OF = MappingProxyType(
    {"clk": "clk", "clk_en": "cke", "cs": "cs_n", "ras": "ras_n", "cas": "cas_n", "we": "we_n", "ba": "ba", "a": "a",
     "dqm": "dqm", "dq": "dq"}
)  # fmt: skip
"""Signals of `amaranth_boards` and the ends of the names of `lithify_board`'s ports."""

PORTS = """,
  output sdram_clk, output sdram_cke, output sdram_cs_n, output sdram_ras_n, output sdram_cas_n, output sdram_we_n,
  output [1:0] sdram_ba, output [12:0] sdram_a, output [1:0] sdram_dqm, inout [15:0] sdram_dq"""
"""Of `lithify_board`."""

JOINED = """,
    .sdram_command({sdram_we_n, sdram_cas_n, sdram_ras_n}), .sdram_bank(sdram_ba), .sdram_address(sdram_a),
    .sdram_masked(masked), .sdram_dq_o(given), .sdram_dq_oe(gives), .sdram_dq_i(taken)"""
"""Of the system within it."""

PINS = """\
  // The SDRAM's clock is the clock turned round: it takes what changed half a cycle before, and what it gives is taken
  // at its own edge.
  wire masked, gives;
  wire [15:0] given, seen;
  reg [15:0] taken;
  ODDRX1F turned (.SCLK(clock), .RST(1'b0), .D0(1'b0), .D1(1'b1), .Q(sdram_clk));
  assign sdram_cke = 1'b1;
  assign sdram_cs_n = 1'b0;
  assign sdram_dqm = {masked, masked};
  always @(negedge clock) taken <= seen;
  genvar i;
  generate
    for (i = 0; i < 16; i = i + 1) begin : data
      BB pin (.I(given[i]), .T(~gives), .O(seen[i]), .B(sdram_dq[i]));
    end
  endgenerate
"""
"""What lies between."""
