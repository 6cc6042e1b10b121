"""Other kits by the same small description: one made up here, with pins and cells unlike those of any other."""

import re
from pathlib import Path

import pytest
from tests.silicon.test_synthesis import BANK, TOP

from lithify.errors import LithifyError
from lithify.silicon.clock import sta_program, worst_path
from lithify.silicon.gate_level import macro_verilog
from lithify.silicon.kit import load_kit
from lithify.silicon.macros import bank_verilog, tile
from lithify.silicon.synthesis import Memory, synthesize

HEAD = """library ({name}) {{
  delay_model : table_lookup; time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA";
  leakage_power_unit : "1nW"; pulling_resistance_unit : "1kohm"; capacitive_load_unit (1, pf);
  nom_process : 1; nom_voltage : 1; nom_temperature : 25;
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
  lu_table_template (grid) {{ variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0.01, 1.0"); index_2 ("0.001, 0.2"); }}
  type (data_bus) {{ base_type : array; data_type : bit; bit_width : 24; bit_from : 23; bit_to : 0; downto : true; }}
  type (address_bus) {{ base_type : array; data_type : bit; bit_width : 8; bit_from : 7; bit_to : 0; downto : true; }}
  type (mask_bus) {{ base_type : array; data_type : bit; bit_width : 3; bit_from : 2; bit_to : 0; downto : true; }}
"""
GATES = {
    "NOT": (1.0, "!A", "A"),
    "REPEAT": (2.0, "A", "A"),
    "NEITHER": (1.5, "!(A|B)", "AB"),
    "NAND": (2.0, "!(A&B)", "AB"),
    "DIFFER": (4.0, "A^B", "AB"),
}
KIT = """name = "made-up"
tested = true
marker = "cells.lib"
driving_cell = "REPEAT"
tie_high = "TIED H"
tie_low = "TIED L"
nand2 = "NAND"
[corners.typical]
cells = "cells.lib"
macros = "{macro}.lib"
[corners.hot]
cells = "cells_hot.lib"
[[macros]]
name = "STORE_256x24"
words = 256
bits = 24
[macro_pins]
clock = "ck"
enable = "csn"
write = "wen"
low = ["enable", "write"]
address = "a"
data_in = "d"
data_out = "q"
ones = [{ pin = "mask", bits = "bytes" }]
zeros = ["test", { pin = "a2", bits = "address" }]
"""


def arc(delay: float, related: str, kind: str = "", word: str = "cell_rise cell_fall") -> str:
    """A timing arc whose four tables hold one delay, a little longer with the load."""
    table = f'(grid) {{ values ("{delay}, {3 * delay}", "{2 * delay}, {4 * delay}"); }}'
    tables = " ".join(f"{name} {table}" for name in (*word.split(), "rise_transition", "fall_transition"))
    return f'timing () {{ related_pin : "{related}"; {kind} {tables} }}'


def setup(clock: str) -> str:
    """A timing check, without which a cell is no register to OpenSTA."""
    limits = " ".join(f'{edge}_constraint (scalar) {{ values ("0.05"); }}' for edge in ("rise", "fall"))
    return f'timing () {{ related_pin : "{clock}"; timing_type : setup_rising; {limits} }}'


def cells(name: str, slow: float) -> str:
    """Liberty of a few cells."""
    text = HEAD.format(name=name)
    for cell, (area, function, pins) in GATES.items():
        inputs = " ".join(f"pin ({pin}) {{ direction : input; capacitance : 0.002; }}" for pin in pins)
        arcs = " ".join(arc(0.02 * slow, pin, "timing_sense : non_unate;") for pin in pins)
        text += f"cell ({cell}) {{\n  area : {area};\n  {inputs}\n"
        text += f'  pin (Y) {{ direction : output; max_capacitance : 0.3; function : "{function}"; {arcs} }}\n}}\n'
    text += "cell (TIED) {\n  area : 1.0;\n"
    text += '  pin (H) { direction : output; function : "1"; }\n  pin (L) { direction : output; function : "0"; }\n}\n'
    text += f"""cell (KEEP) {{
  area : 6.0;
  ff (IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; }}
  pin (CK) {{ direction : input; capacitance : 0.002; clock : true; }}
  pin (D) {{ direction : input; capacitance : 0.002; {setup("CK")} }}
  pin (Q) {{ direction : output; max_capacitance : 0.3; function : "IQ";
    {arc(0.1 * slow, "CK", "timing_type : rising_edge;")} }}
}}
"""
    return text + "}\n"


def memory() -> str:
    """Liberty of the one macro."""
    pins = "".join(
        f"  pin ({pin}) {{ direction : input; capacitance : 0.01; {more} }}\n"
        for pin, more in (("ck", "clock : true;"), *((pin, setup("ck")) for pin in ("csn", "wen", "test")))
    )
    buses = "".join(
        f"  bus ({name}) {{ bus_type : {kind}; direction : input; capacitance : 0.01; }}\n"
        for name, kind in (("a", "address_bus"), ("a2", "address_bus"), ("d", "data_bus"), ("mask", "mask_bus"))
    )
    out = "  bus (q) { bus_type : data_bus; direction : output; max_capacitance : 0.3;\n    "
    out += arc(1.5, "ck", "timing_type : rising_edge;") + " }\n"
    return HEAD.format(name="STORE") + f"cell (STORE_256x24) {{\n  area : 5000.0;\n{pins}{buses}{out}}}\n}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole kit."""
    (tmp_path / "kit.toml").write_text(KIT, encoding="utf-8")
    (tmp_path / "cells.lib").write_text(cells("cells", 1.0), encoding="utf-8")
    (tmp_path / "cells_hot.lib").write_text(cells("cells_hot", 2.0), encoding="utf-8")
    (tmp_path / "STORE_256x24.lib").write_text(memory(), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_design_on_a_kit_of_ones_own(folder: Path, tmp_path: Path) -> None:
    """Cells, tie cells, a memory whose pins act while they are low; two corners."""
    kit = load_kit(folder)
    assert kit.name == "made-up" and not kit.tested, "a description of the user's is never called tested"
    files = {"top.v": TOP, "bank.v": BANK}
    result = synthesize(files, "top", tmp_path / "out", kit=kit, memories=[Memory("bank", 512, 72)])
    assert result.macros == {"STORE_256x24": 6}, "three across for 72 bits, two deep for 512 words"
    assert result.macro_area == 6 * 5000.0
    used = set(re.findall(r"^  (\w+) \S+ \($", result.netlist.read_text(encoding="utf-8"), re.MULTILINE))
    assert used - {"bank"} <= {*GATES, "KEEP", "TIED", "STORE_256x24"} and {"KEEP", "TIED", "STORE_256x24"} <= used
    if sta_program() is None:
        pytest.skip("OpenSTA is not installed")
    typical, hot = worst_path(result, "top", kit), worst_path(result, "top", kit, corner="hot")
    assert 1.5e-9 < typical.period < hot.period and hot.typical_macros and not typical.typical_macros


def test_pins_that_act_while_low(folder: Path) -> None:
    kit = load_kit(folder)
    tiling = tile(kit, 512, 72)
    assert tiling is not None and (tiling.across, tiling.deep) == (3, 2)
    text = bank_verilog(kit, "bank", 512, 72, tiling)
    assert ".csn(!(select_0)), .wen(!(write_enable)), .a(full_address[7:0])" in text
    assert ".mask({3{1'b1}}), .test({1{1'b0}}), .a2({8{1'b0}})" in text
    assert kit.macro_pins is not None
    model = macro_verilog(kit.macros[0], kit.macro_pins)
    assert "if (!(csn)) begin" in model and "if (!(wen)) memory[a] <= d;" in model and "else q <= memory[a];" in model


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('nand2 = "NAND"\n', ""), "does not describe a process kit: 'nand2': field required; see docs/silicon.md."),
        (('low = ["enable"', 'low = ["reset"'), "does not describe a process kit: 'macro_pins.low.0': input should"),
        (("[corners.typical]", "[corners.typical"), "is not TOML: "),
    ],
)  # fmt: skip
def test_a_wrong_description_is_refused(folder: Path, change: tuple[str, str], said: str) -> None:
    text = (folder / "kit.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (folder / "kit.toml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(LithifyError) as error:
        load_kit(folder)
    assert str(error.value).startswith(f"'{folder / 'kit.toml'}' {said}")


@pytest.mark.parametrize("name", ["gf180mcu", "sky130-hd"])
def test_kits_that_were_not_run_are_marked(name: str, tmp_path: Path) -> None:
    """They are found by their marker, their tables are whole, and they say that they are untested."""
    from importlib import resources
    from tomllib import loads

    texts = [entry.read_text(encoding="utf-8") for entry in (resources.files("lithify.silicon") / "kits").iterdir()]
    (table,) = [found for found in map(loads, texts) if found["name"] == name]
    marker = tmp_path / table["marker"]
    marker.parent.mkdir(parents=True)
    marker.write_text("", encoding="utf-8")
    kit = load_kit(tmp_path)
    assert kit.name == name and not kit.tested and kit.cells("typical") == marker
    assert set(kit.corners) == {"typical", "slow", "fast"} and kit.macros and kit.macro_pins is not None
    with pytest.raises(LithifyError, match=r"lacks the file '.*' of the corner 'slow'"):
        kit.require("slow")
