"""Verilator finds nothing in the chip's Verilog."""

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


@pytest.mark.slow
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
