"""The port of a chip's DRAM, which links share with the chip: what they move beside a program that runs.

The chip goes first. No cycle of a program depends on data, so the gaps between its bursts are known before it runs, and
in them a link moves blocks that end before the next burst. What finds no gap moves while the chip stands still.
"""

import numpy as np

from lithify.chip import Chip
from lithify.sim.inference import Simulation

BLOCK = 1024
"""Bytes that a link moves at once: a frame, which is one burst."""


def room(simulation: Simulation) -> int:
    """Bytes that links can move while a program runs without holding it up by a cycle.

    Whole blocks between the bursts of the timing simulator; before the next one the memory's bucket is full again, as
    it would have been.
    """
    chip, blocks = simulation.chip, 0
    each = transfer_cycles(chip, BLOCK)
    refill = -(-2 * chip.bus_bytes // chip.dram_bytes_per_cycle)
    for timing in simulation.segments:
        first, last, _ = timing.bursts.T
        gaps = np.append(first, timing.cycles) - np.append(0, last + 1)
        blocks += int(np.sum(np.maximum(gaps - refill, 0) // each))
    return blocks * BLOCK


def transfer_cycles(chip: Chip, size: int) -> int:
    """Cycles in which the port moves so many bytes, one way."""
    return -(-size // chip.dram_bytes_per_cycle)


def held_up(chip: Chip, size: int, free: int) -> int:
    """Cycles that a chip stands still while links move `size` bytes for each run, of which `free` find room."""
    return transfer_cycles(chip, max(0, size - free))
