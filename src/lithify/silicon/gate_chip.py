"""The netlist of a whole chip as Verilog that a simulator runs in place of the chip's own."""

import re
from collections.abc import Mapping

from lithify.chip import Chip
from lithify.rtl.chip import Top
from lithify.silicon.asic import Asic
from lithify.silicon.chip import chip_banks
from lithify.silicon.gate_level import gate_level
from lithify.silicon.kit import Kit
from lithify.silicon.synthesis import result


def chip_gates(chip: Chip, asic: Asic, kit: Kit | None) -> Mapping[str, str]:
    """File name -> text of a synthesised chip: of a kit's cells, with models of its memory macros, or of generic gates.

    The top module has the name and the ports of the chip's own.
    """
    top = f"{Top.module_name}.v"
    if kit is not None:
        return gate_level(result(asic.job, asic.netlist.parent), Top.module_name, asic.job.files[top], kit)
    # Without a kit memories were left out of synthesis: they are what they were.
    memories = {f"{bank.module}.v": asic.job.files[f"{bank.module}.v"] for bank in chip_banks(chip)}
    netlist = asic.netlist.read_text(encoding="utf-8")
    # The top module apart: the harness reads its ports from its file.
    found = re.search(rf"^module {Top.module_name}\(.*?^endmodule$", netlist, re.MULTILINE | re.DOTALL)
    assert found is not None, "the netlist has the chip's top module"
    return {top: found[0] + "\n", "gates.v": netlist.replace(found[0], "", 1), **memories}
