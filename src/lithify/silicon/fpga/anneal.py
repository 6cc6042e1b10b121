"""Placed cells are moved again, for shorter paths: `anneal.cpp`, compiled once for this machine."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from lithify.errors import LithifyError
from lithify.rtl.simulation.cache import cached, digest
from lithify.rtl.simulation.toolchain import call, find_compiler
from lithify.silicon.fpga.placed import Place, Placed

SOURCE = Path(__file__).with_name("anneal.cpp")

LOOKS = 200
"""Times that all paths are looked at; between two of them 14 moves are proposed for every unit that may move. For the
system of 4 x 4, of 14,000 units, it takes one to two minutes of a processor."""

OTHER_RULES = 4
"""Exit status where the placement keeps other rules than those that `anneal.cpp` knows."""


@dataclass(frozen=True)
class Annealed:
    """before_ns, after_ns: the longest path, reckoned with wires as they are usually routed; None where nothing could
    be moved; design: for nextpnr."""

    before_ns: float | None
    after_ns: float | None
    design: str


def anneal(placed: str, period_ns: float, grade: str, target_hz: float, seed: int, folder: Path) -> Annealed:
    """Moves the cells of a design that nextpnr has placed (its JSON) until every path is inside a period.

    The netlist stays as it is: cells change places within the rules of their tiles, and the same words give the same
    places. target_hz: what nextpnr is to route towards. Cells stay where the placement keeps other rules than those
    known here. Raises LithifyError where no compiler is installed.
    """
    design = Placed(placed)
    stays = Annealed(None, None, design.moved(list(design.places.values()), target_hz))
    if not design.movable:
        return stays
    (folder / "problem.txt").write_text(design.problem(period_ns, grade), encoding="ascii")
    done = subprocess.run(
        [str(_program()), "problem.txt", "places.txt", str(LOOKS), str(seed)], cwd=folder, capture_output=True,
        encoding="ascii", check=False,
    )  # fmt: skip
    if done.returncode == OTHER_RULES:
        return stays
    if done.returncode:
        raise LithifyError(f"Moving the cells failed (exit status {done.returncode}).")
    before, after = (float(word) for word in done.stdout.split())
    lines = (folder / "places.txt").read_text(encoding="ascii").splitlines()
    places = [Place(*(int(word) for word in line.split())) for line in lines]
    return Annealed(before, after, design.moved(places, target_hz))


def _program() -> Path:
    compiler = find_compiler()

    def make(folder: Path) -> None:
        words = [*compiler.command, "-O2", "-std=c++17", "-o", "anneal.exe", str(SOURCE)]
        call(words, folder, "Compiling the placer")

    return cached("anneal", digest([compiler.version, SOURCE.read_bytes()]), make) / "anneal.exe"
