"""The memories of boards alone: every cycle as the memory model says, every word as numpy says, every rule of the
SDRAM's data sheet kept; and that the simulated SDRAM notices one that is not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.rtl.link.traffic import Shape, Traffic

from lithify.errors import LithifyError
from lithify.rtl.link.controller import SdramStore
from lithify.rtl.link.sdram import SDRAM_256M, Sdram, cycles_of
from lithify.rtl.link.store import BlockStore
from lithify.rtl.simulation.memory import Alone, Inputs, MemorySession, build_memory

SHAPES = (
    Shape((1, 16), 0.02, host=0.02),
    Shape((1, 64), 1.0, outside=0.05),
    Shape((64, 64), 1.0),
    Shape((1, 2), 1.0, host=0.1),
)
"""Little, mixed, saturated, and many short bursts."""


@dataclass(frozen=True)
class Case:
    """bus_bytes, rate: of the chip; clock_hz; size: of block RAM, None: SDRAM."""

    bus_bytes: int
    rate: int
    clock_hz: int
    size: int | None = None

    @property
    def bytes(self) -> int:
        return self.size or SDRAM_256M.size

    @property
    def library(self) -> Path:
        store = (
            BlockStore(self.bus_bytes, self.size) if self.size
            else SdramStore(SDRAM_256M, self.bus_bytes, self.clock_hz)
        )  # fmt: skip
        return build_memory(Alone(store, self.bus_bytes, self.rate)).library


BLOCK, SLOW_CLOCK, FAST_CLOCK = Case(4, 3, 25_000_000, 65_536), Case(4, 2, 25_000_000), Case(8, 1, 100_000_000)
READY = 25_000
"""Cycles after which the SDRAM works at either clock."""


@pytest.mark.slow
def test_block_ram_keeps_the_memory_model() -> None:
    with MemorySession(BLOCK.library) as memory:
        made = Traffic(memory, BLOCK.bus_bytes, BLOCK.rate, BLOCK.bytes, 1)
        for shape in SHAPES:
            made.run(3000, shape)
    assert made.late == 0 and made.beats > 5000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "most"),
    [(SLOW_CLOCK, (0.03, 0.03, 0.03, 0.6)), (FAST_CLOCK, (0.0, 0.0, 0.0, 0.4))],
    ids=["all of its bandwidth", "half of it"],
)
def test_sdram_keeps_the_memory_model_or_says_that_it_was_late(case: Case, most: tuple[float, ...]) -> None:
    """most: of the cycles of each shape that may be late. A row for each word or two is what an SDRAM is bad at."""
    with MemorySession(case.library, SDRAM_256M, case.clock_hz) as memory:
        made = Traffic(memory, case.bus_bytes, case.rate, case.bytes, 1)
        made.idle(READY)
        before = memory.cycle(Inputs()).refreshes
        for shape, share in zip(SHAPES, most, strict=True):
            start, late = made.now, made.late
            made.run(4000, shape)
            assert made.late - late <= share * (made.now - start), shape
        refreshed = memory.cycle(Inputs()).refreshes - before
    assert made.beats > 3000 and made.late > 0
    assert refreshed >= made.now // (64e-3 * case.clock_hz / 8192) - 9


@pytest.mark.slow
def test_work_before_the_sdram_is_ready_waits() -> None:
    with MemorySession(SLOW_CLOCK.library, SDRAM_256M, SLOW_CLOCK.clock_hz) as memory:
        made = Traffic(memory, 4, 2, SDRAM_256M.size, 5)
        made.run(500, Shape((1, 8), 0.1, host=0.1))
    assert made.late > 4000 and made.beats > 50


HARSHER: tuple[tuple[Callable[[Sdram], Sdram], str], ...] = (
    (lambda chip: replace(chip, rcd=31), "tRCD was not kept"),
    (lambda chip: replace(chip, rp=31), "tRP was not kept"),
    (lambda chip: replace(chip, ras=75), "tRAS was not kept"),
    (lambda chip: replace(chip, rc=111), "tRC was not kept"),
    (lambda chip: replace(chip, rfc=71), "tRFC was not kept"),
    (lambda chip: replace(chip, wr=21), "tWR was not kept"),
    (lambda chip: replace(chip, mrd=3), "tMRD was not kept"),
    (lambda chip: replace(chip, power_up=201_000), "a command came before the power-up time was over"),
    (lambda chip: replace(chip, refresh=20e6), "refreshes were too far behind"),
    (lambda chip: replace(chip, ras_most=5000), "a row was open for longer than tRAS allows"),
    (lambda chip: replace(chip, cas=3), "the mode is none, or of another latency"),
    (lambda chip: replace(chip, period=11), "the clock is too fast for the latency"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("harsher", "message"), HARSHER, ids=[message for _, message in HARSHER])
def test_a_broken_rule_is_noticed(harsher: Callable[[Sdram], Sdram], message: str) -> None:
    """The controller of one data sheet against a chip of another. tRAS and tRC are kept by what lies between anyway."""
    with MemorySession(FAST_CLOCK.library, harsher(SDRAM_256M), FAST_CLOCK.clock_hz) as memory:
        made = Traffic(memory, 8, 1, SDRAM_256M.size, 3)
        with pytest.raises(LithifyError, match=message):
            made.run(50, Shape((1, 16), 1.0))  # waits for the SDRAM to be ready
            made.run(4000, Shape((1, 16), 0.05))


def test_times_in_cycles_are_rounded_to_the_safe_side() -> None:
    slow, fast = cycles_of(SDRAM_256M, 25_000_000), cycles_of(SDRAM_256M, 100_000_000)
    assert (slow.rcd, slow.rp, slow.ras, slow.rrd, slow.rfc, slow.wr, slow.mrd) == (1, 1, 2, 1, 2, 1, 2)
    assert (fast.rcd, fast.rp, fast.ras, fast.rrd, fast.rfc, fast.wr, fast.mrd) == (3, 3, 5, 2, 7, 2, 2)
    assert (slow.power_up, fast.power_up) == (5000, 20_000)
    assert fast.interval * 8208 <= 64e-3 * 100e6
    odd = cycles_of(SDRAM_256M, 48_000_000)  # 20.8 ns: a ninth of a ns too short for 21
    assert (odd.rcd, odd.ras, odd.ras + odd.rp) == (2, 3, 5)
