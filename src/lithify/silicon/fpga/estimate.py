"""What a system will take of a part, before any tool has run, and the arrays to try, largest first.

Fitted to what synthesis gave (docs/decisions/0018-systems-on-ecp5.md); the tools have the last word.
"""

from collections.abc import Iterator

from lithify.chip import Chip
from lithify.silicon.fpga.parts import Part
from lithify.silicon.fpga.products import PRODUCT_LUTS, lane_blocks, soft_rows
from lithify.silicon.fpga.sdram import BUS_BYTES, BYTES_PER_CYCLE

LINK_BLOCKS = 4
"""Block RAMs of the link's payload and of the memory's queues of bursts."""

FILL = 0.7
"""Of the look-up tables: what is still placed and routed in minutes."""

SHAPES = ((16, 16), (8, 16), (8, 8), (4, 8), (4, 4))
"""Rows and columns of the arrays that are tried."""

MEMORY = (1 << 20, 1 << 19, 1 << 18, 1 << 17, 1 << 16, 1 << 15)
"""Bytes of DRAM in block RAM that are tried."""


def multipliers(chip: Chip, part: Part) -> int:
    """Multiplier blocks, of as many as the part has."""
    return lane_blocks(chip) * chip.lanes + chip.columns * (chip.rows - soft_rows(chip, part.multipliers))


def bank_blocks(words: int, bits: int) -> int:
    """Block RAMs of a memory with one port: of 512 x 36, 1024 x 18, ... 16384 x 1 bits each."""
    return min(
        -(-words // depth) * -(-bits // width)
        for depth, width in ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
    )


def blocks(chip: Chip, memory_bytes: int) -> int:
    """Block RAMs: scratchpad, DRAM of so many bytes, link."""
    scratchpad = chip.scratchpad_banks * bank_blocks(chip.bank_words, 8 * chip.word_bytes)
    return scratchpad + bank_blocks(memory_bytes // chip.bus_bytes, 8 * chip.bus_bytes) + LINK_BLOCKS


def look_up_tables(chip: Chip, part: Part) -> int:
    """Look-up tables, those of carry chains and of small memories among them."""
    soft = chip.columns * soft_rows(chip, part.multipliers)
    return BASE + COLUMN_BYTE * chip.multipliers + LANE_BYTE * chip.rows + LANE * chip.lanes + PRODUCT_LUTS * soft


BASE, COLUMN_BYTE, LANE_BYTE, LANE = 12_200, 55, 250, 1_800
"""Look-up tables of everything else; of a multiplier's place in its column; of a byte of a word; of a lane."""

CONTROLLER = 800
"""Look-up tables that the controller of an SDRAM and its queues take more than block RAM: 771 in synthesis."""


def memory_for(chip: Chip, part: Part) -> int | None:
    """The most DRAM that the part's block RAMs leave room for, in bytes; None where there is not enough."""
    return next((size for size in MEMORY if blocks(chip, size) <= part.blocks), None)


def fits(chip: Chip, part: Part, *, sdram: bool = False) -> bool:
    """Whether the tools are worth asking. sdram: the DRAM is no block RAM."""
    return (
        multipliers(chip, part) <= part.multipliers
        and look_up_tables(chip, part) + (CONTROLLER if sdram else 0) <= FILL * part.luts
        and (blocks(chip, 0) <= part.blocks if sdram else memory_for(chip, part) is not None)
    )


def chips_for(part: Part, clock_hz: int, *, sdram: bool = False) -> Iterator[Chip]:
    """Chips that should fit a part, those of the most multipliers first; of one array as many lanes as fit."""
    for rows, columns in SHAPES:
        for lanes in sorted((lanes for lanes in range(1, rows + 1) if rows % lanes == 0), reverse=True):
            chip = chip_of(rows, columns, lanes, clock_hz, sdram=sdram)
            if lanes <= rows // 2 and fits(chip, part, sdram=sdram):
                yield chip
                break


def chip_of(rows: int, columns: int, lanes: int, clock_hz: int, *, sdram: bool = False) -> Chip:
    """A chip of some array as it suits an ECP5: banks of whole block RAMs, a bus as wide as eight bytes at most; with
    SDRAM, what that gives.
    """
    banks, bus = 8, min(8, rows)
    rate = bus
    if sdram:
        bus, rate = min(BUS_BYTES), BYTES_PER_CYCLE
    return Chip.model_validate(
        {
            "schema": 1,
            "name": f"ecp5_{rows}x{columns}{'_sdram' if sdram else ''}",
            "clock_hz": clock_hz,
            "rows": rows,
            "columns": columns,
            "accumulators": 16 if rows < 16 else 32,
            "lanes": lanes,
            "scratchpad_bytes": banks * 1024 * rows,
            "scratchpad_banks": banks,
            "bus_bytes": bus,
            "dram_bytes_per_cycle": rate,
            "queue_depth": 2 if rows == 4 else 4,
        }
    )
