"""The power of a netlist: what is read from liberty and Verilog, what is worked out of a run, and a whole chip's."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.cli.test_errors import refused
from tests.conftest import Ran
from tests.silicon.small import SMALL
from tests.silicon.test_synthesis import KIT, needs_kit

import lithify
from lithify.chip import write_chip
from lithify.errors import LithifyError
from lithify.silicon.cells import Cell, library
from lithify.silicon.netlist import read_netlist
from lithify.silicon.power.energy import energies
from lithify.silicon.power.evaluate import compiled, evaluate, register_values, toggles
from lithify.silicon.power.waves import Signal, Waves, read_vcd

Run = Callable[..., Ran]

LIBERTY = """library (small) { /* a comment */
  nom_voltage : 2.0; leakage_power_unit : "1nW"; capacitive_load_unit (1,pf);
  power_lut_template (energy) { variable_1 : input_transition_time; variable_2 : total_output_net_capacitance;
    index_1 ("0.0, 0.2"); index_2 ("0.0, 0.1"); }
  cell (nand) { cell_leakage_power : 3; pin (A) { direction : input; capacitance : 0.01; }
    pin (B) { direction : input; capacitance : 0.02; }
    pin (Y) { direction : output; function : "!(A*B)";
      internal_power () { related_pin : "A"; rise_power (energy) { values ("1, 2", "3, 4"); }
        fall_power (scalar) { values (5); } }
      internal_power () { related_pin : "B"; rise_power (scalar) { values (6); }
        fall_power (scalar) { values (7); } } } }
  cell (gate) { cell_leakage_power : 1; statetable ("C E", "S") { table : "L L : - : L"; }
    pin (S) { direction : internal; } pin (G) { direction : output; state_function : "C * S";
      internal_power () { related_pin : "C"; rise_power (scalar) { values (0.5); }
        fall_power (scalar) { values (0.25); } } }
    pin (C) { direction : input; clock : true; capacitance : 0.1; } pin (E) { direction : input; capacitance : 0.01; } }
  cell (flop) { cell_leakage_power : 2; ff (IQ,IQN) { clocked_on : "C"; next_state : "D"; }
    pin (Q) { direction : output; function : "IQ";
      internal_power () { related_pin : "C"; rise_power (scalar) { values (2); } fall_power (scalar) { values (4); } } }
    pin (C) { direction : input; clock : true; capacitance : 0.05;
      internal_power () { when : "D*Q"; rise_power (scalar) { values (0.1); } fall_power (scalar) { values (0.3); } }
      internal_power () { when : "!D*!Q"; rise_power (scalar) { values (0.2); }
        fall_power (scalar) { values (0.4); } } }
    pin (D) { direction : input; capacitance : 0.03;
      internal_power () { when : "C"; rise_power (scalar) { values (1); } fall_power (scalar) { values (1); } }
      internal_power () { when : "!C"; rise_power (scalar) { values (3); } fall_power (scalar) { values (3); } } } }
}
"""

NETLIST = """module inner(d, c, q);
  input d;
  wire d;
  input c;
  wire c;
  output q;
  wire q;
  flop \\state_0__reg  (
    .C(c),
    .D(d),
    .Q(q)
  );
endmodule

module top(clk, \\data[0] , enable, out);
  input clk;
  input \\data[0] ;
  input enable;
  output out;
  wire _1_;
  wire _2_;
  gate _3_ (
    .C(clk),
    .E(enable),
    .G(_1_)
  );
  inner part (
    .c(_1_),
    .d(\\data[0] ),
    .q(_2_)
  );
  nand _4_ (
    .A(_2_),
    .B(enable),
    .Y(out)
  );
endmodule
"""


def words(bits: str) -> np.ndarray:
    """A window from its cycles, the first on the left, repeated to 64."""
    whole = (bits * 64)[:64]
    return np.array([[sum(int(bit) << place for place, bit in enumerate(whole))]], np.uint64)


@pytest.fixture
def cells(tmp_path: Path) -> dict[str, Cell]:
    path = tmp_path / "small.lib"
    path.write_text(LIBERTY, encoding="utf-8")
    return dict(library(path).cells)


def test_liberty_is_read(cells: dict[str, Cell]) -> None:
    nand = cells["nand"]
    assert nand.leakage == pytest.approx(3e-9) and not nand.registered and nand.pins["B"].capacitance == 0.02
    # Halfway between the slews 0 and 0.2 ns.
    assert nand.pins["Y"].energies[0].rise.at(np.array([0.0, 0.05, 0.1, 9.0])).tolist() == [2.0, 2.5, 3.0, 3.0]
    assert cells["flop"].state == "IQ" and cells["gate"].registered and "S" not in cells["gate"].pins


def test_a_file_that_is_no_liberty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.lib"
    path.write_text("library (x) {\n  = ;\n", encoding="utf-8")
    with pytest.raises(LithifyError, match=r"The liberty file 'broken.lib' cannot be read near line 2\."):
        library(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!(A*B)", [1, 1, 1, 0]),
        ("A ^ B", [0, 1, 1, 0]),
        ("(A+!B)", [1, 1, 0, 1]),
        ("A' B", None),
        ("A B", [0, 0, 0, 1]),
    ],
)
def test_functions_of_liberty(text: str, expected: list[int] | None) -> None:
    a, b = np.array([0b1010], np.uint64), np.array([0b1100], np.uint64)
    if expected is None:
        with pytest.raises(LithifyError, match="is not understood"):
            compiled(text, ("A", "B"))
        return
    found = compiled(text, ("A", "B"))([a, b], a.shape)
    assert [int(found[0]) >> bit & 1 for bit in range(4)] == expected


def run_of(data: str, enable: str, state: str) -> Waves:
    given = {"data": words(data), "enable": words(enable), "clk": words("0")}
    values = {Signal("", name, 1): word for name, word in given.items()}
    return Waves({**values, Signal("part.", "state", 1): words(state)}, 1, 64)


def whole(text: str) -> str:
    """The netlist with names as those of vectors of one bit are."""
    return text.replace("\\data[0] ", "data").replace("\\state_0__reg ", "state_reg")


def test_energy_by_hand(cells: dict[str, Cell]) -> None:
    """Data is 0 0 1 1 ..., the clock runs in every second cycle, in which data is 0 and 1 in turn."""
    netlist = read_netlist(whole(NETLIST), "top", lambda kind: cells[kind].registered)
    # Enabled in cycles 0, 2, 4, ...: the state becomes 0 with the first of these, 1 with the next, 0, ...
    waves = run_of(data="0011", enable="10", state="0" + "0011" * 16)
    values = evaluate(netlist, cells, register_values(netlist, cells, waves), 1)
    found = energies(netlist, cells, values, voltage=2.0)
    assert (found.registers, found.gated, found.edges) == (1, 1, 0.5)
    assert found.leakage.sum() == pytest.approx(6e-9)
    top, inner = netlist.modules.index("top"), netlist.modules.index("inner")
    # The gate: its clock pin always, 0.1 pF at 2 V; its output every second cycle.
    assert found.clock[top, 0] == pytest.approx(0.1 * 4 + 0.5 * 0.75)
    # The register's clock, every second cycle: data differs from the state in every one of these but the first.
    same = 1 / 64
    assert found.clock[inner, 0] == pytest.approx(0.5 * 0.05 * 4 + same * 0.6)
    (flop,) = (kind for kind in netlist.kinds if kind.cell == "flop")
    assert toggles(values)[flop.pins["Q"]].tolist() == toggles(values)[flop.pins["D"]].tolist() == [31]
    # Its output drives 0.01 pF, its data pin takes 1 pJ in one half of the cycle and 3 in the other.
    assert found.data[inner, 0] == pytest.approx(31 * (3 + 0.5 * 0.01 * 4 + 2) / 63)


def test_a_register_that_does_something_else_is_refused(cells: dict[str, Cell]) -> None:
    netlist = read_netlist(whole(NETLIST), "top", lambda kind: cells[kind].registered)
    waves = run_of(data="0011", enable="1", state="01")
    values = evaluate(netlist, cells, register_values(netlist, cells, waves), 1)
    with pytest.raises(LithifyError, match=r"The register 'part\.state_reg' of the netlist does not do what"):
        energies(netlist, cells, values, voltage=2.0)


def test_a_register_that_the_run_does_not_know_is_refused(cells: dict[str, Cell]) -> None:
    netlist = read_netlist(whole(NETLIST).replace("state_reg", "other_reg"), "top", lambda kind: cells[kind].registered)
    with pytest.raises(
        LithifyError, match=r"The register 'part\.other' of the netlist is not in the simulated Verilog"
    ):
        register_values(netlist, cells, run_of("01", "1", "01"))


def test_a_vcd_file_is_read_in_windows(tmp_path: Path) -> None:
    steps = "".join(
        f"#{cycle}\n{cycle % 2}!\n" + (f"b{cycle // 32:02b} #\n" if cycle % 32 == 0 else "") for cycle in range(64)
    )
    head = "$scope module TOP $end\n $scope module top $end\n  $var wire 1 ! clk $end\n  $scope module part $end\n"
    head += "   $var wire 2 # count [1:0] $end\n  $upscope $end\n $upscope $end\n$upscope $end\n$enddefinitions $end\n"
    path = tmp_path / "run.vcd"
    path.write_text(head + steps, encoding="utf-8")
    found = read_vcd(path, "top", lambda signal: True)
    assert found[Signal("", "clk", 1)].tolist() == [[0xAAAAAAAAAAAAAAAA]]
    assert found[Signal("part.", "count", 2)].tolist() == [[0xFFFFFFFF00000000], [0]]


def test_power_needs_a_kit_and_the_programs_chip(run: Run, tmp_path: Path) -> None:
    model = lithify.load("examples/digits_cnn.onnx")
    program = lithify.compile(lithify.quantize(lithify.optimize(model), "examples/digits.npz"), chip="tiny")
    program.save(tmp_path / "p.lith")
    expected = "Power needs a process kit: name its folder (pdk, or --pdk), or leave the program out."
    assert refused(run("synth", "--power", tmp_path / "p.lith")) == expected


@pytest.mark.slow
@needs_kit
def test_a_chip_runs_a_network(run: Run, tmp_path: Path) -> None:
    """The whole way, on the smallest chip: every register found and right, and clock gates save power."""
    (tmp_path / "small.toml").write_text(write_chip(SMALL), encoding="utf-8")
    model = lithify.load("examples/digits_cnn.onnx")
    quantized = lithify.quantize(lithify.optimize(model), "examples/digits.npz")
    program = lithify.compile(quantized, chip=SMALL)
    program.save(tmp_path / "p.lith")
    words = (
        "synth",
        "--pdk",
        KIT,
        "--power",
        tmp_path / "p.lith",
        "--data",
        "examples/digits.npz",
        "--corner",
        "typical",
    )
    ran = run(*words, "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)["power"]
    assert found["cycles"] == program.simulate().cycles
    assert sum(sum(block[part] for part in ("clock", "data", "leakage")) for block in found["blocks"]) == pytest.approx(
        found["milliwatts"], rel=1e-6
    )
    plain = lithify.synthesize(
        SMALL, KIT, power=program, data="examples/digits.npz", clock_gates=False, corners=["typical"]
    )
    assert plain.power is not None and plain.power.gated == 0 and plain.power.clock_edges == 1.0
    assert found["milliwatts"] < 0.7 * plain.power.milliwatts
    assert {block.name for block in plain.power.blocks} >= {"array", "memories"}
    assert re.search("glitches", " ".join(plain.notes))
