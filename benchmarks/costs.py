"""What chips cost: area, clock, power, frames of ResNet-50 a second and a joule, on SG13G2 and on an ECP5.

    python benchmarks/costs.py --pdk FOLDER        counts (minutes), maps `tiny` and `edge` (minutes each), then writes
    python benchmarks/costs.py                     counts again; what was synthesised before stays
    python benchmarks/costs.py --write             counts nothing: writes the page from benchmarks/costs.json

Cycles, array cycles and bytes are simulated, exactly the RTL's; all else follows from them by the models, but for what
was synthesised. Each cell says which.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import section
from standard import chip_of, line

from lithify.chip import Chip
from lithify.chip.area import area
from lithify.chip.clock import ERROR, clock_limit
from lithify.chip.memories import onchip_bytes
from lithify.explore.advise.die import area_factor
from lithify.fpga import CLOCK_HZ
from lithify.profile.energy import SOURCE, energy
from lithify.silicon.fpga.estimate import FILL, bank_blocks, look_up_tables, multipliers
from lithify.silicon.fpga.parts import PARTS

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "costs.json", ROOT / "docs" / "costs.md"
NETWORK = "resnet50"
CHIPS = ("tiny", "edge", "mac512", "mac2048")
SYNTHESISED = ("tiny", "edge", "mac512")
PART = "85F"


@dataclass(frozen=True)
class Peer:
    """A line of NVDLA's primer, "Example Area and Performance with NVDLA": estimated synthesis area at 28 nm with all
    memories, 1 GHz.
    """

    multipliers: int
    buffer_kb: int
    gigabytes: float
    mm2: float
    frames: float


PEERS = (
    Peer(64, 128, 1, 0.91, 7.3),
    Peer(256, 256, 5, 1.7, 46),
    Peer(512, 256, 10, 2.3, 93),
    Peer(2048, 512, 20, 5.5, 269),
)


def counted(name: str) -> dict[str, Any]:
    """What one frame takes on a chip, by the timing simulator."""
    import lithify
    from lithify import networks
    from lithify.profile.energy import counts
    from lithify.sim.inference import costs, run_segments

    path = RESULTS.with_name(f".{NETWORK}.onnx")
    try:
        from lithify.frontend import save

        save(networks.build(NETWORK, 0), path)
        model = lithify.quantize(lithify.optimize(lithify.load(path)), seed=0)
    finally:
        path.unlink(missing_ok=True)
    program = lithify.compile(model, chip=chip_of(name))
    runs = run_segments(program)
    cycles, array_cycles, sram_bytes = counts(program.chip, runs)
    return {
        "cycles": cycles,
        "array_cycles": array_cycles,
        "sram_bytes": sram_bytes,
        "dram_bytes": costs(program, runs).dram_bytes,
        "host": list(program.host_nodes),
    }


def synthesised(name: str, folder: Path) -> dict[str, float]:
    """Area and clock of a chip mapped to a kit."""
    import lithify

    found = lithify.synthesize(chip_of(name), folder, corners=["typical"])
    clock, mm2 = found.clock(), found.mm2
    assert clock is not None and mm2 is not None
    return {"mm2": mm2, "mhz": clock.mhz_with_margin}


def main(arguments: list[str] | None = None) -> int:
    """Counts, writes; the exit status."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pdk", type=Path, help="the folder of IHP SG13G2")
    options.add_argument("--write", action="store_true", help="write the page alone")
    given = options.parse_args(arguments)
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    if not given.write:
        for name in CHIPS:
            entry = kept.setdefault(name, {})
            entry["counted"] = counted(name)
            print(f"{name}: {entry['counted']['cycles']:,} cycles", flush=True)
        for name in SYNTHESISED if given.pdk is not None else ():
            kept[name]["synthesised"] = synthesised(name, given.pdk)
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8", newline="\n")
    return 0


def page(kept: dict[str, Any]) -> str:
    """The contents of docs/costs.md."""
    head = ["chip", "multipliers", "on-chip KB", "area mm2", "clock MHz", "frames/s", "power mW", "frames/J"]
    head += ["frames/J with DRAM"]
    kit, part = line(*head) + line(*("---" for _ in head)), PARTS[PART]
    names = ["chip", "look-up tables", "multiplier blocks", "block RAMs", f"of an LFE5U-{PART}", "frames/s"]
    board = line(*names) + line(*("---" for _ in names))
    for name in CHIPS:
        chip, entry = chip_of(name), kept[name]
        kit += line(*asic_row(chip, entry))
        luts, products = look_up_tables(chip, part), multipliers(chip, part)
        blocks = chip.scratchpad_banks * bank_blocks(chip.bank_words, 8 * chip.word_bytes)
        fits = luts <= FILL * part.luts and products <= part.multipliers and blocks <= part.blocks
        share = max(luts / (FILL * part.luts), products / part.multipliers, blocks / part.blocks)
        frames = CLOCK_HZ / entry["counted"]["cycles"]
        board += line(
            name,
            f"{luts:,} m",
            f"{products:,} m",
            f"{blocks:,} m",
            "fits m" if fits else f"does not fit: {share:.1f} times it m",
            f"{frames:.2f} m" if fits else "-",
        )
    peers = ["NVDLA", "multipliers", "buffer KB", "DRAM GB/s", "area mm2", "clock MHz", "frames/s", "power mW"]
    peers += ["mm2 at 130 nm", "frames/s at 200 MHz"]
    others = line(*peers) + line(*("---" for _ in peers))
    for peer in PEERS:
        others += line(
            "28 nm", str(peer.multipliers), str(peer.buffer_kb), f"{peer.gigabytes:g}", f"{peer.mm2:g}", "1000",
            f"{peer.frames:g}", "not stated", f"{peer.mm2 / area_factor(28):.1f} m", f"{peer.frames / 5:.2f} m",
        )  # fmt: skip
    bandwidths = ", ".join(f"{name} {chip_of(name).dram_bytes_per_cycle}" for name in CHIPS)
    return f"""# What a chip costs

Written by `python benchmarks/costs.py`; do not edit. In the shape of NVDLA's primer: ResNet-50, int8, batch 1.

**s** synthesised (Yosys and OpenSTA, typical corner, the margin of a fifth for wires in the clock; before layout).
**m** modelled. **t** simulated, exactly the RTL's cycles. Frames a second are clock / cycles, as good as the clock.

## On IHP SG13G2, 130 nm, 1.2 V

{kit}
The clock is modelled within {ERROR:.0%} of synthesis, area of cells within 10 %, both on drawn chips of at most 256
multipliers and on mac512; area of macros by a formula for the kit's own. Banks of at most 256 words, as mac512 and
mac2048 have, let a chip be faster. Energy is {SOURCE};
its error is in [silicon.md](silicon.md). Power is that of the chip while it computes without pause, DRAM apart.
Bytes of DRAM a cycle: {bandwidths}.

## On a Lattice ECP5

{board}
Resources are the estimate that `lithify fpga --chip auto` tries arrays by, and {FILL:.0%} of the look-up tables are
counted as usable; frames are counted at {CLOCK_HZ / 1e6:g} MHz, which bitstreams are made for unless more is
asked: what systems reach is in [fpga.md](fpga.md). An ECP5's power is not modelled.

## Others, by their own figures

NVDLA's primer (nvdla.org/primer.html, "Example Area and Performance with NVDLA"): estimated synthesis area, all
memories included. The last two columns are arithmetic on them: an area on its node is about {area_factor(28):.2f} of
one at 130 nm (Stillmaker and Baas 2017, `explore/advise/die.py`), rough for whole chips; frames go with the clock. At
1 GHz, GB/s are bytes a cycle (those of the chips above: {bandwidths}).

{others}
{section(kept)}"""


def asic_row(chip: Chip, entry: dict[str, Any]) -> list[str]:
    """A chip on SG13G2."""
    found, mapped = entry["counted"], entry.get("synthesised")
    hertz = mapped["mhz"] * 1e6 if mapped else clock_limit(chip).hz
    parts = energy(chip, found["cycles"], found["array_cycles"], found["sram_bytes"], found["dram_bytes"])
    onchip = (parts.total - parts.dram) / 1e6
    mark = "t, clock s" if mapped else "t, clock m"
    return [
        chip.name,
        str(chip.multipliers),
        f"{onchip_bytes(chip) / 1024:.0f}",
        f"{mapped['mm2']:.2f} s" if mapped else f"{area(chip).mm2:.1f} m",
        f"{mapped['mhz']:.0f} s" if mapped else f"{hertz / 1e6:.0f} m",
        f"{hertz / found['cycles']:.2f} {mark}",
        f"{onchip * hertz / found['cycles'] * 1e3:,.0f} m",
        f"{1 / onchip:.1f} m",
        f"{1e6 / parts.total:.1f} m",
    ]


if __name__ == "__main__":
    sys.exit(main())
