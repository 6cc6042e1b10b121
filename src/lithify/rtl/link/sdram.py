"""The SDRAM of boards: what its chips ask for, and that in cycles of a clock."""

from dataclasses import dataclass
from math import ceil

INITIAL_REFRESHES = 8
"""Before the mode is set; data sheets ask for two to eight."""

POSTPONED = 8
"""Refreshes that may be owed before work has to wait for one."""


@dataclass(frozen=True)
class Sdram:
    """A chip of single data rate: ``banks`` x ``rows`` x ``columns`` words of 16 bits.

    Times in ns, by the names of data sheets, smallest unless said otherwise. rcd: from ACTIVATE to READ or WRITE; rp:
    from PRECHARGE to ACTIVATE or REFRESH; ras, ras_most: from ACTIVATE to PRECHARGE, at least and at most; rc: from
    ACTIVATE to ACTIVATE of a bank; rrd: of two banks; rfc: from REFRESH to whatever follows; wr: from the last data
    written to PRECHARGE; refresh: within which each row is to be refreshed; power_up: from a steady clock to the first
    command; period: of the clock, at its CAS latency. mrd, cas: in cycles.
    """

    name: str
    source: str
    banks: int
    rows: int
    columns: int
    rcd: float
    rp: float
    ras: float
    ras_most: float
    rc: float
    rrd: float
    rfc: float
    wr: float
    refresh: float
    power_up: float
    period: float
    mrd: int
    cas: int

    @property
    def size(self) -> int:
        """Bytes."""
        return 2 * self.banks * self.rows * self.columns


SDRAM_256M = Sdram(
    name="SDRAM of 32 MB",
    source=(
        "the slowest of Micron MT48LC16M16A2-75 (256Mb SDRAM, table 12), Alliance AS4C16M16SA-7 (Rev. 3.0, table 16) "
        "and AS4C32M16SB-7, of which half is used"
    ),
    banks=4, rows=8192, columns=512,
    rcd=21, rp=21, ras=44, ras_most=100_000, rc=66, rrd=15, rfc=66, wr=15,
    refresh=64e6, power_up=200_000, period=10, mrd=2, cas=2,
)  # fmt: skip
"""What is on the ULX3S boards, whatever the maker."""


@dataclass(frozen=True)
class Cycles:
    """The times of a chip in cycles of a clock, as a controller keeps them. ras: covers rc too, together with rp;
    interval: between two refreshes that become due, the postponed ones taken into account.
    """

    rcd: int
    rp: int
    ras: int
    rrd: int
    rfc: int
    wr: int
    mrd: int
    cas: int
    power_up: int
    interval: int


def cycles_of(chip: Sdram, clock_hz: int) -> Cycles:
    """Rounded to the safe side. The clock is at most 1e9 / ``chip.period`` Hz."""
    assert clock_hz * chip.period <= 1e9, clock_hz

    def cycles(ns: float) -> int:
        return max(1, ceil(ns * clock_hz / 1e9 - 1e-9))

    rp = cycles(chip.rp)
    interval = int(chip.refresh * clock_hz / 1e9 / (chip.rows + 2 * POSTPONED))
    found = Cycles(
        rcd=cycles(chip.rcd),
        rp=rp,
        ras=max(cycles(chip.ras), cycles(chip.rc) - rp),
        rrd=cycles(chip.rrd),
        rfc=cycles(chip.rfc),
        wr=cycles(chip.wr),
        mrd=chip.mrd,
        cas=chip.cas,
        power_up=cycles(chip.power_up),
        interval=interval,
    )
    # A row is closed by the refresh that cannot be postponed any more.
    assert (POSTPONED + 2) * interval < chip.ras_most * clock_hz / 1e9
    return found
