"""The simulator for other machines, by zig's cross-compilation: built and linked here, to be run there."""

import pytest

from lithify.chip import Chip, load_chip
from lithify.errors import LithifyError
from lithify.rtl.simulation import build
from lithify.rtl.simulation.toolchain import TARGETS, find_compiler
from lithify.rtl.verilog import TOP_FILE, verilog

LEAST = {
    "name": "least", "rows": 4, "columns": 4, "accumulators": 4, "lanes": 1, "scratchpad_bytes": 5120,
    "scratchpad_banks": 5, "bus_bytes": 4, "units": [],
}  # fmt: skip
"""The smallest chip that there is: its simulator compiles soonest."""

MAGIC = {
    "x86_64-windows-gnu": (b"MZ", b"PE\0\0" + bytes([0x64, 0x86])),  # a PE file for x86-64
    "aarch64-macos": (bytes.fromhex("cffaedfe0c000001"), b"__TEXT"),  # a 64-bit Mach-O file for Arm
}
"""How a library of the target begins, and what else it holds near its beginning."""


@pytest.mark.slow
@pytest.mark.parametrize("target", MAGIC)
def test_the_simulator_of_a_chip_for(target: str) -> None:
    """The first build for a target also compiles zig's C++ library for it: two to three processor minutes, once."""
    chip = Chip.model_validate({**load_chip("tiny").model_dump(by_alias=True), **LEAST})
    made = build(verilog(chip), TOP_FILE.removesuffix(".v"), target=target)
    suffix = next(entry.suffix for entry in TARGETS if entry.name == target)
    data = made.library.read_bytes()
    begin, near = MAGIC[target]
    assert made.library.name == f"simulation{suffix}"
    assert data.startswith(begin) and near in data[:1024]
    for name in (b"lithify_open", b"lithify_run", b"lithify_trace", b"lithify_results"):
        assert name in data, "what Python calls is exported"


def test_unknown_targets_are_refused() -> None:
    with pytest.raises(LithifyError) as caught:
        find_compiler("zig", "riscv64-plan9")
    assert str(caught.value) == (
        "Unknown target 'riscv64-plan9'; the targets are x86_64-linux-gnu, aarch64-linux-gnu, x86_64-windows-gnu, "
        "x86_64-macos, aarch64-macos."
    )
    with pytest.raises(LithifyError) as caught:
        find_compiler("system", "aarch64-macos")
    assert str(caught.value) == ("The compiler 'system' compiles for this machine only; choose zig for aarch64-macos.")
