"""What links move beside a program: blocks in the gaps of the memory's port, and none of the chip's bursts is later."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lithify
from lithify.chip import load_chip
from lithify.chip.pipeline import DRAM_LATENCY
from lithify.cluster.port import BLOCK, held_up, room, transfer_cycles
from lithify.networks.builder import Builder
from lithify.sim.timing.memory import Memory

EDGE = load_chip("edge")


def simulated(bursts: list[tuple[int, int, int]], cycles: int) -> Any:
    """As much of a simulation as the port sees."""
    return SimpleNamespace(chip=EDGE, segments=(SimpleNamespace(bursts=np.array(bursts), cycles=cycles),))


def test_by_hand() -> None:
    """A block takes 205 cycles at 5 bytes a cycle, and the bucket 4 to be full again. Gaps of 0 to 209, of 208, and of
    414 to the end: one block, none, two.
    """
    assert transfer_cycles(EDGE, BLOCK) == 205
    found = simulated([(209, 299, 64), (508, 585, 8)], 1000)
    assert room(found) == 3 * BLOCK
    assert held_up(EDGE, 3 * BLOCK, room(found)) == 0 and held_up(EDGE, 3 * BLOCK + 11, room(found)) == 3


@pytest.mark.parametrize("seed", range(8))
def test_no_burst_of_the_chip_is_later(seed: int) -> None:
    """The memory's model with every block that has room, and without: the chip's bursts move in the same cycles."""
    random = np.random.default_rng(seed)
    pauses = random.choice([1, 2, 30, 250, 800], 200, p=[0.3, 0.2, 0.2, 0.2, 0.1])
    accepted, beats = np.cumsum(pauses).tolist(), random.integers(1, 65, 200).tolist()
    alone = Memory(EDGE.bus_bytes, EDGE.dram_bytes_per_cycle, DRAM_LATENCY)
    for cycle, count in zip(accepted, beats, strict=True):
        alone.serve(cycle, count)
    end = alone.moved[-1][1] + 1
    free = room(simulated(alone.moved, end)) // BLOCK
    starts, before = list[int](), 0
    for first, last, _ in (*alone.moved, (end, end, 0)):
        starts += range(before, first - 4 - 205 + 1, 205)
        before = last + 1
    assert len(starts) == free > 10
    both = Memory(EDGE.bus_bytes, EDGE.dram_bytes_per_cycle, DRAM_LATENCY)
    order = sorted([(cycle, 1, count) for cycle, count in zip(accepted, beats, strict=True)]
                   + [(start - DRAM_LATENCY, 0, BLOCK // EDGE.bus_bytes) for start in starts])  # fmt: skip
    own = []
    for cycle, chips, count in order:
        both.serve(cycle, count)
        own += [both.moved[-1]] * chips
    assert own == alone.moved


def test_a_program_has_room_where_it_computes() -> None:
    """A small dense layer on rows: what its port is busy with and what links find add up to less than all cycles."""
    net = Builder("rows", (1, 64, 128), 0)
    quantized = lithify.quantize(lithify.optimize(lithify.load(net.model([net.linear(net.input, 128)]))))
    found = lithify.compile(quantized, "edge").simulate()
    free, cycles = room(found), found.cycles
    assert 0 < free and free + found.dram_bytes <= cycles * EDGE.dram_bytes_per_cycle
