"""The real tools: boards, pins, and systems whose clock is met."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Ran
from tests.silicon.fpga.conftest import SMALL, needs_wheels
from tests.silicon.fpga.probe import probed

from lithify.chip import load_chip
from lithify.errors import LithifyError
from lithify.fpga import BITSTREAM, CHIP
from lithify.rtl.compute.array import Array
from lithify.rtl.link.sdram import SDRAM_256M
from lithify.rtl.link.system import SystemDescription
from lithify.silicon.fpga import bitstream as bitstream_module
from lithify.silicon.fpga import estimate
from lithify.silicon.fpga.boards import board_named, constraints, wrapper

ECHO = """module lithify_system (
  input clk, input locked, input rx, output reg tx, output reg running, output reg linked
);
  reg signed [7:0] a, b;
  reg signed [15:0] product;
  always @(posedge clk) begin
    a <= {a, rx};
    b <= {b, a[7] & locked};
    product <= a * b;
    tx <= ^product;
    running <= product[3];
    linked <= rx;
  end
endmodule
"""
"""A system of one product."""


@needs_wheels
@pytest.mark.slow
@pytest.mark.parametrize("name", ["ulx3s-25", "ecpix5-45", "orangecrab-25"])
def test_the_tools_take_every_board(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins, PLL, clock, report and packing, by the tools, with next to nothing between them."""
    files = {"lithify_system.v": ECHO, "lithify_column_none.v": "module lithify_column_none; endmodule"}
    monkeypatch.setattr(bitstream_module, "system_verilog", lambda system: files)
    board = board_named(name)
    system = SystemDescription(estimate.chip_of(4, 4, 1, 10**8), 4096, 100_000_000, 1_000_000)
    made = bitstream_module.make_bitstream(board, system)
    assert made.reached_hz >= 100e6 and made.resources["multipliers"].used == 1
    device = {"ulx3s-25": "LFE5U-25F-6CABGA381", "ecpix5-45": "LFE5UM5G-45F", "orangecrab-25": "LFE5U-25F-8CSFBGA285"}
    assert made.bits.startswith(b"\xff\x00Part: " + device[name].encode())
    with pytest.raises(LithifyError, match=rf"^On {name} the system reaches [0-9.]+ MHz, and 400 MHz were asked for"):
        bitstream_module.make_bitstream(board, replace(system, clock_hz=400_000_000))


SDRAM_ECHO = """module lithify_system (
  input clk, input locked, input rx, output reg tx, output reg running, output reg linked,
  output reg [2:0] sdram_command, output reg [1:0] sdram_bank, output reg [12:0] sdram_address, output reg sdram_masked,
  output reg [15:0] sdram_dq_o, output reg sdram_dq_oe, input [15:0] sdram_dq_i
);
  always @(posedge clk) begin
    sdram_command <= {sdram_command, rx & locked};
    {sdram_bank, sdram_address} <= {sdram_bank, sdram_address, rx};
    {sdram_masked, sdram_dq_oe} <= {sdram_masked, sdram_dq_oe, rx};
    sdram_dq_o <= sdram_dq_i + 1;
    {tx, running, linked} <= sdram_dq_o;
  end
endmodule
"""
"""A system that moves every pin of an SDRAM."""


@needs_wheels
@pytest.mark.slow
def test_the_tools_take_the_pins_of_an_sdram(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers of both directions, registers at the falling edge, the clock that is turned round."""
    files = {"lithify_system.v": SDRAM_ECHO, "lithify_column_none.v": "module lithify_column_none; endmodule"}
    monkeypatch.setattr(bitstream_module, "system_verilog", lambda system: files)
    board = board_named("ulx3s-25")
    chip = estimate.chip_of(4, 4, 1, 50_000_000, sdram=True)
    system = SystemDescription(chip, SDRAM_256M.size, 50_000_000, 1_000_000, SDRAM_256M)
    made = bitstream_module.make_bitstream(board, system)
    assert made.reached_hz >= 50e6 and made.bits.startswith(b"\xff\x00Part: LFE5U-25F-6CABGA381")


@needs_wheels
def test_the_pins_of_an_sdram_are_the_boards() -> None:
    """Each port of the wrapper has its place, and every place its port."""
    board = board_named("ulx3s-85")
    text = constraints(board, sdram=True)
    for port, site in (("sdram_clk", "F19"), ("sdram_a[10]", "N19"), ("sdram_dq[0]", "J16"), ("sdram_dq[15]", "J17"),
                       ("sdram_we_n", "T20"), ("sdram_ba[1]", "N20"), ("sdram_dqm[0]", "U19")):  # fmt: skip
        assert f'LOCATE COMP "{port}" SITE "{site}";' in text
        assert f'IOBUF PORT "{port}" IO_TYPE=LVCMOS33;' in text
    assert text.count("LOCATE") == 5 + 39 and constraints(board).count("LOCATE") == 5
    ports = re.findall(r"(?:output|inout) (?:\[(\d+):0\] )?(sdram_\w+)", wrapper(board, sdram=True).partition(");")[0])
    bits = [f"{name}[{bit}]" if high else name for high, name in ports for bit in range(int(high or 0) + 1)]
    assert sorted(bits) == sorted(board.sdram_pins) and "sdram" not in wrapper(board)


@needs_wheels
@pytest.mark.slow
def test_a_small_array_meets_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chip's array of 4 x 4, placed and routed: sixteen products in blocks, 100 MHz on the slowest grade."""
    chip = estimate.chip_of(4, 4, 1, 10**8)
    monkeypatch.setattr(bitstream_module, "system_verilog", lambda system: probed(Array(chip)))
    made = bitstream_module.make_bitstream(
        board_named("ulx3s-25"), SystemDescription(chip, 4096, 100_000_000, 1_000_000), seed=3
    )  # fmt: skip
    assert made.reached_hz >= 100e6 and made.resources["multipliers"].used == 16
    assert made.bits.startswith(b"\xff\x00Part: LFE5U-25F") and len(made.bits) > 100_000


@needs_wheels
@pytest.mark.campaign
def test_a_bitstream_whose_clock_is_met(run, tmp_path: Path) -> None:
    """By the tools: a whole system at 100 MHz on a part of grade 8, its bits and the chip that is in them."""
    found: Ran = run(
        "fpga", "--board", "ecpix5-45", "--chip", SMALL, "--memory", 32, "--clock", 100, "-o", tmp_path / "out",
        "--json",
    )  # fmt: skip
    assert found.status == 0, found.err
    report = json.loads(found.out)
    assert report["reached_hz"] >= report["clock_hz"] == 100_000_000
    uses = report["resources"]
    assert uses["multipliers"]["used"] >= 16 and all(use["used"] <= use["available"] for use in uses.values())
    bits = (tmp_path / "out" / BITSTREAM).read_bytes()
    assert b"LFE5UM5G-45F" in bits[:200] and len(bits) > 50_000
    assert load_chip(tmp_path / "out" / CHIP) == load_chip(SMALL)
