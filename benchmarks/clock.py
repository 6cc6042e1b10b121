"""Holds the clock model against synthesis: chips drawn by a seed, each mapped to a process kit and timed.

    python benchmarks/clock.py --pdk FOLDER --seed 7 --chips 10       minutes a chip; status 1 beyond 5 percent
    python benchmarks/clock.py --pdk FOLDER --chip tiny               a chip by its name, in place of drawn ones

The chips are those of `area.py`; what that has mapped is not mapped again. Needs OpenSTA. The model is
`lithify.chip.clock`.
"""

import argparse
import sys
from pathlib import Path

from area import drawn

from lithify.chip import load_chip
from lithify.chip.clock import ERROR, clock_limit
from lithify.silicon.asic import synthesize_chip
from lithify.silicon.clock import need_sta
from lithify.silicon.kit import load_kit


def main(arguments: list[str] | None = None) -> int:
    """Prints a line a chip; the exit status."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pdk", type=Path, required=True, help="the folder of a process kit")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--chips", type=int, default=10)
    options.add_argument("--chip", action="append", help="a chip by name or file, in place of drawn ones")
    given = options.parse_args(arguments)
    need_sta()
    kit, worst = load_kit(given.pdk), 0.0
    for chip in [load_chip(name) for name in given.chip] if given.chip else drawn(given.seed, given.chips):
        found, modelled = synthesize_chip(chip, kit, corners=("typical",)).report.clocks[0], clock_limit(chip)
        error = modelled.hz / 1e6 / found.mhz_with_margin - 1
        worst = max(worst, abs(error))
        print(
            f"{chip.rows} x {chip.columns}, {chip.lanes} lanes, {chip.scratchpad_banks} banks of {chip.bank_words} "
            f"words, {chip.vector_lanes} vector lanes: {found.mhz_with_margin:.0f} MHz synthesised ({found.start} to "
            f"{found.end}), {modelled.hz / 1e6:.0f} modelled ({modelled.path}), {error:+.1%}",
            flush=True,
        )
    print(f"worst: {worst:.1%}")
    return int(worst > ERROR)


if __name__ == "__main__":
    sys.exit(main())
