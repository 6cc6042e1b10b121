"""What Verilator has to say about the chip's Verilog."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from lithify.rtl.simulation.backends import verilate

WAIVERS = {
    "UNUSEDSIGNAL": "Amaranth names every intermediate value and keeps the carry of every sum, used or not",
    "PROCASSINIT": "Amaranth gives registers an initial value beside their reset, for FPGAs",
    "WIDTHEXPAND": "Verilog's own rules extend the shorter operand, and Amaranth relies on them",
    "WIDTHTRUNC": "Yosys writes the test of a vector for zero as a logical negation of the vector",
    "CASEINCOMPLETE": "Amaranth assigns the default before the case, so nothing is left to a latch",
}
"""Warnings that are not looked at, each with its reason; every other one is an error."""


def lint(files: Mapping[str, str], top: str) -> None:
    """Check the Verilog with all of Verilator's warnings but the waived ones; raises LithifyError with the first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        waived = [f"-Wno-{warning}" for warning in WAIVERS]
        verilate(folder, ["--lint-only", "-Wall", *waived, "--top-module", top, *sorted(files)])
