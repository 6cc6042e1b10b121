"""The power of a chip: a program is run once on its Verilog, and the mapped netlist told what moved."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lithify.isa.program import Program
from lithify.progress import Progress, Silent
from lithify.rtl.simulation import Session, build
from lithify.runtime.chip import RtlDevice
from lithify.runtime.execute import run
from lithify.silicon.asic import Asic
from lithify.silicon.kit import Kit
from lithify.silicon.power.report import Power, netlist_energies, power_of, run_files
from lithify.silicon.power.waves import WINDOW, Waves, read_vcd
from lithify.sim.inference import simulate

WINDOWS = 32
"""Windows of 64 cycles that are looked at."""

Sample = Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]]


def chip_power(asic: Asic, kit: Kit, program: Program, sample: Sample, progress: Progress | None = None) -> Power:
    """Run the program once on the chip's Verilog, and work out what the mapped netlist takes meanwhile.

    sample: one array for each input. Errors: LithifyError where Verilator is missing, or the netlist does not do what
    the Verilog did.
    """
    watch = Silent() if progress is None else progress
    waves = record(run_files(asic, kit), asic.job.top, program, sample, note=watch.note)
    return power_of(program, netlist_energies(asic, kit, waves), waves)


def record(
    files: Mapping[str, str],
    top: str,
    program: Program,
    sample: Sample,
    *,
    windows: int = WINDOWS,
    note: Callable[[str], None] | None = None,
) -> Waves:
    """Run a program once on Verilog and keep all signals in about so many windows, evenly spread over its cycles."""
    made = build(files, top, progress=note, waves=True)
    period = max(2 * WINDOW, simulate(program).cycles // windows)
    found: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="lithify-waves-") as folder:

        def opened(session: Session) -> None:
            found.append(Path(folder) / f"{len(found)}.vcd")
            session.waves(found[-1], WINDOW, period)

        device = replace(RtlDevice(program.chip, made.library, made.verilog_sha256), opened=opened)
        outcome = run(program, sample, device)
        parts = [read_vcd(path, top, lambda signal: True) for path in found]
    values = {signal: np.concatenate([part[signal] for part in parts], axis=1) for signal in parts[0]}
    total = sum(entry.result.cycles or 0 for entry in outcome.segments)
    return Waves(values, next(iter(values.values())).shape[1], total)
