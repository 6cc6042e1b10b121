"""Random chips: everything that a description allows, small memories and single lanes more often than wide arrays."""

from typing import Any, get_args

from numpy.random import Generator

from lithify.chip import Chip
from lithify.chip.description import Unit

UNITS: tuple[str, ...] = get_args(Unit)


def random_chip(random: Generator, most_rows: int = 64) -> Chip:
    """A valid chip; small enough that its programs run in a moment."""
    rows = min(int(random.choice([4, 8, 16, 32, 64], p=[0.25, 0.35, 0.25, 0.1, 0.05])), most_rows)
    banks = int(random.choice([5, 6, 7, 8, 12, 15, 31, 64]))
    bank_words = 2 ** int(random.integers(3, 11))
    while bank_words * banks > 65536:
        bank_words //= 2
    while bank_words * banks * rows < 1024:
        bank_words *= 2
    bus_bytes = int(random.choice([size for size in (4, 8, 16, 32, 64) if size <= rows]))
    units = tuple(unit for unit in UNITS if random.random() < 0.85)
    keys: dict[str, Any] = {
        "schema": 1,
        "name": "drawn",
        "clock_hz": 200_000_000,
        "rows": rows,
        "columns": rows * int(random.choice([1, 1, 2, 3])),
        "accumulators": int(random.choice([2, 3, 5, 8, 16, 17, 32, 64, 128])),
        "lanes": int(random.choice([lanes for lanes in (1, 2, 4, 8, 16, 32, 64) if lanes <= rows])),
        "scratchpad_bytes": bank_words * banks * rows,
        "scratchpad_banks": banks,
        "bus_bytes": bus_bytes,
        "dram_bytes_per_cycle": int(random.integers(1, bus_bytes + 1)),
        "queue_depth": int(random.choice([2, 3, 4, 8, 64])),
        "activation_ports": int(random.integers(1, 4)),
        "weight_ports": int(random.integers(1, 3)),
        "units": units,
        "vector_lanes": int(random.choice([0, *(lanes for lanes in (2, 4, 8) if 4 * lanes <= rows <= 64)])),
    }
    return Chip.model_validate(keys)
