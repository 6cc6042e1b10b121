"""A mapped netlist as Verilog that a simulator runs in place of the block it was made of.

The functions of the cells come from the kit's liberty file, so that what is simulated is what would be laid out, but
for the delays. Memory macros are modelled by their ports.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.rtl.simulation.cache import cached, digest
from lithify.silicon.kit import Kit, Macro
from lithify.silicon.synthesis import Synthesis, yosys_command, yosys_version

_PORT = re.compile(r"^\s*(input|output)\s+(?:signed\s+)?(?:\[(\d+):0\]\s*)?(\w+)\s*;", re.MULTILINE)
_MODULE = re.compile(r"^module (\w+).*?^endmodule$", re.MULTILINE | re.DOTALL)


def cells_verilog(kit: Kit) -> str:
    """Every cell of the kit as a Verilog module, by Yosys from the functions in its liberty file."""
    library = kit.cells("typical")

    def make(folder: Path) -> None:
        shutil.copyfile(library, folder / library.name)
        script = f"read_liberty -ignore_miss_func {library.name}\nwrite_verilog -noattr cells.v\n"
        (folder / "cells.ys").write_text(script, encoding="utf-8")
        run = subprocess.run(
            [*yosys_command(), "-q", "cells.ys"],
            cwd=folder,
            env={**os.environ, **yosys.environment()},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        if run.returncode:
            raise LithifyError(
                f"Yosys failed on the cells of '{kit.name}': {(run.stdout + run.stderr).strip()[-200:]}."
            )
        (folder / library.name).unlink()

    key = digest([yosys_version(), library.read_bytes()])
    return (cached("cells", key, make) / "cells.v").read_text(encoding="utf-8")


def macro_verilog(kit: Kit, macro: Macro) -> str:
    """A single-port memory macro by its ports: a write, or a read whose word stays until the next."""
    pins = kit.macro_pins
    assert pins is not None, "a kit with macros names their pins"
    ports = [
        f"input {pins.clock}", f"input {pins.enable}", f"input {pins.write}",
        *([f"input {pins.read}"] if pins.read else []),
        f"input [{(macro.words - 1).bit_length() - 1}:0] {pins.address}", f"input [{macro.bits - 1}:0] {pins.data_in}",
        f"output reg [{macro.bits - 1}:0] {pins.data_out}",
    ]  # fmt: skip
    ports += [f"input [{tied.width(macro) - 1}:0] {tied.pin}" for tied in (*pins.ones, *pins.zeros)]
    read = f"if ({pins.level('read', pins.read)}) " if pins.read else ""
    return f"""module {macro.name}({", ".join(ports)});
  reg [{macro.bits - 1}:0] memory [0:{macro.words - 1}];
  always @(posedge {pins.clock}) if ({pins.level("enable", pins.enable)}) begin
    if ({pins.level("write", pins.write)}) memory[{pins.address}] <= {pins.data_in};
    else {read}{pins.data_out} <= memory[{pins.address}];
  end
endmodule
"""


def clock_gate_verilog(kit: Kit) -> str:
    """The kit's clock gate: a latch that is open while the clock is low, and an and gate; "" where it has none."""
    gate = kit.clock_gate
    if gate is None:
        return ""
    return f"""module {gate.cell}(input {gate.clock}, input {gate.enable}, output {gate.output});
  reg enable;
  always @* if (!{gate.clock}) enable = {gate.enable};
  assign {gate.output} = {gate.clock} & enable;
endmodule
"""


def gate_level(synthesis: Synthesis, top: str, verilog: str, kit: Kit) -> dict[str, str]:
    """The netlist of module `top`, with the cells and macros it uses, behind the ports that `verilog`, the text of that
    module before synthesis, gives it. File name -> text; the wrapper is `<top>.v`.
    """
    netlist = synthesis.netlist.read_text(encoding="utf-8")
    gates = f"{top}_gates"
    renamed, times = re.subn(rf"^module {re.escape(top)}\(", f"module {gates}(", netlist, flags=re.MULTILINE)
    assert times == 1, f"{times} modules {top} in the netlist"
    used = set(re.findall(r"^  (\w+) (?:\\\S+ |\w+ )\($", netlist, re.MULTILINE))
    cells = [found[0] for found in _MODULE.finditer(cells_verilog(kit)) if found[1] in used]
    if kit.clock_gate is not None and kit.clock_gate.cell in used:
        # Its function is that of a latch, which Yosys does not read from liberty.
        cells = [text for text in cells if not text.startswith(f"module {kit.clock_gate.cell}(")]
        cells.append(clock_gate_verilog(kit))
    macros = [macro_verilog(kit, macro) for macro in kit.macros if macro.name in synthesis.macros]
    ports = [(kind, int(high or 0) + 1 if high else 1, name) for kind, high, name in _PORT.findall(verilog)]
    wires = []
    for _, bits, name in ports:
        vector = re.search(rf"\\{name}\[0\] ", renamed) is not None
        if vector:
            wires += [f".\\{name}[{bit}] ({name}[{bit}])" for bit in range(bits)]
        else:
            wires.append(f".{name}({name})")
    # Declared one by one, as the chip's own Verilog does, which the simulator's harness reads.
    heads = "".join(f"  {kind} {f'[{bits - 1}:0] ' if bits > 1 else ''}{name};\n" for kind, bits, name in ports)
    names = ", ".join(name for _, _, name in ports)
    wrapper = f"module {top}({names});\n{heads}  {gates} gates ({', '.join(wires)});\nendmodule\n"
    return {f"{top}.v": wrapper, "gates.v": renamed, "cells.v": "\n".join([*cells, *macros, ""])}
