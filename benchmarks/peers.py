"""Maps published accelerators, and Lithify's array, by the tools of `lithify synth`: area, clock, products a mm2.

    python benchmarks/peers.py --pdk FOLDER --sources FOLDER     all of peers.toml whose files are in FOLDER/KEY
    python benchmarks/peers.py --pdk FOLDER --top NAME --multipliers 64 FILE.v ...     prints a row of any other design

The first writes benchmarks/peers.json, which docs/costs.md is made from (`python benchmarks/costs.py --write`); a peer
whose files are not there keeps its figures. Where a repository has templates in place of Verilog (NVDLA), the files are
those that its own build makes of them.

Every part is mapped alone and its area counted as often as the design has it; the clock is that of the slowest part.
Paths from a part's pins count: a register of another part drives them.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from standard import chip_of, line

from lithify.errors import LithifyError
from lithify.rtl.compute.column import Column
from lithify.rtl.netlist import modules
from lithify.rtl.verilog import verilog
from lithify.silicon.clock import worst_path
from lithify.silicon.kit import Kit, load_kit
from lithify.silicon.synthesis import job, result, run, yosys_version

ROOT = Path(__file__).parents[1]
TABLE, RESULTS = ROOT / "benchmarks" / "peers.toml", ROOT / "benchmarks" / "peers.json"
ARRAY = "lithify_chip_compute_array"
OURS = {"lithify-16": 16, "lithify-2": 2}
"""Lithify's own array in `tiny`: accumulators of a column, as it is and with as few as a chip may have."""
HEAD = ("design", "multipliers", "cells", "NAND2", "mm2", "clock MHz", "NAND2 a multiplier", "GMAC/s a mm2")


@dataclass(frozen=True)
class Peer:
    """A row of peers.toml."""

    name: str
    repository: str
    licence: str
    multipliers: int
    clock: str
    parts: dict[str, int]
    holds: str
    lacks: str
    files: dict[str, str]


@dataclass(frozen=True)
class Mapped:
    """A design in the kit's cells. um2: square micrometres; mhz: with the margin for wires, typical corner."""

    multipliers: int
    cells: int
    nand2: int
    um2: int
    mhz: float

    def row(self, name: str) -> list[str]:
        """The cells of a table with `HEAD`."""
        return [
            name,
            str(self.multipliers),
            f"{self.cells:,}",
            f"{self.nand2:,}",
            f"{self.um2 / 1e6:.3f}",
            f"{self.mhz:.0f}",
            f"{self.nand2 / self.multipliers:,.0f}",
            f"{density(self.multipliers, self.mhz, self.um2 / 1e6):.1f}",
        ]


def density(multipliers: int, mhz: float, mm2: float) -> float:
    """Products of int8 a second at most, in 10^9, on a square millimetre."""
    return multipliers * mhz / 1e3 / mm2


def peers() -> dict[str, Peer]:
    """The table: key -> peer."""
    return {key: Peer(**entry) for key, entry in tomllib.loads(TABLE.read_text(encoding="utf-8")).items()}


def mapped(kit: Kit, files: dict[str, str], parts: dict[str, int], multipliers: int, clock: str = "clk") -> Mapped:
    """Map each of `parts` (module -> how often) with `files` (name -> text)."""
    cells, um2, mhz = 0, 0.0, []
    for top, times in parts.items():
        with tempfile.TemporaryDirectory(prefix="lithify-") as name:
            work = job(files, top, kit=kit, asynchronous=True)
            run(work, Path(name))
            found = result(work, Path(name))
            cells += times * found.cells
            um2 += times * found.area
            mhz.append(worst_path(found, top, kit, clock=clock, pins=True).margin_hz / 1e6)
    return Mapped(multipliers, cells, round(um2 / kit.nand2_area), round(um2), round(min(mhz), 1))


def ours(kit: Kit, accumulators: int) -> Mapped:
    """The array of `tiny` with so many accumulators a column."""
    chip = chip_of("tiny").model_copy(update={"accumulators": accumulators})
    return mapped(kit, verilog(chip), {ARRAY: 1}, chip.multipliers)


def column() -> str:
    """The digest of a column of that array: other Verilog has other figures."""
    text = "".join(modules(Column(chip_of("tiny"))).values())
    return hashlib.sha256(text.encode()).hexdigest()


def kept() -> dict[str, Mapped]:
    """What was measured."""
    return {key: Mapped(**entry) for key, entry in json.loads(RESULTS.read_text(encoding="utf-8"))["designs"].items()}


def section(chips: dict[str, Any]) -> str:
    """The part of docs/costs.md; chips: name -> what benchmarks/costs.json has of it."""
    found, table = kept(), peers()
    tool = json.loads(RESULTS.read_text(encoding="utf-8"))["yosys"]
    sums = 1 - found["lithify-2"].um2 / found["lithify-16"].um2
    rows = [
        found["lithify-16"].row("Lithify, array of `tiny`"),
        found["lithify-2"].row("the same, 2 accumulators a column"),
        *(found[key].row(peer.name) for key, peer in table.items()),
    ]
    for name in ("tiny", "edge"):
        entry, multipliers = chips[name]["synthesised"], chip_of(name).multipliers
        rate = density(multipliers, entry["mhz"], entry["mm2"])
        rows.append([f"Lithify, `{name}`, whole with memory", str(multipliers), "", "", f"{entry['mm2']:.2f}"])
        rows[-1] += [f"{entry['mhz']:.0f}", "", f"{rate:.1f}"]
    text = line(*HEAD) + line(*("---" for _ in HEAD)) + "".join(line(*row) for row in rows)
    sources = line("design", "holds", "does not", "from") + line(*("---" for _ in range(4)))
    sources += line(
        "Lithify, array of `tiny`",
        "products, adder tree, weights held twice, 16 (or 2) sums of 32 bits a column and their adder, words of the "
        "window for depthwise layers, maximum for pooling",
        "post-processing, sequencers, control, scratchpad, bus",
        "this repository",
    )
    for peer in table.values():
        commits = ", ".join(dict.fromkeys(commit[:8] for commit in peer.files.values()))
        sources += line(peer.name, peer.holds, peer.lacks, f"github.com/{peer.repository} ({commits}), {peer.licence}")
    return f"""## Others, mapped by the same tools

All **s**: Yosys ({tool}), SG13G2's cells and OpenSTA as `lithify synth` uses them, typical corner, the margin for wires
in the clock, paths from pins counted. GMAC/s a mm2: a product a multiplier and cycle, at most. A design without memory,
post-processing or control has more of them for that reason: rows compare only where they hold the same. What the others
compute was not checked.

{text}
{sources}
Fourteen of the sixteen sums a column, in registers, are {sums:.0%} of Lithify's array; NVDLA keeps them in a memory.
NVDLA's MAC cell has its three stages of registers behind the sum, for a tool to move into it; these tools do not, so
it would clock higher where that is done. Its templates were expanded for `nv_small` (8 x 8, int8, without DesignWare).
`python benchmarks/peers.py --pdk FOLDER --sources FOLDER` maps them again, or with `--top` any other Verilog.
"""


def main(arguments: list[str] | None = None) -> int:
    """Maps, prints rows; the exit status."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pdk", type=Path, required=True, help="the folder of a process kit")
    options.add_argument("--sources", type=Path, help="a folder with a folder of files for each peer")
    options.add_argument("--top", help="the module of a design that is in no table")
    options.add_argument("--multipliers", type=int, default=1, help="how many it has")
    options.add_argument("--clock", default="clk", help="its pin of the clock")
    options.add_argument("files", type=Path, nargs="*", help="its Verilog")
    given = options.parse_args(arguments)
    for path in given.files:
        if not path.is_file():
            options.error(f"there is no file '{path}': name the Verilog of the design.")
    if (given.top is None) != (not given.files):
        options.error("a design that is in no table is named by --top and its files together.")
    try:
        return measure(given, load_kit(given.pdk))
    except LithifyError as error:
        print(error, file=sys.stderr)
        return 1


def measure(given: argparse.Namespace, kit: Kit) -> int:
    """What `main` was asked for."""
    print(line(*HEAD), end="")
    if given.top is not None:
        texts = {path.name: path.read_text(encoding="utf-8") for path in given.files}
        print(line(*mapped(kit, texts, {given.top: 1}, given.multipliers, given.clock).row(given.top)), end="")
        return 0
    found = kept() if RESULTS.is_file() else {}
    for key, accumulators in OURS.items():
        found[key] = ours(kit, accumulators)
        print(line(*found[key].row(key)), end="", flush=True)
    for key, peer in peers().items() if given.sources is not None else ():
        paths = [given.sources / key / Path(file).name for file in peer.files]
        missing = [str(path) for path in paths if not path.is_file()]
        if missing:
            print(f"{key}: not mapped, there is no {missing[0]}.")
            continue
        texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
        found[key] = mapped(kit, texts, peer.parts, peer.multipliers, peer.clock)
        print(line(*found[key].row(key)), end="", flush=True)
    designs = {key: asdict(entry) for key, entry in found.items()}
    entries = {"yosys": yosys_version(), "column": column(), "designs": designs}
    RESULTS.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
