"""`lithify synth`: what it reports, with a kit and without, and how it refuses."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.test_errors import refused
from tests.conftest import Ran
from tests.silicon.small import SMALL
from tests.silicon.test_synthesis import KIT, needs_kit

import lithify
from lithify.chip import write_chip
from lithify.chip.memories import memories
from lithify.errors import LithifyError
from lithify.silicon import clock
from lithify.silicon.asic import BLOCKS, synthesize_chip
from lithify.silicon.clock import sta_program
from lithify.silicon.kit import load_kit

Run = Callable[..., Ran]


def test_a_clock_without_a_kit_is_refused(run: Run) -> None:
    expected = "A clock needs a process kit: name its folder (pdk, or --pdk), or leave the clock out."
    assert refused(run("synth", "--chip", "tiny", "--clock", "200")) == expected


def test_a_folder_without_a_kit_is_refused(run: Run, tmp_path: Path) -> None:
    assert refused(run("synth", "--chip", "tiny", "--pdk", tmp_path)).startswith(f"No process kit in '{tmp_path}':")


def test_a_missing_yosys_is_named(run: Run) -> None:
    ran = run("synth", "--chip", "tiny", "--yosys", "no-such-yosys")
    sentence = "Error: There is no program 'no-such-yosys': name a Yosys executable or leave the choice out.\n"
    assert (ran.status, ran.out, ran.err.endswith(sentence)) == (1, "", True)


@needs_kit
def test_an_unknown_corner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LithifyError, match=r"no corner 'hot'; its corners are typical, slow, fast\.$"):
        synthesize_chip(SMALL, load_kit(KIT), corners=["hot"])


@needs_kit
def test_a_corner_whose_file_is_missing_is_refused(tmp_path: Path) -> None:
    marker = load_kit(KIT).marker
    (tmp_path / marker).symlink_to(KIT / marker)
    (tmp_path / "sram").symlink_to(KIT / "sram")
    with pytest.raises(LithifyError, match=r"lacks the file 'sg13g2_stdcell_slow_1p08V_125C.lib' of the corner 'slow'"):
        synthesize_chip(SMALL, load_kit(tmp_path), corners=["slow"])


@needs_kit
def test_a_clock_without_opensta_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sta_program", lambda: None)
    with pytest.raises(LithifyError, match="Timing a netlist needs OpenSTA: apt-get install opensta"):
        lithify.synthesize(SMALL, KIT, clock_mhz=100)


@pytest.mark.slow
def test_gates_without_a_kit(run: Run, tmp_path: Path) -> None:
    """Blocks add up, memories are named and left out, and what was written is what was printed."""
    path = tmp_path / "small.toml"
    path.write_text(write_chip(SMALL), encoding="utf-8")
    ran = run("synth", "--chip", path, "-o", tmp_path / "out", "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert found == json.loads((tmp_path / "out" / "synthesis.json").read_text(encoding="utf-8"))
    assert sum(block["nand2"] for block in found["blocks"]) == pytest.approx(found["nand2"], abs=len(BLOCKS))
    assert {block["name"] for block in found["blocks"]} == set(BLOCKS) - {"table", "vector unit"}
    (use,) = found["memories"]
    assert (use["words"], use["bits"], use["count"], use["macro"]) == (256, 32, SMALL.scratchpad_banks, None)
    assert found["mm2"] is None and found["clocks"] == [] and "Without a process kit" in found["notes"][0]
    # Every bit that is kept in flip-flops is a register at least, so this is a lower bound.
    bits = sum(m.count * m.words * m.bits for m in memories(SMALL) if m.name != "scratchpad")
    assert found["nand2"] > 6.75 * bits
    assert (tmp_path / "out" / "netlist.v").read_text(encoding="utf-8").count("endmodule") > 20


@pytest.mark.slow
@needs_kit
def test_a_chip_on_a_kit(run: Run, tmp_path: Path) -> None:
    """Area, macros and clocks; a clock that is not met is an error, and leaves nothing written."""
    path = tmp_path / "small.toml"
    path.write_text(write_chip(SMALL), encoding="utf-8")
    words = ("synth", "--chip", path, "--pdk", KIT, "--corner", "typical", "--corner", "slow")
    ran = run(*words, "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert found["kit"] == "ihp-sg13g2" and found["tested"]
    assert found["mm2"] == pytest.approx(found["cell_mm2"] + found["macro_mm2"])
    assert found["cell_mm2"] * 1e6 / 7.2576 == pytest.approx(found["nand2"], rel=1e-4)
    (use,) = found["memories"]
    assert (use["count"], use["macro"], use["spare_bits"]) == (5, "RM_IHPSG13_1P_256x32_c2_bm_bist", 0)
    if sta_program() is None:
        assert "No clock: OpenSTA is not installed" in " ".join(found["notes"])
        pytest.skip("OpenSTA is not installed")
    typical, slow = found["clocks"]
    assert slow["period_ns"] > typical["period_ns"] and slow["typical_macros"] and not typical["typical_macros"]
    assert typical["mhz_with_margin"] == pytest.approx(typical["mhz"] / 1.2, abs=0.1)
    assert typical["mhz_with_margin"] > 200
    missed = run(*words, "--clock", "2000", "-o", tmp_path / "out")
    assert missed.status == 1 and missed.out == "" and not (tmp_path / "out").exists()
    assert re.search(
        r"Error: The chip 'small' does not meet 2000 MHz: at the typical corner it runs at \d+", missed.err
    )
