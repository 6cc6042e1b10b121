"""A module of a chip and its netlist, proved equal for all inputs by Yosys.

Both are cut at their registers, which synthesis leaves the names of: from equal states, whatever the inputs, outputs
and next states are equal.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lithify.rtl import yosys
from lithify.rtl.simulation.toolchain import call
from lithify.silicon.gate_level import Parts, gate_level
from lithify.silicon.netlist import Netlist, plain, read_netlist

_REGISTER = re.compile(r"^  reg (?:signed )?(?:\[(\d+):0\] )?(\\\S+|\w+)\s*(?:=[^;]*)?;", re.MULTILINE)

GOLD = "proc; flatten; memory -nomap; opt_clean; dffunmap; splitnets; rename {module} gold"
GATE = "proc; opt_clean; dffunmap; rename {module} gate"
PROOF = "equiv_make gold gate equal; hierarchy -top equal; opt_clean; equiv_simple; equiv_status -assert"


@dataclass(frozen=True)
class Equal:
    """cells: of the module's netlist; registers: those of them that are one, found in the Verilog by their names."""

    module: str
    cells: int
    registers: int


def prove_equal(module: str, verilog: str, netlist_text: str, parts: Parts) -> Equal:
    """Prove that a module without submodules and memories is its netlist.

    verilog: of the module, as it was mapped; netlist_text: of the whole chip. Errors: LithifyError where the two differ
    or the proof is not found.
    """
    netlist = read_netlist(netlist_text, module, lambda kind: kind in parts.cells and parts.cells[kind].registered)
    names = {
        plain("", f"{name}[{bit}]" if high else name): f"\\{name}[{bit}] " if high else f"\\{name} "
        for high, name in ((high, name.lstrip("\\")) for high, name in _REGISTER.findall(verilog))
        for bit in range(int(high or 0) + 1)
    }
    states = _states(netlist, parts, names)
    gate = gate_level(netlist, module, verilog, parts, states)
    with tempfile.TemporaryDirectory(prefix="lithify-") as name:
        folder = Path(name)
        (folder / "gold.v").write_text(verilog, encoding="utf-8")
        (folder / "gate.v").write_text(gate, encoding="utf-8")
        script = [
            "read_verilog -sv gold.v", f"hierarchy -top {module}", *GOLD.format(module=module).split("; "),
            "design -stash one", "read_verilog -sv gate.v", f"hierarchy -top {module}",
            *GATE.format(module=module).split("; "), "design -copy-from one gold", *PROOF.split("; "),
        ]  # fmt: skip
        (folder / "proof.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
        call([*yosys.COMMAND, "-q", "proof.ys"], folder, f"The proof of '{module}'", **yosys.environment())
    return Equal(module, sum(len(kind.owners) for kind in netlist.kinds), len(states))


def _states(netlist: Netlist, parts: Parts, names: Mapping[str, str]) -> dict[int, str]:
    """The names of the Verilog's registers, by the nets of the netlist's."""
    found = {}
    for kind in netlist.kinds:
        cell = parts.cells[kind.cell] if kind.cell in parts.cells else None
        if cell is None or cell.next_state is None:
            continue
        for pin, nets in kind.pins.items():
            if cell.pins[pin].output and cell.pins[pin].function == cell.state:
                for net, name in zip(nets.tolist(), kind.names, strict=True):
                    known = names.get(plain("", name.removesuffix("_reg")))
                    if known is not None:
                        found[net] = known
    return found
