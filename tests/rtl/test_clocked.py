"""Blocks that work out one register become its clocked block; what something else reads stays as it is."""

from lithify.rtl.clocked import clocked
from lithify.rtl.netlist import modules
from lithify.rtl.vector.convert import FromInteger

MODULE = r"""module counter(clk, enable, word, count);
  reg [3:0] count = 4'h0;
  reg [7:0] \held$1  = 8'h00;
  reg [3:0] \$10 ;
  reg [7:0] \$11 ;
  reg \$12 ;
  wire [3:0] \$13 ;
  assign \$13  = count + 1'h1;
  always @(posedge clk)
    count <= \$10 ;
  always @(posedge clk)
    \held$1  <= \$11 ;
  always @(posedge clk)
    again <= \$12 ;
  always @* begin
    if (\$auto$verilog_backend.cc:2355:dump_module$1 ) begin end
    \$10  = count;
    if (enable) begin
      \$10  = \$13 ;
    end
  end
  always @* begin
    if (\$auto$verilog_backend.cc:2355:dump_module$1 ) begin end
    \$11  = \held$1 ;
    casez (word[1:0])
      2'h1:
          \$11 [3:0] = word[3:0];
      2'h?:
          \$11  = word;
    endcase
  end
  always @* begin
    if (\$auto$verilog_backend.cc:2355:dump_module$1 ) begin end
    \$12  = enable;
  end
  assign shown = \$12 ;
endmodule"""

CLOCKED = r"""module counter(clk, enable, word, count);
  reg [3:0] count = 4'h0;
  reg [7:0] \held$1  = 8'h00;
  reg \$12 ;
  wire [3:0] \$13 ;
  assign \$13  = count + 1'h1;
  always @(posedge clk)
    again <= \$12 ;
  always @(posedge clk) begin
    if (enable) begin
      count <= \$13 ;
    end
  end
  always @(posedge clk) begin
    casez (word[1:0])
      2'h1:
          \held$1 [3:0] <= word[3:0];
      2'h?:
          \held$1  <= word;
    endcase
  end
  always @* begin
    if (\$auto$verilog_backend.cc:2355:dump_module$1 ) begin end
    \$12  = enable;
  end
  assign shown = \$12 ;
endmodule"""


def test_a_register_is_written_where_it_is_clocked() -> None:
    assert clocked(MODULE) == CLOCKED


def test_what_the_writer_gives_today_is_understood() -> None:
    """No register of a real block is left to a block of logic of its own."""
    (text,) = modules(FromInteger()).values()
    assert "  always @(posedge clk) begin\n    if (valid) begin\n      from_integer_value_0 <= " in text
    assert "always @*" not in text
