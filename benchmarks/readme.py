"""Measures the examples on three chips, whole networks in RTL, and writes the table into README.md.

    python benchmarks/readme.py            builds everything below build/benchmarks (some minutes), then writes
    python benchmarks/readme.py --check    only says whether the table's cycles are those of today's compiler

Every number comes from the report.json of a build, which says how it was obtained.
"""

import sys
from pathlib import Path

import lithify
from lithify.chip import Chip, load_chip
from lithify.report import Report

ROOT = Path(__file__).parents[1]
NETWORKS = ("digits_cnn", "digits_resnet8", "digits_mobilenet")
CHIPS = ("tiny", "edge", "examples/wide.toml")
DATA = ROOT / "examples" / "digits.npz"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
COLUMNS = (
    ("network", ""),
    ("chip (multipliers)", ""),
    ("accuracy float / int8 / chip", "360 samples"),
    ("cycles", "RTL = timing simulator"),
    ("at 200 MHz", "cycles / clock"),
    ("utilisation", "MACs / (cycles x multipliers)"),
    ("DRAM bytes", "simulated"),
    ("gates", "modelled"),
    ("values compared, different", "reference = functional = RTL"),
    ("RTL cycles off", "timing - RTL"),
)
"""Heading, and how the numbers below it were obtained."""


def chip_of(name: str) -> Chip:
    """A preset, or a description in the repository."""
    return load_chip(ROOT / name if name.endswith(".toml") else name)


def row(report: Report, multipliers: int) -> str:
    """A line of the table."""
    accuracy, verify = report.accuracy, report.verify
    shares = " / ".join(f"{100 * (share or 0):.1f} %" for share in (accuracy.float_model, accuracy.int8, accuracy.chip))
    off = "not run" if verify.cycles_rtl is None else verify.cycles_timing - verify.cycles_rtl
    cells = (
        report.model,
        f"{report.chip} ({multipliers})",
        shares,
        f"{report.cycles:,}",
        f"{report.latency_ms:.3f} ms",
        f"{100 * report.mac_utilisation:.1f} %",
        f"{report.dram_bytes:,}",
        f"{report.gates:,}",
        f"{verify.values_compared:,}, {verify.values_different}",
        off,
    )
    return line(*map(str, cells))


def line(*cells: str) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"


def cycles_in_readme() -> dict[tuple[str, str], int]:
    """(network, chip) -> the cycles that the README states."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index(BEGIN) : text.index(END)]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| digits")]
    return {(cells[1].strip(), cells[2].split()[0]): int(cells[4].replace(",", "")) for cells in rows}


def cycles_today() -> dict[tuple[str, str], int]:
    """The same from today's compiler and the timing simulator; RTL is not run."""
    found = {}
    for network in NETWORKS:
        model = lithify.optimize(lithify.load(ROOT / "examples" / f"{network}.onnx"))
        quantized = lithify.quantize(model, DATA)
        for name in CHIPS:
            chip = chip_of(name)
            found[network, chip.name] = lithify.compile(quantized, chip).simulate().cycles
    return found


def write() -> None:
    """Builds everything and writes the table."""
    rows = [line(*(name for name, _ in COLUMNS)), line(*("---" for _ in COLUMNS))]
    for network in NETWORKS:
        for name in CHIPS:
            chip = chip_of(name)
            folder = ROOT / "build" / "benchmarks" / f"{network}_{chip.name}"
            report = lithify.build(ROOT / "examples" / f"{network}.onnx", folder, chip=chip, data=DATA)
            print(f"{network} on {chip.name}: {report.cycles:,} cycles, agreed: {report.agreed}", flush=True)
            rows.append(row(report, chip.multipliers))
    rows.append(line(*(f"*{how}*" if how else "" for _, how in COLUMNS)))
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    readme.write_text(before + BEGIN + "".join(rows) + after, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(cycles_in_readme() != cycles_today())
    write()
