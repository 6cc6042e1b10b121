"""The clock a mapped netlist can run at, by OpenSTA where it is installed."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lithify.chip.clock import MARGIN
from lithify.errors import LithifyError
from lithify.silicon.kit import Kit
from lithify.silicon.synthesis import Synthesis

NO_WIRES = """library (no_wires) {
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA"; leakage_power_unit : "1nW";
  pulling_resistance_unit : "1kohm"; capacitive_load_unit (1, pf);
  nom_process : 1; nom_voltage : 1; nom_temperature : 25;
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
}
"""
"""OpenSTA takes the wire loads of the first library that it reads: this one has none. The kits' own are guesses by the
area of the whole chip and stand beside the margin, not in it."""


@dataclass(frozen=True)
class Clock:
    """The slowest path between registers, memory macros among them.

    period: seconds it needs, setup included, without wires. start, end: the registers (instance paths).
    typical_macros: the kit has the macros' timing in its typical corner alone, which stands in here.
    path: OpenSTA's own report.
    """

    corner: str
    period: float
    start: str
    end: str
    typical_macros: bool
    path: str

    @property
    def hz(self) -> float:
        """The highest clock frequency without wires."""
        return 1.0 / self.period

    @property
    def margin_hz(self) -> float:
        """The highest clock frequency with a fifth added to every path for wires."""
        return 1.0 / (self.period * MARGIN)


def sta_program() -> str | None:
    """OpenSTA's executable, or None where it is not installed."""
    return shutil.which("sta")


def need_sta() -> str:
    """OpenSTA's executable; LithifyError where it is not installed."""
    program = sta_program()
    if program is None:
        raise LithifyError("Timing a netlist needs OpenSTA: apt-get install opensta (the command is 'sta').")
    return program


def worst_path(
    synthesis: Synthesis, top: str, kit: Kit, *, corner: str = "typical", clock: str = "clk", pins: bool = False
) -> Clock:
    """Time the netlist before layout: no wires, ideal clock, paths that start at a register or a macro and end at one
    or at the enable of a clock gate.

    clock: the pin of the clock. pins: paths that start at a pin count too, as if a register without delay drove it.
    Errors: LithifyError where OpenSTA is missing or fails, or the kit lacks the corner or a file of it.
    """
    sta = need_sta()
    libraries, stand_in = [kit.cells(corner)], False
    for macro in synthesis.macros:
        library = kit.macro_library(corner, macro)
        if library is None:
            library, stand_in = kit.macro_library("typical", macro), True
        if library is None:
            raise LithifyError(f"The kit '{kit.name}' has no timing of the macro '{macro}' in any corner.")
        libraries.append(library)
    trial = 1000.0
    start = "" if pins else "-from [all_registers -clock_pins] "
    lines = [
        *(f"read_liberty {{{library}}}" for library in ("no_wires.lib", *map(Path.absolute, libraries))),
        f"read_verilog {{{synthesis.netlist.absolute()}}}",
        f"link_design {top}",
        f"create_clock -name clk -period {trial} [get_ports {clock}]",
        *(["set_input_delay 0 -clock clk [all_inputs]"] if pins else []),
        # Paths to pins of the chip have no required time, and are left out; asynchronous resets are another group.
        f"report_checks {start}-path_group clk -fields {{fanout}} -format full -digits 4",
        "exit",
    ]
    with tempfile.TemporaryDirectory(prefix="lithify-") as folder:
        (Path(folder) / "no_wires.lib").write_text(NO_WIRES, encoding="utf-8")
        (Path(folder) / "timing.tcl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [sta, "-exit", "-no_splash", "timing.tcl"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    slack = re.search(r"^\s*(-?[0-9.]+)\s+slack", run.stdout, re.MULTILINE)
    ends = [re.search(rf"^{word}: (\S+)", run.stdout, re.MULTILINE) for word in ("Startpoint", "Endpoint")]
    if run.returncode or slack is None or ends[0] is None or ends[1] is None:
        failed = [line for line in (run.stdout + run.stderr).splitlines() if "rror" in line]
        reason = failed[-1].strip() if failed else "no path between registers"
        raise LithifyError(f"OpenSTA failed on '{top}': {reason}.")
    report = run.stdout[ends[0].start() :]
    return Clock(corner, (trial - float(slack[1])) * 1e-9, ends[0][1], ends[1][1], stand_in, report)
