"""The power of a chip, block by block, while it runs a program."""

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lithify.isa.program import Program
from lithify.silicon.asic import BLOCKS, Asic
from lithify.silicon.cells import Cell, library
from lithify.silicon.gate_level import macro_verilog
from lithify.silicon.kit import Kit
from lithify.silicon.netlist import read_netlist
from lithify.silicon.power.energy import Energies, energies
from lithify.silicon.power.evaluate import evaluate, register_values
from lithify.silicon.power.waves import WINDOW, Waves

MEMORIES = "memories"
"""The block of all memory macros."""


@dataclass(frozen=True)
class BlockPower:
    """Milliwatts of a block. clock: of its clock pins and clock gates; data: of all else that moves; leakage."""

    name: str
    clock: float
    data: float
    leakage: float

    @property
    def total(self) -> float:
        """Milliwatts in all."""
        return self.clock + self.data + self.leakage


@dataclass(frozen=True)
class Power:
    """What a chip takes while it runs a program, at the typical corner, before layout.

    clock_mhz: of the chip's description. cycles: of the run in RTL; sampled: those of them that were looked at.
    milliwatts: on average over the run; error: its standard error by the sampling, of 1. microjoules: of one
    inference, DRAM not counted. registers, gated: how many, and how many of them behind clock gates; clock_edges: the
    share of a register's clock edges that reach it, on average.
    """

    program: str
    clock_mhz: float
    cycles: int
    sampled: int
    milliwatts: float
    error: float
    microjoules: float
    registers: int
    gated: int
    clock_edges: float
    blocks: tuple[BlockPower, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and texts."""
        return asdict(self)


NOTES = (
    "Power: registers, memories and pins move as in the run of the Verilog, all other nets as the mapped cells compute "
    "from these, so that every net's activity is known; the registers' next values were checked against the run.",
    "Power leaves out wires, the buffers of the clock's tree, and glitches.",
)


def run_files(asic: Asic, kit: Kit) -> dict[str, str]:
    """The very Verilog that was mapped, with models of its memory macros: what a simulator runs."""
    files = {name: text for name, text in asic.job.files.items() if name.endswith(".v")}
    pins = kit.macro_pins
    macros = [macro for macro in kit.macros if macro.name in asic.job.macros and pins is not None]
    return files | {"macros.v": "\n".join(macro_verilog(macro, pins) for macro in macros if pins is not None)}


def netlist_energies(asic: Asic, kit: Kit, waves: Waves) -> tuple[tuple[str, ...], Energies]:
    """The names of the netlist's modules, and what their cells take in every window."""
    typical = library(kit.cells("typical").absolute())
    cells: dict[str, Cell] = dict(typical.cells)
    for path in asic.job.macros.values():
        cells |= library(path.absolute()).cells
    text = asic.netlist.read_text(encoding="utf-8")
    netlist = read_netlist(text, asic.job.top, lambda kind: cells[kind].registered)
    values = evaluate(netlist, cells, register_values(netlist, cells, waves), waves.windows)
    return netlist.modules, energies(netlist, cells, values, typical.voltage)


def power_of(program: Program, found: tuple[tuple[str, ...], Energies], waves: Waves) -> Power:
    """The milliwatts of the blocks at the clock of the chip's description."""
    modules, energy = found
    clock_hz = program.chip.clock_hz
    milliwatts = clock_hz * 1e-12 * 1e3  # of a picojoule a cycle
    blocks = dict.fromkeys((*BLOCKS, MEMORIES), (0.0, 0.0, 0.0))

    def add(name: str, clock: float, data: float, leakage: float) -> None:
        old = blocks[name]
        blocks[name] = (old[0] + clock * milliwatts, old[1] + data * milliwatts, old[2] + leakage * 1e3)

    for index, module in enumerate(modules):
        name = next(name for name, pattern in BLOCKS.items() if re.search(pattern, module))
        memory = float(energy.memory[index].mean())
        # A bank's own cells are the ports'; its macros are memories, and their leakage is nearly all of the bank's.
        add(name, float(energy.clock[index].mean()), float(energy.data[index].mean()), 0.0)
        add(MEMORIES, 0.0, memory, 0.0)
        add(MEMORIES if memory else name, 0.0, 0.0, float(energy.leakage[index]))
    each = (energy.clock + energy.data + energy.memory).sum(axis=0) * milliwatts + energy.leakage.sum() * 1e3
    total = float(each.mean())
    spread = float(each.std(ddof=1) / np.sqrt(each.size)) if each.size > 1 else 0.0
    table = sorted((BlockPower(name, *parts) for name, parts in blocks.items()), key=lambda block: -block.total)
    return Power(
        program=program.name,
        clock_mhz=clock_hz / 1e6,
        cycles=waves.cycles,
        sampled=waves.windows * WINDOW,
        milliwatts=total,
        error=spread / total,
        microjoules=total * 1e-3 * waves.cycles / clock_hz * 1e6,
        registers=energy.registers,
        gated=energy.gated,
        clock_edges=energy.edges,
        blocks=tuple(block for block in table if block.total),
    )
