"""Measures the standard networks, and the chips that others have published figures for, and writes docs/benchmarks.md
and the second table of README.md.

    python benchmarks/standard.py                  measures everything (minutes), then writes
    python benchmarks/standard.py resnet50 ...     measures these networks again; the other rows stay
    python benchmarks/standard.py --write          measures nothing: writes the tables from benchmarks/standard.json

Every number is a row of `lithify bench`; benchmarks/standard.json keeps them all.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lithify.bench import STANDARD, Measured, bench
from lithify.chip import Chip, load_chip, preset_names

ROOT = Path(__file__).parents[1]
CHIPS = ROOT / "benchmarks" / "chips"
RESULTS = ROOT / "benchmarks" / "standard.json"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->\n", "<!-- benchmarks: end -->\n"
STANDARD_CHIP = "edge"
ALL = (*STANDARD, "bert_base", "vit_b16")
"""The standard networks, and transformers."""


@dataclass(frozen=True)
class Published:
    """What others publish for a network on a chip of this size. figure: in words; source: where it stands."""

    chip: str
    network: str
    figure: str
    source: str


_NVDLA = "NVDLA primer, nvdla.org/primer.html, at 1 GHz"
_ZIGZAG = "ZigZag 3.9.1, measured at this size"
_SCALE = "SCALE-Sim 3.0.0, measured at this size, output stationary"

PUBLISHED = (
    Published("mac64", "resnet50", "7.3 frames/s", _NVDLA),
    Published("mac256", "resnet50", "46 frames/s; Gemmini 54 % utilisation", f"{_NVDLA}; Gemmini's commit messages"),
    Published("mac512", "resnet50", "93 frames/s", _NVDLA),
    Published("mac2048", "resnet50", "269 frames/s", _NVDLA),
    Published("mac256", "mobilenet_v2", "none", ""),
    Published("mac256_vector", "bert_base", "none", ""),
    Published("mac256_vector", "vit_b16", "none", ""),
    Published("mac1024_640k", "resnet18", "3,250,552 cycles", _SCALE),
    Published("mac1024_2m", "mobilenet_v2", "22,577,042 cycles", _ZIGZAG),
    Published("mac4096", "resnet50", "3 times its own 256 multipliers", "Gemmini's issue list"),
)

Row = dict[str, Any]


def chip_of(name: str) -> Chip:
    """A preset, or a description beside this file."""
    return load_chip(name if name in preset_names() else CHIPS / f"{name}.toml")


def wanted() -> dict[str, list[str]]:
    """The chips that each network is measured on."""
    found = {network: [STANDARD_CHIP] for network in ALL}
    for row in PUBLISHED:
        if row.chip not in found.setdefault(row.network, []):
            found[row.network].append(row.chip)
    return found


def line(*cells: str) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"


def table(rows: list[Row], extra: dict[tuple[str, str], Published]) -> str:
    """The rows as Markdown; `extra` adds a last column."""
    names = ["network", "chip", "multipliers", "on-chip KB", "DRAM bytes/cycle", "cycles", "frames/s at 1 GHz"]
    names += ["utilisation", "of the roofline", "DRAM MB", "energy uJ", "compile CPU s", "timing CPU s", "on the host"]
    text = line(*names, *(["published by others"] if extra else []))
    text += line(*("---" for _ in range(len(names) + bool(extra))))
    for row in rows:
        cells = [
            row["network"],
            row["chip"],
            str(row["multipliers"]),
            f"{row['onchip_bytes'] / 1024:.0f}",
            str(row["dram_bytes_per_cycle"]),
            f"{row['cycles']:,}",
            f"{row['fps_at_1ghz']:,.1f}",
            f"{100 * row['utilisation']:.1f} %",
            f"{100 * row['roofline_cycles'] / row['cycles']:.1f} %",
            f"{row['dram_bytes'] / 1e6:.2f}",
            f"{row['energy_uj']:,.0f}",
            f"{row['compile_cpu_s']:.1f}",
            f"{row['timing_cpu_s']:.2f}",
            ", ".join(dict.fromkeys(row["host_nodes"])) or "nothing",
        ]
        if extra:
            other = extra[row["network"], row["chip"]]
            cells.append(other.figure + (f" ({other.source})" if other.source else ""))
        text += line(*cells)
    return text


def page(rows: list[Row]) -> str:
    """The contents of docs/benchmarks.md."""
    by = {(row["network"], row["chip"]): row for row in rows}
    standard = [by[name, STANDARD_CHIP] for name in ALL if (name, STANDARD_CHIP) in by]
    compared = {(row.network, row.chip): row for row in PUBLISHED if (row.network, row.chip) in by}
    energy = " or ".join(dict.fromkeys(row["energy_source"] for row in rows))
    return f"""# Benchmarks

Written by `python benchmarks/standard.py`; do not edit. Any row: `lithify bench NETWORK --chip CHIP`, where the chips
that are no presets lie in `benchmarks/chips/`.

Networks are built from code, with seeded weights and seeded calibration data; nothing is downloaded. Batch 1, int8;
cycles and DRAM bytes are simulated (the timing simulator, which is exactly the RTL's count), weights in DRAM,
scratchpad cold. On-chip memory is every memory of the RTL. The roofline is the larger of multiply-accumulates /
multipliers and of the least bytes (weights, input, output, once) / DRAM bytes a cycle. Energy is {energy}.
Seconds are processor seconds of the machine that wrote this.

## The standard networks on `{STANDARD_CHIP}`

{table(standard, {})}
## Beside what others publish for the same resources

{table([by[key] for key in compared], compared)}"""


def short_table(rows: list[Row]) -> str:
    """The README's table: the chips that others publish figures for."""
    names = ("network", "chip", "multipliers", "on-chip KB", "cycles", "frames/s at 1 GHz", "of the roofline")
    text = line(*names, "published by others") + line(*("---" for _ in range(len(names) + 1)))
    by = {(row["network"], row["chip"]): row for row in rows}
    for other in PUBLISHED:
        row = by.get((other.network, other.chip))
        if row is None:
            continue
        cells = [row["network"], row["chip"], str(row["multipliers"]), f"{row['onchip_bytes'] / 1024:.0f}"]
        cells += [f"{row['cycles']:,}", f"{row['fps_at_1ghz']:,.1f}"]
        text += line(*cells, f"{100 * row['roofline_cycles'] / row['cycles']:.1f} %", other.figure)
    return text


def write(rows: list[Row]) -> None:
    """Writes docs/benchmarks.md and the table of README.md."""
    PAGE.write_text(page(rows), encoding="utf-8", newline="\n")
    text = README.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    README.write_text(before + BEGIN + short_table(rows) + after, encoding="utf-8", newline="\n")


def main(names: list[str]) -> None:
    """Measures what is named (everything without names), keeps the other rows, and writes the tables."""
    rows: list[Row] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    if names == ["--write"]:
        write(rows)
        return
    todo = {network: chips for network, chips in wanted().items() if not names or network in names}
    kept = {(row["network"], row["chip"]): row for row in rows}

    def found(row: Measured) -> None:
        """Every row is written as soon as it is there."""
        print(row, flush=True)
        kept[row.network, row.chip] = row.to_json()
        RESULTS.write_text(json.dumps(list(kept.values()), indent=1) + "\n", encoding="utf-8", newline="\n")
        write(list(kept.values()))

    for network, chips in todo.items():
        bench([network], [chip_of(chip) for chip in chips], found=found)


if __name__ == "__main__":
    main(sys.argv[1:])
