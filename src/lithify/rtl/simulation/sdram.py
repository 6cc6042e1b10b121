"""The simulated SDRAM of a board (`sdram_model.h`), which knows its data sheet's rules and says which was broken."""

import ctypes
from collections.abc import Mapping

from lithify.errors import LithifyError
from lithify.rtl.link.sdram import INITIAL_REFRESHES, POSTPONED, Sdram

PICOSECONDS = ("rcd", "rp", "ras", "ras_most", "rc", "rrd", "rfc", "wr", "refresh", "power_up", "period")
COUNTS = ("banks", "rows", "columns")
CYCLES = ("mrd", "cas")

FAULTS = {
    1: "a command came before the power-up time was over",
    2: "work began before PRECHARGE, refreshes and mode",
    3: "a row was open at ACTIVATE, REFRESH or the setting of the mode",
    4: "READ or WRITE found no open row",
    5: "tRCD was not kept",
    6: "tRP was not kept",
    7: "tRAS was not kept",
    8: "a row was open for longer than tRAS allows",
    9: "tRC was not kept",
    10: "tRRD was not kept",
    11: "tRFC was not kept",
    12: "tWR was not kept",
    13: "tMRD was not kept",
    14: "a burst was cut short",
    15: "a burst did not begin at its own boundary",
    16: "both ends drove the data pins, or without a cycle between",
    17: "the data pins were driven without a WRITE, or not with one",
    18: "refreshes were too far behind",
    19: "the mode is none, or of another latency",
    20: "data came under a mask",
    21: "the clock is too fast for the latency",
}


class Rules(ctypes.Structure):
    """`SdramRules` of the C++."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (*COUNTS, *PICOSECONDS, *CYCLES, "initial_refreshes", "postponed", "clock")
    )  # fmt: skip


def rules(chip: Sdram, clock_hz: int) -> Rules:
    """A chip at a clock."""
    return Rules(
        **{name: getattr(chip, name) for name in (*COUNTS, *CYCLES)},
        **{name: round(1000 * getattr(chip, name)) for name in PICOSECONDS},
        initial_refreshes=INITIAL_REFRESHES,
        postponed=POSTPONED,
        clock=round(1e12 / clock_hz),
    )


def pins_line(ports: Mapping[str, int]) -> str:
    """The line of ``dut.h`` that says whether a design has the pins of an SDRAM."""
    return f"    static constexpr bool sdram = {str('sdram_command' in ports).lower()};"


def check(fault: int, cycle: int) -> None:
    """Raises LithifyError for a rule that was broken."""
    if fault:
        raise LithifyError(f"The SDRAM's rules were broken in cycle {cycle}: {FAULTS[fault]}.")
