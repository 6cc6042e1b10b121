"""Holds the area model against synthesis: chips drawn by a seed, each mapped to a process kit.

    python benchmarks/area.py --pdk FOLDER --seed 7 --chips 10       minutes a chip; status 1 beyond 10 percent

Chips of up to 16 rows and 256 multipliers, so that mapping ends in minutes. The model is `lithify.chip.gates`.
"""

import argparse
import sys
from pathlib import Path

from numpy.random import default_rng

from lithify.chip import Chip
from lithify.chip.gates import gate_count
from lithify.fuzz.chips import random_chip
from lithify.silicon.asic import synthesize_chip
from lithify.silicon.kit import load_kit

LIMIT = 0.10
"""Of the synthesised area: what the model may be off."""

MOST_MULTIPLIERS, MOST_QUEUE = 256, 8


def drawn(seed: int, count: int) -> list[Chip]:
    """`count` chips of those that the seed gives, without the larger ones."""
    random = default_rng(seed)
    found: list[Chip] = []
    while len(found) < count:
        chip = random_chip(random, most_rows=16)
        if chip.multipliers <= MOST_MULTIPLIERS and chip.queue_depth <= MOST_QUEUE and chip.accumulators <= 64:
            found.append(chip)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Prints a line a chip; the exit status."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pdk", type=Path, required=True, help="the folder of a process kit")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--chips", type=int, default=10)
    given = options.parse_args(arguments)
    kit, worst = load_kit(given.pdk), 0.0
    for chip in drawn(given.seed, given.chips):
        synthesised, modelled = synthesize_chip(chip, kit, corners=()).report.nand2, gate_count(chip)
        error = modelled / synthesised - 1
        worst = max(worst, abs(error))
        units = ",".join(chip.units) or "no units"
        print(
            f"{chip.rows} x {chip.columns}, {chip.accumulators} accumulators, {chip.lanes} lanes, "
            f"{chip.activation_ports}+{chip.weight_ports} ports, queues of {chip.queue_depth}, "
            f"{chip.vector_lanes} vector lanes, {units}: "
            f"{synthesised:,} NAND2 synthesised, {modelled:,} modelled, {error:+.1%}",
            flush=True,
        )
    print(f"worst: {worst:.1%}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
