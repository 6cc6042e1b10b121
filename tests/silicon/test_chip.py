"""Chips through synthesis: area and clock on a real kit, printed for the record; units without latches."""

from pathlib import Path

import pytest
from benchmarks import area
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.chip import Chip, load_chip
from lithify.rtl.chip import Top
from lithify.rtl.compute.unit import ComputeUnit
from lithify.rtl.netlist import modules
from lithify.rtl.vector.unit import VectorUnit
from lithify.silicon.chip import chip_banks
from lithify.silicon.clock import sta_program, worst_path
from lithify.silicon.kit import load_kit
from lithify.silicon.synthesis import Memory, Synthesis, synthesize

pytestmark = pytest.mark.slow

CLOCK_FLOOR_HZ = 200e6
"""With the margin for wires."""


def _synthesize(chip: Chip, folder: Path, **options: object) -> Synthesis:
    top = Top(chip, ComputeUnit(chip))
    return synthesize(modules(top), top.module_name, folder, memories=chip_banks(chip), **options)  # type: ignore[arg-type]


@pytest.mark.campaign
@needs_kit
def test_tiny_on_a_real_kit(tmp_path: Path) -> None:
    chip, kit = load_chip("tiny"), load_kit(KIT)
    result = _synthesize(chip, tmp_path, kit=kit)
    print(f"\ntiny on {kit.name}: {result.area / 1e6:.2f} mm2, {result.macro_area / 1e6:.2f} mm2 of it memory macros")
    assert result.macros == {"RM_IHPSG13_1P_512x64_c2_bm_bist": 2 * chip.scratchpad_banks}
    if sta_program() is None:
        pytest.skip("OpenSTA is not installed")
    clock = worst_path(result, "lithify_chip", kit)
    print(f"worst path before layout: {clock.period * 1e9:.2f} ns, {clock.margin_hz / 1e6:.0f} MHz with the margin")
    assert clock.margin_hz >= CLOCK_FLOOR_HZ


def test_chips_are_drawn_by_a_seed() -> None:
    """The same seed, the same chips, all small enough to be mapped in minutes."""
    chips = area.drawn(5, 4)
    assert chips == area.drawn(5, 4) != area.drawn(6, 4)
    assert all(chip.multipliers <= area.MOST_MULTIPLIERS for chip in chips)


@pytest.mark.campaign
@needs_kit
def test_the_area_model_is_within_ten_percent() -> None:
    assert area.main(["--pdk", str(KIT), "--seed", "5", "--chips", "3"]) == 0


def _vector_unit() -> tuple[dict[str, str], str, list[Memory]]:
    """The Verilog of the vector unit of 2 lanes, its name and its memories."""
    chip = Chip.model_validate(load_chip("tiny").model_dump(by_alias=True) | {"vector_lanes": 2})
    assert chip.vector is not None
    unit = VectorUnit(chip.vector)
    files = modules(unit)
    banks = [bank for bank in chip_banks(chip) if f"{bank.module}.v" in files]
    assert {f"{bank.module}.v" for bank in banks} == {name for name in files if name.startswith("lithify_sram")}
    return files, unit.module_name, banks


def test_the_vector_unit_leaves_its_memories_alone(tmp_path: Path) -> None:
    """Without a kit registers, program and table stay black boxes, by the names that the Verilog has."""
    files, name, banks = _vector_unit()
    result = synthesize(files, name, tmp_path, memories=banks)
    print(f"\nvector unit of 2 lanes: {result.cells} generic gates and flip-flops")
    assert result.cells > 20_000


@pytest.mark.campaign
@needs_kit
def test_the_vector_unit_on_a_real_kit(tmp_path: Path) -> None:
    """Its memories are macros, and it is not slower than the rest of the chip."""
    kit = load_kit(KIT)
    files, name, banks = _vector_unit()
    result = synthesize(files, name, tmp_path, kit=kit, memories=banks)
    print(f"\nvector unit of 2 lanes: {result.area / 1e6:.2f} mm2, {result.macro_area / 1e6:.2f} mm2 of it macros")
    assert result.macros == {"RM_IHPSG13_1P_64x64_c2_bm_bist": 5, "RM_IHPSG13_1P_256x32_c2_bm_bist": 2}
    if sta_program() is None:
        pytest.skip("OpenSTA is not installed")
    clock = worst_path(result, name, kit)
    print(f"worst path before layout: {clock.period * 1e9:.2f} ns, {clock.margin_hz / 1e6:.0f} MHz with the margin")
    assert clock.margin_hz >= CLOCK_FLOOR_HZ
