"""A chip's Verilog, from its description."""

from lithify.chip import Chip
from lithify.rtl.chip import Top
from lithify.rtl.compute.unit import ComputeUnit
from lithify.rtl.netlist import modules

TOP_FILE = f"{Top.module_name}.v"


def verilog(chip: Chip) -> dict[str, str]:
    """The Verilog of the whole chip: file name -> text, one file a module, the top module `lithify_chip` first.

    The same chip gives the same text on every machine; its hash names the design.
    """
    return modules(Top(chip, ComputeUnit(chip)))
