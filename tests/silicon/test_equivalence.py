"""Modules of the chip proved equal to their netlists, and a netlist with one gate changed refused."""

import re
from pathlib import Path

import pytest
from tests.silicon.small import SMALL
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.errors import LithifyError
from lithify.rtl.verilog import verilog
from lithify.silicon.cells import library
from lithify.silicon.equivalence import prove_equal
from lithify.silicon.gate_chip import generic_cells
from lithify.silicon.gate_level import Parts
from lithify.silicon.kit import load_kit
from lithify.silicon.synthesis import GATE_NETLIST, synthesize

pytestmark = pytest.mark.slow

LOOPS, PARAMETERS = "lithify_chip_load_bursts_rows", "lithify_chip_compute_post_parameters"
"""The loops of a LOAD with their addresses, and what post-processing knows of each channel."""


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return verilog(SMALL)


def test_generic_gates_are_the_module(files: dict[str, str], tmp_path: Path) -> None:
    """And one gate changed is found."""
    text, parts = files[f"{LOOPS}.v"], Parts(generic_cells(), {}, None)
    mapped = synthesize({f"{LOOPS}.v": text}, LOOPS, tmp_path)
    netlist = mapped.netlist.with_name(GATE_NETLIST).read_text(encoding="utf-8")
    found = prove_equal(LOOPS, text, netlist, parts)
    assert found.registers > 400 and found.cells > 3 * found.registers
    gates = list(re.finditer(r"\\\$_(AND|OR)_ ", netlist))
    gate = gates[len(gates) // 2]
    wrong = netlist[: gate.start(1)] + {"AND": "OR", "OR": "AND"}[gate[1]] + netlist[gate.end(1) :]
    with pytest.raises(LithifyError, match=f"^The proof of '{LOOPS}' failed"):
        prove_equal(LOOPS, text, wrong, parts)


@needs_kit
@pytest.mark.parametrize("module", [LOOPS, PARAMETERS])
def test_cells_of_a_kit_are_the_module(module: str, files: dict[str, str], tmp_path: Path) -> None:
    """By the functions of its liberty file, registers behind clock gates."""
    kit, text = load_kit(KIT), files[f"{module}.v"]
    mapped = synthesize({f"{module}.v": text}, module, tmp_path, kit=kit)
    netlist = mapped.netlist.read_text(encoding="utf-8")
    assert kit.clock_gate is not None and kit.clock_gate.cell in netlist
    parts = Parts(library(kit.cells("typical").absolute()).cells, {}, kit.clock_gate)
    found = prove_equal(module, text, netlist, parts)
    assert found.registers > 400 and found.cells > found.registers
