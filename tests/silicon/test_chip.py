"""The smallest chip through synthesis: no latch, and area and clock on a real kit, printed for the record."""

from pathlib import Path

import pytest
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.chip import Chip, load_chip
from lithify.rtl.chip import Top
from lithify.rtl.compute.unit import ComputeUnit
from lithify.rtl.netlist import modules
from lithify.silicon.clock import sta_program, worst_path
from lithify.silicon.kit import load_kit
from lithify.silicon.synthesis import Memory, Synthesis, synthesize

pytestmark = pytest.mark.slow

# Under what was recorded (98 MHz, the accumulators' loop): the test fails on a lost pipeline stage, not on a gate.
CLOCK_FLOOR_HZ = 90e6


def _synthesize(chip: Chip, folder: Path, **options: object) -> Synthesis:
    top = Top(chip, ComputeUnit(chip))
    bits = 8 * chip.word_bytes
    bank = Memory(f"lithify_sram_{chip.bank_words}x{bits}", chip.bank_words, bits)
    return synthesize(modules(top), top.module_name, folder, memories=[bank], **options)  # type: ignore[arg-type]


def test_tiny_has_no_latch(tmp_path: Path) -> None:
    """`synthesize` refuses latches; without a kit the banks stay black boxes."""
    result = _synthesize(load_chip("tiny"), tmp_path)
    print(f"\ntiny: {result.cells} generic gates and flip-flops (synthesised, no kit)")
    assert result.cells > 50_000


@needs_kit
def test_tiny_on_a_real_kit(tmp_path: Path) -> None:
    chip, kit = load_chip("tiny"), load_kit(KIT)
    result = _synthesize(chip, tmp_path, kit=kit)
    print(f"\ntiny on {kit.name}: {result.area / 1e6:.2f} mm2, {result.macro_area / 1e6:.2f} mm2 of it memory macros")
    assert sum(result.macros.values()) == chip.scratchpad_banks
    if sta_program() is None:
        pytest.skip("OpenSTA is not installed")
    clock = worst_path(result, "lithify_chip", kit)
    print(f"worst path before layout: {clock.period * 1e9:.2f} ns, {clock.hz / 1e6:.0f} MHz")
    assert clock.hz > CLOCK_FLOOR_HZ
