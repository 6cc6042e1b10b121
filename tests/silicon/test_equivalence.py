"""Modules of the chip proved equal to their netlists, and a netlist with one gate changed refused."""

import re

import pytest
from tests.silicon.small import SMALL
from tests.silicon.test_synthesis import KIT, needs_kit

from lithify.errors import LithifyError
from lithify.silicon.asic import Asic, synthesize_chip
from lithify.silicon.cells import library
from lithify.silicon.equivalence import prove_equal
from lithify.silicon.gate_chip import generic_cells
from lithify.silicon.gate_level import Parts
from lithify.silicon.kit import load_kit
from lithify.silicon.synthesis import GATE_NETLIST

pytestmark = pytest.mark.slow

MODULES = ("lithify_chip_load_bursts_rows", "lithify_chip_compute_post_parameters")
"""The loops of a LOAD with their addresses, and what post-processing knows of each channel."""


def texts(asic: Asic, module: str, name: str) -> tuple[str, str]:
    """A module as it was mapped, and the netlist of the whole chip."""
    return asic.job.files[f"{module}.v"], asic.netlist.with_name(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_generic_gates_are_the_module(module: str) -> None:
    verilog, netlist = texts(synthesize_chip(SMALL), module, GATE_NETLIST)
    found = prove_equal(module, verilog, netlist, Parts(generic_cells(), {}, None))
    assert found.registers > 100 and found.cells > 3 * found.registers


@needs_kit
@pytest.mark.parametrize("module", MODULES)
def test_cells_of_a_kit_are_the_module(module: str) -> None:
    """By the functions of its liberty file, registers behind clock gates."""
    kit = load_kit(KIT)
    asic = synthesize_chip(SMALL, kit, corners=())
    verilog, netlist = texts(asic, module, asic.netlist.name)
    found = prove_equal(
        module, verilog, netlist, Parts(library(kit.cells("typical").absolute()).cells, {}, kit.clock_gate)
    )
    assert found.registers > 100 and found.cells > 3 * found.registers


def test_a_changed_gate_is_found() -> None:
    module = MODULES[0]
    verilog, netlist = texts(synthesize_chip(SMALL), module, GATE_NETLIST)
    start = netlist.index(f"module {module}(")
    gates = list(re.finditer(r"\\\$_(AND|OR)_ ", netlist[start : netlist.index("endmodule", start)]))
    gate = gates[len(gates) // 2]
    other = {"AND": "OR", "OR": "AND"}[gate[1]]
    wrong = netlist[: start + gate.start(1)] + other + netlist[start + gate.end(1) :]
    with pytest.raises(LithifyError, match=f"^The proof of '{module}' failed"):
        prove_equal(module, verilog, wrong, Parts(generic_cells(), {}, None))
