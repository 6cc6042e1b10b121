"""A chip's mapped netlist as a device: what runs in place of its Verilog, through the same harness."""

from collections.abc import Callable

from lithify.chip import Chip
from lithify.rtl.chip import Top
from lithify.rtl.simulation import build
from lithify.runtime.chip import RtlDevice
from lithify.silicon.asic import synthesize_chip
from lithify.silicon.gate_chip import chip_gates
from lithify.silicon.kit import Kit

LEVEL = "-O0"
"""Netlists are large and run for a short time: a quick build is worth more than a quick run. -O1 takes three times
as long to compile."""


def gate_device(
    chip: Chip, kit: Kit | None = None, *, program: str | None = None, note: Callable[[str], None] | None = None
) -> RtlDevice:
    """The netlist of a whole chip, simulated: mapped to a kit, with models of its memory macros, or to generic gates.

    program: a Yosys to run in place of the wheel. note: hears what takes long. Errors: LithifyError as
    `synthesize_chip`, and where a tool of the simulator is missing.
    """
    say = note or (lambda text: None)
    say(f"mapping the chip to {'generic gates' if kit is None else f'the cells of {kit.name}'} (once)")
    asic = synthesize_chip(chip, kit, corners=(), program=program)
    say(f"{asic.report.cells:,} cells")
    made = build(chip_gates(chip, asic, kit), Top.module_name, progress=note, netlist=True, level=LEVEL)
    return RtlDevice(
        chip, made.library, made.verilog_sha256, made.build_seconds, made.runtime_seconds, name="gate level"
    )
