"""What the parts of Lattice's ECP5 family hold (data sheet FPGA-DS-02012, table 1.1, and nextpnr's own counts)."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Part:
    """One size of ECP5. luts: four-input look-up tables, carry chains among them; registers; blocks: block RAMs of
    18 Kbit; multipliers: of 18 x 18 bits.
    """

    name: str
    luts: int
    registers: int
    blocks: int
    multipliers: int


PARTS = MappingProxyType(
    {
        size: Part(f"ECP5-{size}", luts, luts, blocks, multipliers)
        for size, luts, blocks, multipliers in (
            ("25F", 24_288, 56, 28),
            ("45F", 43_848, 108, 72),
            ("85F", 83_640, 208, 156),
        )
    }
)
"""By the end of a device's name: LFE5U-85F, LFE5UM5G-85F."""
