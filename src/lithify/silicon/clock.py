"""The clock a mapped netlist can run at, by OpenSTA where it is installed."""

import re
import shutil
import subprocess
from dataclasses import dataclass

from lithify.errors import LithifyError
from lithify.silicon.kit import Kit
from lithify.silicon.synthesis import Synthesis


@dataclass(frozen=True)
class Clock:
    """The slowest path between registers. period: seconds it needs, setup included; path: OpenSTA's own report."""

    corner: str
    period: float
    path: str

    @property
    def hz(self) -> float:
        """The highest clock frequency."""
        return 1.0 / self.period


def sta_program() -> str | None:
    """OpenSTA's executable, or None where it is not installed."""
    return shutil.which("sta")


def worst_path(synthesis: Synthesis, top: str, kit: Kit, *, corner: str = "typical") -> Clock:
    """Time the netlist before layout: no wires, ideal clock, paths that start at a register.

    Errors: LithifyError where OpenSTA is missing or fails.
    """
    sta = sta_program()
    if sta is None:
        raise LithifyError("Timing a netlist needs OpenSTA: apt-get install opensta (the command is 'sta').")
    folder = synthesis.netlist.parent
    libraries = [kit.cells(corner)]
    for macro in synthesis.macros:
        library = kit.macro_library(corner, macro)
        if library is None:
            raise LithifyError(f"The kit '{kit.name}' has no timing of the macro '{macro}' in the corner '{corner}'.")
        libraries.append(library)
    trial = 100.0
    script = [
        *(f"read_liberty {library}" for library in libraries),
        f"read_verilog {synthesis.netlist.name}",
        f"link_design {top}",
        f"create_clock -name clk -period {trial} [get_ports clk]",
        "report_checks -from [all_registers -clock_pins] -fields {fanout} -format full -digits 4",
        "exit",
    ]
    (folder / "timing.tcl").write_text("\n".join(script) + "\n", encoding="utf-8")
    run = subprocess.run(
        [sta, "-exit", "-no_splash", "timing.tcl"], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )
    slack = re.search(r"^\s*(-?[0-9.]+)\s+slack", run.stdout, re.MULTILINE)
    if run.returncode or slack is None:
        lines = [line for line in (run.stdout + run.stderr).splitlines() if "rror" in line] or [
            "no path between registers"
        ]
        raise LithifyError(f"OpenSTA failed on '{top}': {lines[-1].strip()} (script and netlist are in '{folder}').")
    return Clock(corner, (trial - float(slack[1])) * 1e-9, run.stdout)
