"""A whole chip at gate level: its netlist runs a network with the bits and the cycles of its Verilog."""

from pathlib import Path

import pytest
from tests.cli.conftest import DATA, NETWORK
from tests.silicon.small import SMALL
from tests.silicon.test_synthesis import KIT, needs_kit

import lithify
from lithify.errors import LithifyError
from lithify.rtl.simulation.build import verilog_sha256
from lithify.rtl.verilog import verilog
from lithify.runtime.gates import gate_device


@pytest.fixture(scope="module")
def program() -> lithify.Program:
    """The small example for the smallest chip."""
    model = lithify.quantize(lithify.optimize(lithify.load(NETWORK)), DATA)
    return lithify.compile(model, chip=SMALL)


def agrees(program: lithify.Program, device_sha256: str, **options: object) -> None:
    found = program.verify(str(DATA), rtl="layers", gates=True, **options)  # type: ignore[arg-type]
    assert found.agreed, found.differences
    assert found.summary.rtl_inputs == 1 and found.summary.words_compared > 1_000
    assert found.summary.retirements_compared > 20 and found.summary.cycles_rtl == found.summary.cycles_timing
    assert found.summary.rtl_sha256 == device_sha256


@pytest.mark.campaign
def test_generic_gates_are_the_same_chip(program: lithify.Program) -> None:
    """Yosys' own gates, so that no process kit is needed."""
    device = gate_device(SMALL)
    assert device.verilog_sha256 != verilog_sha256(verilog(SMALL))
    agrees(program, device.verilog_sha256)


@pytest.mark.campaign
@needs_kit
def test_cells_of_a_kit_are_the_same_chip(program: lithify.Program) -> None:
    """Standard cells by their functions in liberty, clock gates and memory macros by their ports."""
    from lithify.silicon.kit import load_kit

    agrees(program, gate_device(SMALL, load_kit(KIT)).verilog_sha256, pdk=KIT)


@pytest.mark.slow
def test_tiny_has_no_latch_and_its_netlist_runs_a_network(tmp_path: Path) -> None:
    """Of generic gates. `synthesize` refuses latches; without a kit the banks are modelled by their ports."""
    found = lithify.synthesize("tiny", output=tmp_path / "out")
    print(f"\ntiny: {found.nand2:,} NAND2, {found.cells:,} generic gates and flip-flops (synthesised, no kit)")
    assert found.cells > 50_000 and (tmp_path / "out" / "netlist.v").is_file()
    tiny_agrees()


@pytest.mark.campaign
@needs_kit
def test_the_netlist_of_tiny_in_the_cells_of_a_kit_runs_a_network() -> None:
    """With clock gates and memory macros."""
    tiny_agrees(pdk=KIT)


def tiny_agrees(**options: object) -> None:
    model = lithify.quantize(lithify.optimize(lithify.load(NETWORK)), DATA)
    found = lithify.compile(model, chip="tiny").verify(str(DATA), rtl="layers", gates=True, **options)  # type: ignore[arg-type]
    assert found.agreed, found.differences
    assert found.summary.words_compared > 1_000 and found.summary.cycles_rtl == found.summary.cycles_timing


def test_a_kit_without_gates_is_refused(program: lithify.Program, tmp_path: Path) -> None:
    with pytest.raises(LithifyError, match=r"^A process kit is for the netlist: ask for it with gates \(--gates\)"):
        program.verify(str(DATA), pdk=tmp_path)
    with pytest.raises(LithifyError, match=r"^The netlist runs in place of the RTL: give 'layers' or 'full'"):
        program.verify(str(DATA), gates=True, rtl="none")
    with pytest.raises(LithifyError, match=r"^No process kit in "):
        program.verify(str(DATA), gates=True, pdk=tmp_path)
