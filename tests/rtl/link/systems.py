"""The system of these tests: the smallest array, that the smallest part holds and a simulator builds soonest."""

from lithify.chip import parse_chip
from lithify.rtl.link.sdram import SDRAM_256M
from lithify.rtl.link.system import SystemDescription

FOUR = parse_chip(
    """
    schema = 1
    name = "four"
    clock_hz = 100_000_000
    rows = 4
    columns = 4
    accumulators = 16
    lanes = 1
    scratchpad_bytes = 32_768
    scratchpad_banks = 8
    bus_bytes = 4
    dram_bytes_per_cycle = 4
    queue_depth = 2
    """,
    "four",
)

BOARD = SystemDescription(FOUR, memory_bytes=65_536, clock_hz=100_000_000, baud=1_000_000)
"""As it is built for a board."""

SIMULATED = SystemDescription(FOUR, memory_bytes=65_536, clock_hz=100_000_000, baud=12_500_000)
"""The same with a faster line, which saves most of the simulated cycles."""

HALF = FOUR.model_copy(update={"name": "half", "clock_hz": 25_000_000, "dram_bytes_per_cycle": 2})
"""All that an SDRAM of 16 bits gives."""

WITH_SDRAM = SystemDescription(HALF, SDRAM_256M.size, clock_hz=25_000_000, baud=3_125_000, sdram=SDRAM_256M)
"""The same system with its DRAM in SDRAM."""
