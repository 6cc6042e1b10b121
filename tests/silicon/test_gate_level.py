"""What was mapped computes what was written: a netlist's text, the netlist of a lane, and macros as their ports say."""

import re
from pathlib import Path

import numpy as np
import pytest
from tests.rtl.compute import test_lane as lanes
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.errors import LithifyError
from lithify.rtl.compute.lane import Lane
from lithify.rtl.netlist import modules
from lithify.silicon.gate_chip import block_gates, generic_cells
from lithify.silicon.gate_level import Parts, gate_level, macro_verilog
from lithify.silicon.kit import load_kit
from lithify.silicon.netlist import read_netlist
from lithify.silicon.synthesis import synthesize


@pytest.mark.slow
@needs_kit
@pytest.mark.parametrize("name", list(lanes.CHIPS))
def test_a_mapped_lane_gives_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard cells in place of the lane's Verilog, their functions from liberty, against numpy."""
    kit, chip = load_kit(KIT), lanes.CHIPS[name]
    component = Lane(chip)
    files = modules(component)
    mapped = synthesize(files, component.module_name, tmp_path, kit=kit)
    gates = dict(block_gates(mapped, component.module_name, files[f"{component.module_name}.v"], kit))
    assert len(gates) == 1 and mapped.cells > 1_000
    library = lanes.built(chip, gates)
    monkeypatch.setattr(lanes, "lane", lambda _: library)
    cases = lanes.random_cases(np.random.default_rng(11), 50_000)
    np.testing.assert_array_equal(lanes.run(name, cases), lanes.expected(cases, chip.has("add")))


HEAD = """module top(clk, a, b, y);
  input clk;
  wire clk;
  input a;
  wire a;
  input b;
  wire b;
  output y;
  wire y;
"""


def cell(kind: str, **pins: str) -> str:
    wires = ",\n".join(f"    .{pin}({net})" for pin, net in pins.items())
    return f"  {kind} {'_'.join(pins.values())} (\n{wires}\n  );\n"


def ordered(*cells: str) -> str:
    """A netlist of generic gates, made up, in order."""
    netlist = read_netlist(HEAD + "".join(cells) + "endmodule\n", "top", lambda kind: False)
    return gate_level(netlist, "top", HEAD, Parts(generic_cells(), {}, None))


def test_the_text_of_a_netlist() -> None:
    """y becomes a ^ (y & b): what a register becomes is kept by name, until all of them change."""
    text = ordered(
        cell("\\$_DFF_P_ ", C="clk", D="next", Q="y"),
        cell("\\$_XOR_ ", A="a", B="kept", Y="next"),
        cell("\\$_AND_ ", A="y", B="b", Y="kept"),
    )
    (clocked,) = re.findall(r"always @\(posedge clk\) begin\n(.*?)\n  end", text, re.DOTALL)
    (step,) = re.findall(r"no_inline_task\*/\n    begin\n(.*?)\n    end", text, re.DOTALL)
    state, following = re.findall(r"    (q\d+) = (\w+);", clocked)[0]
    assert step.split() == f"{following} = (a^({state}&b));".split() and clocked.split()[0] == "step_0;"
    assert f"    y = {{{state}}};" in text


PART = """module part(clk, d, e, y, q);
  input clk;
  wire clk;
  input d;
  wire d;
  input e;
  wire e;
  output y;
  wire y;
  output q;
  wire q;
"""


def parts(first: str, second: str) -> str:
    """Two instances of a module: q becomes y = d & e; its inputs are given as text, by instance."""
    part = PART + cell("\\$_AND_ ", A="d", B="e", Y="y") + cell("\\$_DFF_P_ ", C="clk", D="y", Q="q") + "endmodule\n"
    wires = [f"  part {name} (\n{pins}\n  );\n" for name, pins in (("one", first), ("two", second))]
    text = part + HEAD + "".join(wires) + cell("\\$_XOR_ ", A="q0", B="q1", Y="y") + "endmodule\n"
    return gate_level(read_netlist(text, "top", lambda kind: False), "top", HEAD, Parts(generic_cells(), {}, None))


def pins(**nets: str) -> str:
    return ",\n".join(f"    .{pin}({net})" for pin, net in nets.items())


def test_instances_of_a_module_are_vectors() -> None:
    """d is the same for both, e is not."""
    text = parts(pins(clk="clk", d="a", e="a", y="y0", q="q0"), pins(clk="clk", d="a", e="b", y="y1", q="q1"))
    assert "    n0v = {2{a}};" in text and "    n1v = {b, a};" in text
    (gate,) = re.findall(r"    (\w+) = \(n0v&n1v\);", text)
    (register,) = re.findall(rf"    (q\d+) = {gate};", text)
    assert re.search(rf"reg \[1:0\] [^;]*\b{register}\b", text) and f"y = {{({register}[0]^{register}[1])}};" in text


def test_instances_that_read_each_other_are_taken_apart() -> None:
    """The logic of the second reads what that of the first gives."""
    text = parts(pins(clk="clk", d="a", e="b", y="y0", q="q0"), pins(clk="clk", d="a", e="y0", y="y1", q="q1"))
    (first,) = re.findall(r"    (n\d+) = \(a&b\);", text)
    assert f" = {{(a&{first}), {first}}};" in text, "their registers stay a vector"
    both = pins(clk="clk", d="a", e="y1", y="y0", q="q0"), pins(clk="clk", d="a", e="y0", y="y1", q="q1")
    with pytest.raises(LithifyError, match=r"^The netlist has a loop of logic: it cannot be run\.$"):
        parts(*both)


def test_what_cannot_run_as_a_netlist_is_refused() -> None:
    with pytest.raises(LithifyError, match=r"^The netlist has a loop of logic: it cannot be run\.$"):
        ordered(cell("\\$_AND_ ", A="a", B="z", Y="y"), cell("\\$_NOT_ ", A="y", Y="z"),
                cell("\\$_DFF_P_ ", C="clk", D="y", Q="w"))  # fmt: skip
    with pytest.raises(LithifyError, match=r"^The netlist has a clock that is made by logic: it cannot be run\.$"):
        ordered(cell("\\$_AND_ ", A="clk", B="b", Y="gated"), cell("\\$_DFF_P_ ", C="gated", D="a", Q="y"))
    with pytest.raises(LithifyError, match=r"^The netlist has cells 'latch', which no liberty file describes\.$"):
        ordered(cell("latch", D="a", Q="y"))


@needs_kit
def test_a_macro_has_the_pins_of_its_outline() -> None:
    kit = load_kit(KIT)
    assert kit.macro_pins is not None
    for macro in kit.macros:
        text = macro_verilog(macro, kit.macro_pins)
        outline = (KIT / "sram" / f"{macro.name}.lef").read_text(encoding="utf-8")
        pins = {line.split()[1].split("[")[0] for line in outline.splitlines() if line.strip().startswith("PIN ")}
        for pin in pins - {"VDD!", "VSS!", "VDDARRAY!"}:
            assert f" {pin}," in text or f" {pin})" in text, f"{macro.name}: {pin}"
