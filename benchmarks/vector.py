"""Measures matrix products, and BERT-base with more and fewer float32 lanes, and writes the tables of docs/vector.md.

    python benchmarks/vector.py                    both tables (some minutes), then writes
    python benchmarks/vector.py products           one of them; the other stays

Cycles are those of the timing simulator; networks are built from code, with seeded weights and calibration data.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx_ir as ir

import lithify
from lithify.bench import bench
from lithify.chip import Chip, load_chip
from lithify.networks.builder import Builder

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "vector.md"
CHIPS = ROOT / "benchmarks" / "chips"
PRODUCTS = (
    (512, 512, 512),
    (768, 768, 768),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (512, 2048, 512),
    (512, 512, 2048),
)
LANES = (2, 4)
"""With words of 16 bytes there are no more."""


def of_weights(rows: int, depth: int, columns: int) -> ir.Model:
    """[rows, depth] times constants [depth, columns]."""
    net = Builder("product", (1, rows, depth), 0)
    return net.model([net.linear(net.input, columns)])


def of_activations(size: int) -> ir.Model:
    """A square matrix times its own transpose."""
    net = Builder("product", (1, size, size), 0)
    return net.model([net.matmul(net.input, net.transpose(net.input, (0, 2, 1)))])


def utilisation(model: ir.Model, chip: Chip) -> str:
    """Cycles, and how much of the array they use."""
    program = lithify.compile(lithify.quantize(lithify.optimize(model)), chip, strict=True)
    found = program.simulate()
    return f"{found.cycles:,} | {found.mac_utilisation:.1%}"


def products() -> str:
    """Matrix products on 256 multipliers; [512, 512] of two activations, of which the second is turned first."""
    chip = load_chip(CHIPS / "mac256.toml")
    text = "| matrix product | cycles | of 256 multipliers |\n|---|---|---|\n"
    for rows, depth, columns in PRODUCTS:
        text += f"| {rows} x {depth} x {columns} | {utilisation(of_weights(rows, depth, columns), chip)} |\n"
    return text + f"| 512 x 512 x 512, two activations | {utilisation(of_activations(512), chip)} |\n"


def lanes() -> str:
    """BERT-base on `mac256_vector` and on `edge`, with each number of lanes."""
    chips = [load_chip("mac256_vector"), load_chip("edge")]
    several = [chip.model_copy(update={"vector_lanes": count}) for chip in chips for count in LANES]
    rows = bench(("bert_base",), several, found=lambda row: print(row, flush=True))
    text = (
        "| chip | float32 lanes | BERT-base, 128 tokens | of 256 multipliers | compiled in |\n|---|---|---|---|---|\n"
    )
    for chip, row in zip(several, rows, strict=True):
        text += f"| {chip.name} | {chip.vector_lanes} | {row.cycles:,} cycles | {row.utilisation:.1%} | "
        text += f"{row.compile_cpu_s:.0f} s |\n"
    return text


TABLES: Mapping[str, Callable[[], str]] = {"products": products, "lanes": lanes}


def main(*names: str) -> None:
    """Writes the named tables, or all, between their marks."""
    for name in names or TABLES:
        made = TABLES[name]()
        text = PAGE.read_text(encoding="utf-8")
        begin, end = (f"<!-- {name}: {what} -->" for what in ("begin", "end"))
        before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
        PAGE.write_text(f"{before}\n{made}{after}", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
