"""The smallest chip that is quickly mapped: 4 x 4 multipliers, no optional unit."""

from lithify.chip import Chip

SMALL = Chip.model_validate(
    {
        "schema": 1, "name": "small", "clock_hz": 200_000_000, "rows": 4, "columns": 4, "accumulators": 4, "lanes": 4,
        "scratchpad_bytes": 5 * 256 * 4, "scratchpad_banks": 5, "bus_bytes": 4, "dram_bytes_per_cycle": 4,
        "queue_depth": 2, "units": [],
    }
)  # fmt: skip
