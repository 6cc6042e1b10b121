"""The clock of a layout: its netlist and the weight of its wires, in OpenSTA."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lithify.errors import LithifyError
from lithify.silicon.clock import NO_WIRES, need_sta
from lithify.silicon.route.design import Design

_BIT = re.compile(r"(\w+)\[(\d+)\]$")


def netlist_text(design: Design) -> str:
    """The design as Verilog, flat, its cells by their names in the layout."""
    inputs = [net for net, output in design.ports.items() if not output]
    outputs = [net for net, output in design.ports.items() if output]
    lines = [f"module {design.name} ({', '.join([*inputs, *outputs])});"]
    lines += [*(f"  input {net};" for net in inputs), *(f"  output {net};" for net in outputs)]
    lines += [f"  wire {net};" for net in design.nets if net not in design.ports]
    for cell in design.cells.values():
        single: dict[str, str] = {}
        buses: dict[str, dict[int, str]] = {}
        for pin, net in cell.wires.items():
            bit = _BIT.match(pin)
            if bit is None:
                single[pin] = net
            else:
                buses.setdefault(bit[1], {})[int(bit[2])] = net
        for pin, bits in buses.items():
            single[pin] = "{" + ", ".join(bits[number] for number in sorted(bits, reverse=True)) + "}"
        pins = ", ".join(f".{pin}({net})" for pin, net in single.items())
        lines.append(f"  {cell.kind} {cell.name} ({pins});")
    return "\n".join([*lines, "endmodule", ""])


_CELL = re.compile(r"^\s*cell\s*\(\s*\"?(\w+)", re.MULTILINE)
_PIN = re.compile(r"^\s*pin\s*\(\s*\"?([\w\[\]]+)", re.MULTILINE)
_LOAD = re.compile(r"^\s*(?:rise_|fall_)?capacitance(?:_range)?\s*[:(]([^;)]*)", re.MULTILINE)


def pin_loads(liberty: Path) -> dict[str, dict[str, float]]:
    """Cell -> pin -> farads: the most that a liberty file with picofarads says of a pin.

    So does OpenSTA count where it has no wires. Where it has, it takes the least of the range that a file states, and
    wires of no weight make a path faster: so files of wires have these capacitances in them.
    """
    text = liberty.read_text(encoding="utf-8", errors="replace")
    found: dict[str, dict[str, float]] = {}
    for name, body in _parts(_CELL, text):
        pins = found.setdefault(name, {})
        for pin, inside in _parts(_PIN, body):
            values = [float(word) for entry in _LOAD.findall(inside) for word in entry.split(",") if word.strip()]
            pins[pin] = max(values, default=0.0) * 1e-12
    return found


def _parts(head: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Names, and the text from each to the next."""
    heads = list(head.finditer(text))
    ends = [*(entry.start() for entry in heads[1:]), len(text)]
    return [(entry[1], text[entry.end() : end]) for entry, end in zip(heads, ends, strict=False)]


@dataclass(frozen=True)
class Timed:
    """The slowest path between registers: seconds, its ends by their paths in the chip, and OpenSTA's report."""

    period: float
    start: str
    end: str
    report: str


def time_layout(design: Design, libraries: Sequence[Path], spef: str | None, *, clock: str = "clk") -> Timed | None:
    """The slowest path between registers, the clock ideal, without wires or with those of `spef`, which has the
    capacitances of the pins in it (`pin_loads`). None where no path leads from a register to another.

    Errors: LithifyError where OpenSTA is missing or fails, or does not take the wires.
    """
    sta, trial = need_sta(), 1000.0
    lines = [
        *(f"read_liberty {{{library}}}" for library in ("no_wires.lib", *map(Path.absolute, libraries))),
        "read_verilog design.v",
        f"link_design {design.name}",
        f"create_clock -name clk -period {trial} [get_ports {clock}]",
        *(["read_spef -pin_cap_included design.spef"] if spef is not None else []),
        "report_checks -from [all_registers -clock_pins] -fields {fanout capacitance slew} -format full_clock_expanded "
        "-digits 4",
        "exit",
    ]
    with tempfile.TemporaryDirectory(prefix="lithify-") as folder:
        files = {
            "no_wires.lib": NO_WIRES,
            "design.v": netlist_text(design),
            "timing.tcl": "\n".join(lines) + "\n",
            "design.spef": spef or "",
        }
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        command = [sta, "-exit", "-no_splash", "timing.tcl"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    slack = re.search(r"^\s*(-?[0-9.]+)\s+slack", run.stdout, re.MULTILINE)
    ends = [re.search(rf"^{word}: (\S+)", run.stdout, re.MULTILINE) for word in ("Startpoint", "Endpoint")]
    failed = [line for line in (run.stdout + run.stderr).splitlines() if "rror" in line or "arning" in line]
    if not run.returncode and "No paths found" in run.stdout:
        return None
    if run.returncode or slack is None or ends[0] is None or ends[1] is None:
        raise LithifyError(f"OpenSTA failed on the layout: {(failed or ['no path between registers'])[0].strip()}.")
    if failed:
        raise LithifyError(f"OpenSTA did not take the wires of the layout: {failed[0].strip()}.")
    paths = [design.cells[end[1]].path if end[1] in design.cells else end[1] for end in ends if end is not None]
    return Timed((trial - float(slack[1])) * 1e-9, paths[0], paths[1], run.stdout[ends[0].start() :])
