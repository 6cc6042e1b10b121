"""Holds the energy model against synthesis: chips drawn by a seed, each mapped, and its power worked out from its run.

    python benchmarks/energy.py --pdk FOLDER --seed 7 --chips 4       many minutes a chip; status 1 beyond 30 percent
    python benchmarks/energy.py --pdk FOLDER --chip tiny              a chip by its name, in place of drawn ones

Each runs the networks named in RTL: by default those of `examples`, and where the chip has a vector unit a layer of a
transformer's encoder, which keeps it at work. The model is `lithify.profile.energy`; DRAM, which is no part of a chip,
is left out of both sides. The vector unit's memories are modelled with its logic, not with the scratchpad's.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from area import drawn
from numpy.typing import NDArray

import lithify
from lithify.chip import load_chip
from lithify.errors import LithifyError
from lithify.networks import sample
from lithify.networks.builder import Builder
from lithify.networks.transformer import bert
from lithify.power import chip_power
from lithify.profile.energy import inference_energy
from lithify.silicon.asic import synthesize_chip
from lithify.silicon.kit import load_kit
from lithify.silicon.power.report import MEMORIES
from lithify.sim.inference import run_segments
from lithify.verify.samples import verify_samples

EXAMPLES = Path(__file__).parents[1] / "examples"
ENCODER = "encoder"
NETWORKS = ("digits_resnet8", "digits_cnn", "digits_mobilenet", ENCODER)
TOKENS, WIDTH, HEADS = 16, 32, 2
"""Of the encoder."""

LIMIT = 0.30
"""Of the synthesised energy: what the model may be off, summed over the networks of a chip."""


def model_and_data(network: str) -> tuple[Any, Path | NDArray[np.float32]]:
    """A network in floats, and what it is quantised with and run on."""
    if network != ENCODER:
        return lithify.load(EXAMPLES / f"{network}.onnx"), EXAMPLES / "digits.npz"
    shape = (1, TOKENS, WIDTH)
    net = Builder(ENCODER, shape, 0)
    return net.model(bert(net, 1, HEADS)), sample(shape, 16, 0)


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
            if network == ENCODER and chip.vector is None:
                continue
            model, data = model_and_data(network)
            try:
                program = lithify.compile(lithify.quantize(lithify.optimize(model), data), chip=chip)
            except LithifyError as error:
                print(f"{shape}: {network}: {error}", flush=True)
                continue
            samples = verify_samples(program.model_inputs, data, 8, 0, program.pictures)
            found = chip_power(asic, kit, program, samples[0])
            modelled = inference_energy(chip, run_segments(program), 0)
            each = {block.name: block.total * found.microjoules / found.milliwatts for block in found.blocks}
            array, sram = each.get("array", 0.0), each.get(MEMORIES, 0.0)
            print(
                f"{shape}: {network}, {found.cycles:,} cycles: {found.microjoules:.2f} uJ synthesised "
                f"(array {array:.2f}, memories {sram:.2f}, other logic {found.microjoules - array - sram:.2f}), "
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
