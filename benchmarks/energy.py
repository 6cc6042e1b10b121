"""Holds the energy model against synthesis: chips drawn by a seed, each mapped, and its power worked out from its run.

    python benchmarks/energy.py --pdk FOLDER --seed 7 --chips 4       many minutes a chip; status 1 beyond 30 percent
    python benchmarks/energy.py --pdk FOLDER --chip tiny              a chip by its name, in place of drawn ones

Each runs the networks named (of `examples` by default) in RTL. The model is `lithify.profile.energy`; DRAM, which is no
part of a chip, is left out of both sides.
"""

import argparse
import sys
from pathlib import Path

from area import drawn

import lithify
from lithify.chip import load_chip
from lithify.errors import LithifyError
from lithify.power import chip_power
from lithify.profile.energy import inference_energy
from lithify.silicon.asic import synthesize_chip
from lithify.silicon.kit import load_kit
from lithify.silicon.power.report import MEMORIES
from lithify.sim.inference import run_segments
from lithify.verify.samples import verify_samples

EXAMPLES = Path(__file__).parents[1] / "examples"
NETWORKS = ("digits_resnet8", "digits_cnn", "digits_mobilenet")
LIMIT = 0.30
"""Of the synthesised energy: what the model may be off, summed over the networks of a chip."""


def main(arguments: list[str] | None = None) -> int:
    """Prints a line a chip and network; the exit status."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pdk", type=Path, required=True, help="the folder of a process kit")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--chips", type=int, default=2)
    options.add_argument("--chip", action="append", help="a chip by name or file, in place of drawn ones")
    options.add_argument("--network", action="append", choices=NETWORKS, help="all, if none is named")
    given = options.parse_args(arguments)
    kit = load_kit(given.pdk)
    chips = [load_chip(name) for name in given.chip] if given.chip else drawn(given.seed, given.chips)
    worst = 0.0
    for chip in chips:
        asic = synthesize_chip(chip, kit, corners=())
        shape = f"{chip.rows} x {chip.columns}, {chip.lanes} lanes, {chip.vector_lanes} vector lanes"
        both = [0.0, 0.0]
        for network in given.network or NETWORKS:
            model = lithify.optimize(lithify.load(EXAMPLES / f"{network}.onnx"))
            try:
                program = lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), chip=chip)
            except LithifyError as error:
                print(f"{shape}: {network}: {error}", flush=True)
                continue
            sample = verify_samples(program.model_inputs, EXAMPLES / "digits.npz", 8, 0, program.pictures)[0]
            found = chip_power(asic, kit, program, sample)
            modelled = inference_energy(chip, run_segments(program), 0)
            each = {block.name: block.total * found.microjoules / found.milliwatts for block in found.blocks}
            array, sram = each.get("array", 0.0), each.get(MEMORIES, 0.0)
            print(
                f"{shape}: {network}, {found.cycles:,} cycles: {found.microjoules:.2f} uJ synthesised "
                f"(array {array:.2f}, SRAM {sram:.2f}, other logic {found.microjoules - array - sram:.2f}), "
                f"{modelled.total:.2f} modelled ({modelled.array:.2f}, {modelled.sram:.2f}, {modelled.logic:.2f}), "
                f"{modelled.total / found.microjoules - 1:+.1%}",
                flush=True,
            )
            both = [both[0] + found.microjoules, both[1] + modelled.total]
        if both[0]:
            worst = max(worst, abs(both[1] / both[0] - 1))
            print(f"{shape}: all of it {both[1] / both[0] - 1:+.1%}", flush=True)
    print(f"worst: {worst:.1%}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
