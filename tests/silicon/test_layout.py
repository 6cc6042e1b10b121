"""The layout project: nothing overlaps, every macro is placed, and LibreLane takes the configuration."""

import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.silicon.small import SMALL
from tests.silicon.test_synthesis import KIT, needs_kit

import lithify
from lithify.silicon.floorplan import HALO, MARGIN, Floorplan, instances, picture, plan
from lithify.silicon.laid_out import read_layout

SIZES = {"wide": (784.48, 191.34), "small": (419.6, 118.78), "tall": (200.0, 700.0)}


def apart(floorplan: Floorplan) -> bool:
    """Whether no macro meets another or leaves the core."""
    for item in floorplan.placed:
        if item.x < MARGIN or item.y < MARGIN:
            return False
        if item.x + item.width > floorplan.width - MARGIN or item.y + item.height > floorplan.height - MARGIN:
            return False
    return all(
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
        for one, other in itertools.combinations(floorplan.placed, 2)
    )


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(sorted(SIZES)), max_size=40), st.floats(1e4, 2e7))
def test_macros_lie_apart_and_the_cells_have_room(macros: list[str], cell_area: float) -> None:
    found = plan([(f"m{number}", macro) for number, macro in enumerate(macros)], SIZES, cell_area)
    assert len(found.placed) == len(macros) and apart(found)
    x0, y0, x1, y1 = found.cells
    assert (x1 - x0) * (y1 - y0) >= cell_area
    assert all(item.y + item.height <= y0 + HALO or item.y >= y1 - HALO for item in found.placed)


def test_instances_are_found_by_their_path() -> None:
    files = {
        "top.v": "module top();\n  pad pad (\n );\n  leaf \\leaf_0 (.a(a));\nendmodule\n",
        "pad.v": "module pad();\n  bank bank0 (.clk(clk));\n  bank bank1 (.clk(clk));\nendmodule\n",
        "bank.v": "module bank();\n  MACRO macro_0_0 (.A(a));\nendmodule\n",
        "leaf.v": "module leaf();\nendmodule\n",
    }
    assert instances(files, "top", ["MACRO"]) == [("pad.bank0.macro_0_0", "MACRO"), ("pad.bank1.macro_0_0", "MACRO")]


def test_the_picture_is_to_scale() -> None:
    found = plan([("a", "wide"), ("b", "small")], SIZES, 1e6)
    root = ElementTree.fromstring(picture(found, "two"))
    boxes = [entry for entry in root if entry.tag.endswith("rect")][2:]
    for box, item in zip(boxes, found.placed, strict=True):
        assert float(box.attrib["width"]) / float(box.attrib["height"]) == pytest.approx(item.width / item.height, 0.01)


@pytest.mark.slow
@needs_kit
def test_the_project_of_a_chip(tmp_path: Path) -> None:
    found = lithify.layout(SMALL, KIT, tmp_path / "out")
    assert apart(found.floorplan) and len(found.floorplan.placed) == SMALL.scratchpad_banks
    planned = read_layout(tmp_path / "out").planned
    assert planned.macros == SMALL.scratchpad_banks and planned.die_mm2 == pytest.approx(found.mm2)
    assert "<svg" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    placed = [name for macro in config["MACROS"].values() for name in macro["instances"]]
    assert sorted(placed) == [f"scratchpad.bank{bank}.macro_0_0" for bank in range(SMALL.scratchpad_banks)]
    for name in config["VERILOG_FILES"]:
        assert (tmp_path / "out" / name.removeprefix("dir::")).is_file()
    hooks = [re.compile(entry.split()[0]) for entry in config["PDN_MACRO_CONNECTIONS"]]
    assert all(any(hook.fullmatch(name) for hook in hooks) for name in placed)
    classic = pytest.importorskip("librelane.flows", reason="librelane is not installed").Flow.factory.get("Classic")
    config_module = pytest.importorskip("librelane.config")
    # All variables of the flow's steps but those that only LibreLane's own copy of the kit sets.
    every = {entry.name: entry for step in classic.Steps for entry in step.get_all_config_variables()}
    variables = [entry for entry in every.values() if not entry.pdk or entry.name in config]
    assert set(config) - set(every) == {"meta"}, "LibreLane knows every key"
    loaded, _ = config_module.Config.load(
        str(tmp_path / "out" / "config.json"),
        variables,
        pdk="ihp-sg13g2",
        pdk_root=str(tmp_path),
        design_dir=str(tmp_path / "out"),
        _load_pdk_configs=False,
    )
    assert float(loaded["CLOCK_PERIOD"]) == 5.0 and len(loaded["MACROS"]) == 1
