"""Registers with their conditions in the clocked block: ``always @(posedge clk) if (enable) register <= value;``.

Amaranth's writer works out what each register becomes in a block of its own, whose default is the register itself, and
clocks that. Told so, Verilator computes and copies every register in every cycle; told the condition, it leaves out
what is idle (decisions/0034).
"""

import re
from collections import Counter

_TAKEN = re.compile(r"^  always @\(posedge clk\)\n    (?P<register>.+?) <= (?P<next>\\\$\d+) ;\n", re.M)
"""A register that takes an unnamed wire."""

_WORKED_OUT = re.compile(
    r"^  always @\* begin\n(?:    if \(\\\$auto\S+ \) begin end\n)?(?P<statements>.*?)^  end\n",
    re.M | re.DOTALL,
)
"""A block of logic; the condition without statements is for simulators that would not run it at the start."""

_DECLARED = re.compile(r"^  reg (?:signed )?(?:\[\d+:0\] )?(?P<next>\\\$\d+) ;\n", re.M)
_NAME = re.compile(r"\\\$\d+(?= )")

_TARGET = re.compile(r"^ +(\\\S+|\w+) ?(?: |\[[^]]*\] )= ", re.M)
"""What a statement assigns to."""


def clocked(module: str) -> str:
    """The Verilog text of a module with every block that works out one register, and nothing else, made its clocked
    one.
    """
    registers = {found["next"]: found["register"] for found in _TAKEN.finditer(module)}
    uses = Counter(_NAME.findall(module))
    merged = set()

    def merge(block: re.Match[str]) -> str:
        statements = block["statements"]
        targets = _TARGET.findall(statements)
        name = targets[0] if targets else ""
        # Declared, taken by the register, and assigned here: whatever else reads it or is assigned here forbids it.
        if name not in registers or set(targets) != {name} or uses[name] != len(targets) + 2:
            return block[0]
        merged.add(name)
        register = registers[name]
        statements = statements.removeprefix(f"    {name}  = {register};\n")  # keeping its value goes without saying
        assignment = re.compile(rf"^( +){re.escape(name)} (?: |(\[[^]]*\]) )= ", re.M)
        statements = assignment.sub(lambda found: f"{found[1]}{register}{found[2] or ''} <= ", statements)
        return f"  always @(posedge clk) begin\n{statements}  end\n"

    module = _WORKED_OUT.sub(merge, module)
    for line in (_TAKEN, _DECLARED):
        module = line.sub(lambda found: "" if found["next"] in merged else found[0], module)
    return module
