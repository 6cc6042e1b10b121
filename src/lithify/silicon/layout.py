"""A project for LibreLane, and variables for OpenROAD-flow-scripts: from a synthesised chip to its layout."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lithify.chip import Chip
from lithify.errors import LithifyError
from lithify.rtl.chip import Top
from lithify.silicon.asic import Asic
from lithify.silicon.floorplan import Floorplan, instances, macro_size, picture, plan
from lithify.silicon.kit import Kit, LayoutNames
from lithify.silicon.laid_out import FILE as LAYOUT
from lithify.silicon.laid_out import PICTURE, Planned

PINS = {"N": ("m_axi_.*",), "S": ("s_axi_.*", "irq"), "W": ("clk", "rst"), "E": ("retire.*", ".*result_.*")}
"""Which pins lie at which side of the die: the bus to memory above, the host's below, the traces at the right."""


@dataclass(frozen=True)
class Layout:
    """A layout project. files: name -> text, the configuration of LibreLane first."""

    floorplan: Floorplan
    planned: Planned
    files: dict[str, str]

    @property
    def mm2(self) -> float:
        """The die, square millimetres."""
        return self.floorplan.width * self.floorplan.height / 1e6


def described_for_layout(kit: Kit) -> LayoutNames:
    """What the kit says for layout; LithifyError where it says nothing."""
    if kit.layout is None:
        raise LithifyError(f"The kit '{kit.name}' is not described for layout; see docs/silicon.md.")
    return kit.layout


def layout_project(chip: Chip, kit: Kit, asic: Asic) -> Layout:
    """The project of a chip that was synthesised with a kit.

    Errors: LithifyError where the kit is not described for layout, or lacks the outline of a macro.
    """
    names = described_for_layout(kit)
    verilog = {name: text for name, text in asic.job.files.items() if name.endswith(".v")}
    sizes = {macro: macro_size(kit.folder / names.macro_lef.format(macro=macro)) for macro in asic.job.macros}
    found = instances(verilog, Top.module_name, tuple(sizes))
    assert asic.report.cell_mm2 is not None
    floorplan = plan(found, sizes, asic.report.cell_mm2 * 1e6, names.row)
    period = 1e9 / chip.clock_hz
    assert asic.report.macro_mm2 is not None
    planned = Planned(
        chip.name, kit.name, chip.clock_hz, floorplan.width, floorplan.height, asic.report.cell_mm2,
        asic.report.macro_mm2, len(floorplan.placed),
    )  # fmt: skip
    drawing = picture(floorplan, f"{chip.name} on {kit.name}")
    return Layout(
        floorplan,
        planned,
        {
            "config.json": json.dumps(_librelane(kit, names, asic, floorplan, period, verilog), indent=2) + "\n",
            "chip.sdc": _constraints(period),
            "pins.cfg": _pins(),
            "orfs/config.mk": _orfs(kit, names, asic, floorplan, verilog),
            "orfs/macros.tcl": _macro_placement(floorplan),
            PICTURE: drawing,
            LAYOUT: planned.to_text(),
            **{f"verilog/{name}": text for name, text in verilog.items()},
        },
    )


def _librelane(
    kit: Kit, names: LayoutNames, asic: Asic, floorplan: Floorplan, period: float, verilog: dict[str, str]
) -> dict[str, Any]:
    supplies = [f"{pin}" for pin in names.macro_power]
    macros: dict[str, Any] = {}
    for macro, library in asic.job.macros.items():
        macros[macro] = {
            "gds": [str(_there(kit, names.macro_gds, macro))],
            "lef": [str(_there(kit, names.macro_lef, macro))],
            "lib": {"*": [str(library.absolute())]},
            "instances": {
                item.instance: {"location": [item.x, item.y], "orientation": "N"}
                for item in floorplan.placed
                if item.macro == macro
            },
        }
    return {
        "meta": {"version": 2, "flow": "Classic"},
        "PDK": names.librelane,
        "STD_CELL_LIBRARY": names.cells,
        "DESIGN_NAME": Top.module_name,
        "VERILOG_FILES": [f"dir::verilog/{name}" for name in verilog],
        "CLOCK_PORT": "clk",
        "CLOCK_PERIOD": period,
        "PNR_SDC_FILE": "dir::chip.sdc",
        "SIGNOFF_SDC_FILE": "dir::chip.sdc",
        "FP_SIZING": "absolute",
        "DIE_AREA": [0, 0, floorplan.width, floorplan.height],
        "CORE_AREA": list(floorplan.core),
        "IO_PIN_ORDER_CFG": "dir::pins.cfg",
        "MACROS": macros,
        "VDD_NETS": ["VDD"],
        "GND_NETS": ["VSS"],
        "PDN_MACRO_CONNECTIONS": [
            f"{item.instance.replace('.', chr(92) + '.')} VDD VSS {pin} {names.macro_ground}"
            for item in floorplan.placed
            for pin in supplies
        ],
        "MAX_FANOUT_CONSTRAINT": 24,
    }


def _there(kit: Kit, pattern: str, macro: str) -> Path:
    file = (kit.folder / pattern.format(macro=macro)).absolute()
    if not file.is_file():
        raise LithifyError(f"The kit has no file '{file}': a layout needs its macros whole.")
    return file


def _constraints(period: float) -> str:
    """SDC: the clock, and a third of its period outside of the chip at every pin."""
    return f"""# Clock of {1e3 / period:g} MHz; a third of a period lies outside of the chip at its pins.
create_clock -name clk -period {period:g} [get_ports clk]
set_clock_uncertainty 0.15 [get_clocks clk]
set_clock_transition 0.15 [get_clocks clk]
set inputs [all_inputs -no_clocks]
set_input_delay -max {period / 3:.3f} -clock clk $inputs
set_input_delay -min 0 -clock clk $inputs
set_output_delay -max {period / 3:.3f} -clock clk [all_outputs]
set_output_delay -min 0 -clock clk [all_outputs]
"""


def _pins() -> str:
    parts = [f"#{side}\n" + "\n".join(patterns) + "\n" for side, patterns in PINS.items()]
    return "#BUS_SORT\n" + "\n".join(parts)


def _orfs(kit: Kit, names: LayoutNames, asic: Asic, floorplan: Floorplan, verilog: dict[str, str]) -> str:
    def joined(files: list[str]) -> str:
        return " \\\n  ".join(files)

    files = [f"$(DESIGN_HOME)/verilog/{name}" for name in verilog]
    macros = list(asic.job.macros)
    return f"""# Variables of OpenROAD-flow-scripts: make DESIGN_CONFIG=.../orfs/config.mk DESIGN_HOME=FOLDER
export DESIGN_NAME = {Top.module_name}
export PLATFORM = {names.orfs}
export VERILOG_FILES = {joined(files)}
export SDC_FILE = $(DESIGN_HOME)/chip.sdc
export DIE_AREA = 0 0 {floorplan.width:g} {floorplan.height:g}
export CORE_AREA = {" ".join(f"{value:g}" for value in floorplan.core)}
export MACRO_PLACEMENT_TCL = $(DESIGN_HOME)/orfs/macros.tcl
export ADDITIONAL_LEFS = {joined([str(_there(kit, names.macro_lef, macro)) for macro in macros])}
export ADDITIONAL_LIBS = {joined([str(library.absolute()) for library in asic.job.macros.values()])}
export ADDITIONAL_GDS = {joined([str(_there(kit, names.macro_gds, macro)) for macro in macros])}
export SYNTH_HIERARCHICAL = 1
"""


def _macro_placement(floorplan: Floorplan) -> str:
    lines = [
        f"place_macro -macro_name {{{item.instance.replace('.', '/')}}} -location {{{item.x:g} {item.y:g}}} "
        "-orientation R0 -exact"
        for item in floorplan.placed
    ]
    return "\n".join(lines) + "\n"
