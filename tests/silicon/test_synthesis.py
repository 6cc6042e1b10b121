"""Synthesis and timing of a small design with one memory bank."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.silicon.clock import sta_program, worst_path
from lithify.silicon.kit import load_kit
from lithify.silicon.macros import tile
from lithify.silicon.synthesis import Memory, synthesize, yosys_command

KIT = Path(__file__).parents[2].parent / "shared" / "pdk" / "ihp-sg13g2"
needs_kit = pytest.mark.skipif(not KIT.is_dir(), reason="the IHP SG13G2 kit is not beside the repository")

BANK = """module bank(input wire clk, input wire enable, input wire write_enable, input wire [8:0] address,
  input wire [71:0] write_data, output reg [71:0] read_data);
  reg [71:0] memory [0:511];
  always @(posedge clk) if (enable)
    if (write_enable) memory[address] <= write_data; else read_data <= memory[address];
endmodule
"""
TOP = """module top(input wire clk, input wire write, input wire [8:0] address, output reg [15:0] sum);
  wire [71:0] data;
  bank bank(.clk(clk), .enable(1'b1), .write_enable(write), .address(address), .write_data({72{write}}),
    .read_data(data));
  always @(posedge clk) sum <= sum + data[15:0] + data[71:56];
endmodule
"""
LATCH = "module top(input wire clk, input wire d, output reg q); always @* if (clk) q = d; endmodule\n"


def test_generic_gates_leave_the_memory_alone(tmp_path: Path) -> None:
    result = synthesize({"top.v": TOP, "bank.v": BANK}, "top", tmp_path, memories=[Memory("bank", 512, 72)])
    assert result.cells > 16 and result.macro_area == 0.0


def test_a_latch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LithifyError, match="Yosys failed on 'top'"):
        synthesize({"top.v": LATCH}, "top", tmp_path)


@needs_kit
def test_macros_fill_the_memory_with_the_least_waste() -> None:
    kit = load_kit(KIT)
    for words, bits, name, across, deep in [
        (1024, 64, "RM_IHPSG13_1P_1024x64_c2_bm_bist", 1, 1),
        (1024, 128, "RM_IHPSG13_1P_1024x64_c2_bm_bist", 2, 1),
        (512, 32, "RM_IHPSG13_1P_512x32_c2_bm_bist", 1, 1),
        (4096, 64, "RM_IHPSG13_1P_1024x64_c2_bm_bist", 1, 4),
    ]:
        tiling = tile(kit, words, bits)
        assert tiling is not None
        assert (tiling.macro.name, tiling.across, tiling.deep) == (name, across, deep)


@needs_kit
def test_mapped_to_the_kit_with_macros_and_clock(tmp_path: Path) -> None:
    kit = load_kit(KIT)
    result = synthesize({"top.v": TOP, "bank.v": BANK}, "top", tmp_path, kit=kit, memories=[Memory("bank", 512, 72)])
    assert result.macros == {"RM_IHPSG13_1P_512x32_c2_bm_bist": 3}
    assert result.macro_area == pytest.approx(3 * 79719.8976)
    assert 500 < result.cell_area["top"] < 5000
    if sta_program() is None:
        pytest.skip("OpenSTA is not installed")
    clock = worst_path(result, "top", kit)
    assert 4.3e-9 < clock.period < 9e-9, "the macro's access time and an addition"


def test_a_folder_without_a_kit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LithifyError) as error:
        load_kit(tmp_path)
    assert str(error.value) == (
        f"No process kit in '{tmp_path}': give the folder that holds the files of gf180mcu "
        "(libs.ref/gf180mcu_fd_sc_mcu7t5v0/lib/gf180mcu_fd_sc_mcu7t5v0__tt_025C_5v00.lib), "
        "ihp-sg13g2 (sg13g2_stdcell_typ_1p20V_25C.lib) or "
        "sky130-hd (libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__tt_025C_1v80.lib), "
        "or describe another kit in its 'kit.toml'."
    )


SUM_OF_PRODUCTS = """module top(input wire signed [5:0] a, input wire signed [5:0] b, input wire signed [12:0] c,
  output wire signed [12:0] y);
  assign y = a * b + c;
endmodule
"""


@needs_kit
def test_a_mapped_product_is_the_product(tmp_path: Path) -> None:
    """Recoded products and prefix adders, proved equal to the Verilog by SAT on the functions of the kit's cells."""
    kit = load_kit(KIT)
    result = synthesize({"top.v": SUM_OF_PRODUCTS}, "top", tmp_path, kit=kit)
    cells = tmp_path / kit.cells("typical").name
    assert cells.is_file(), "synthesize leaves the cells beside its script"
    script = [
        f"read_liberty -ignore_miss_func {cells.name}", f"read_verilog {result.netlist.name}", "hierarchy -top top",
        "flatten", "rename top gate", "read_verilog -sv top.v", "splitnets -ports top", "rename top gold",
        "miter -equiv -flatten gold gate miter", "sat -verify -prove trigger 0 miter",
    ]  # fmt: skip
    (tmp_path / "proof.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
    run = subprocess.run(
        [*yosys_command(), "-q", "proof.ys"], cwd=tmp_path, env={**os.environ, **yosys.environment()},
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]


ENABLED = """module top(input wire clk, input wire write, input wire [7:0] data, output reg [7:0] kept,
  output reg [2:0] few,
  output reg [3:0] all);
  always @(posedge clk) begin
    if (write) kept <= data;
    if (write && data[0]) few <= data[2:0];
    all <= data[3:0];
  end
endmodule
"""


@needs_kit
def test_registers_of_one_enable_share_a_clock_gate(tmp_path: Path) -> None:
    """Eight of one enable do; three are too few, and four without an enable need none."""
    kit = load_kit(KIT)
    assert kit.clock_gate is not None
    gated = synthesize({"top.v": ENABLED}, "top", tmp_path / "gated", kit=kit)
    plain = synthesize({"top.v": ENABLED}, "top", tmp_path / "plain", kit=kit, clock_gates=False)
    text = gated.netlist.read_text(encoding="utf-8")
    assert text.count(f"  {kit.clock_gate.cell} ") == 1 and kit.clock_gate.cell not in plain.netlist.read_text()
    behind = re.search(rf"\.{kit.clock_gate.output}\((\w+)\)", text)
    assert behind is not None and text.count(f".CLK({behind[1]})") == 8
    assert gated.area < plain.area
