"""What was mapped computes what was written: the netlist of a lane on random cases, and macros as their ports say."""

from pathlib import Path

import numpy as np
import pytest
from tests.rtl.compute import test_lane as lanes
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.rtl.compute.lane import Lane
from lithify.rtl.netlist import modules
from lithify.silicon.gate_level import cells_verilog, gate_level, macro_verilog
from lithify.silicon.kit import load_kit
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
    gates = gate_level(mapped, component.module_name, files[f"{component.module_name}.v"], kit)
    assert gates["gates.v"].count("sg13g2_") > 1_000 and "always" not in gates["gates.v"]
    library = lanes.built(chip, gates)
    monkeypatch.setattr(lanes, "lane", lambda _: library)
    cases = lanes.random_cases(np.random.default_rng(11), 50_000)
    np.testing.assert_array_equal(lanes.run(name, cases), lanes.expected(cases, chip.has("add")))


@needs_kit
def test_every_cell_has_its_function() -> None:
    text = cells_verilog(load_kit(KIT))
    nand = text[text.index("module sg13g2_nand2_1(") :]
    assert "~" in nand[: nand.index("endmodule")] and "&" in nand[: nand.index("endmodule")]
    assert "posedge CLK" in text[text.index("module sg13g2_dfrbpq_1(") :][:600]


@needs_kit
def test_a_macro_has_the_pins_of_its_outline() -> None:
    kit = load_kit(KIT)
    for macro in kit.macros:
        text = macro_verilog(kit, macro)
        outline = (KIT / "sram" / f"{macro.name}.lef").read_text(encoding="utf-8")
        pins = {line.split()[1].split("[")[0] for line in outline.splitlines() if line.strip().startswith("PIN ")}
        for pin in pins - {"VDD!", "VSS!", "VDDARRAY!"}:
            assert f" {pin}," in text or f" {pin})" in text, f"{macro.name}: {pin}"
