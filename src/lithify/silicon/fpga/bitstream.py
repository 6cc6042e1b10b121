"""From a system to a board's bitstream: Verilog, synthesis, placement and routing, the clock that is met."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lithify.errors import LithifyError
from lithify.rtl.link.system import SystemDescription, system_verilog
from lithify.silicon.fpga.anneal import anneal
from lithify.silicon.fpga.boards import Board, constraints, wrapper
from lithify.silicon.fpga.paths import Delays, slowest_paths
from lithify.silicon.fpga.paths import Path as Reckoned
from lithify.silicon.fpga.placed import GRADES
from lithify.silicon.fpga.products import RULE, selection, soft_rows
from lithify.silicon.fpga.tools import OUT_OF_TIME, run_tool

TOP = "lithify_board"

CELLS = MappingProxyType(
    {"look-up tables": "TRELLIS_COMB", "registers": "TRELLIS_FF", "block RAMs": "DP16KD", "multipliers": "MULT18X18D"}
)
"""What is counted, and nextpnr's name of it."""

SYNTHESIS = (
    "read_verilog {files}; hierarchy -top {top}; proc; wreduce lithify_column_*; {soft}"
    "synth_lattice -family ecp5 -top {top} -json design.json; tee -q -o cells.json stat -json"
)
SOFT = "techmap -map soft_products.v {products}; "
"""Before the rest of synthesis, which takes blocks for all products that it finds."""

ROUTERS = (("--router", "router1"), ("--router", "router2", "--tmg-ripup"))
"""nextpnr's routers. The second is for what misses the clock by the first: it takes late paths apart and routes them
again."""

LONGEST_S = 1800.0
"""Seconds for a router: where many paths are late, taking them apart need not end."""

PRESSED = 1.05
"""nextpnr is asked for this much more than the clock: it leaves every path alone that is inside its target, and its
router takes paths for 1 or 2 % faster than they turn out. A tenth is not always reached in ten minutes."""

TRIES, NEAR = 4, 0.93
"""Placements that are tried, from `seed` on, and what one of them must reach of the clock for the next to be worth its
time: seeds differ by some per cent. A placement that is reckoned to reach less is not routed.
"""

MARGIN = 0.93
"""Of the clock's period: what the cells are moved for, since the router gives some wires more than is usual."""

SHORT = Delays(wire=0.45, neighbour=0.13)
"""Cells as they are and every wire as short as wires are: what misses the clock so misses it in every placement."""

RECKONED = 10
"""Paths that are named before placement, those of the slowest registers."""

RAM_LUTS, CARRY_LUTS = 4, 2
"""Look-up tables that a memory cell of 16 x 4 bits and a carry cell take: measured on nextpnr's own counts."""


class PartTooSmall(LithifyError):
    """A system that does not fit the board's part."""


class ClockMissed(LithifyError):
    """A system whose paths are too long for the clock that was asked for."""


@dataclass(frozen=True)
class Use:
    """So many of a resource, of so many that there are."""

    used: int
    available: int


@dataclass(frozen=True)
class Bitstream:
    """A finished bitstream. bits: the file's contents; reached_hz: the clock that placement and routing reach, at least
    `system.clock_hz`; seed: of the placement that does; resources: by the names of CELLS; path: the slowest path, a
    step a line; reckoned: what synthesis alone tells of the slowest registers (`silicon/fpga/paths.py`), to compare
    chips by; seconds: by tool.
    """

    board: Board
    system: SystemDescription
    bits: bytes
    reached_hz: float
    seed: int
    resources: Mapping[str, Use]
    path: tuple[str, ...]
    reckoned: tuple[Reckoned, ...]
    seconds: Mapping[str, float]


def make_bitstream(
    board: Board, system: SystemDescription, *, seed: int = 1, note: Callable[[str], None] | None = None
) -> Bitstream:
    """The bitstream of a system for a board, with every path inside its clock. seed: of the first placement; where it
    misses narrowly, those that follow are tried.

    Raises PartTooSmall, ClockMissed, and LithifyError where a tool is missing or fails.
    """
    say = note or (lambda text: None)
    seconds = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start, sdram = time.perf_counter(), system.sdram is not None
        files = {**system_verilog(system), f"{TOP}.v": wrapper(board, sdram=sdram)}
        files["lithify_clock.v"] = _clock(board, system, folder)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        (folder / "board.lpf").write_text(constraints(board, PRESSED, sdram=sdram), encoding="utf-8")
        say(f"synthesis of {system.chip.rows} x {system.chip.columns} multipliers for {board.part.name} (Yosys)")
        soft = ""
        if rows := soft_rows(system.chip, board.part.multipliers):
            (folder / "soft_products.v").write_text(RULE, encoding="utf-8")
            soft = SOFT.format(products=selection(files, rows))
        script = SYNTHESIS.format(files=" ".join(sorted(files)), top=TOP, soft=soft)
        _check(run_tool("yosys", ["-q", "-p", script], folder), "Yosys")
        _check_size(board, counted((folder / "cells.json").read_text(encoding="utf-8")))
        netlist = (folder / "design.json").read_text(encoding="utf-8")
        reckoned = tuple(slowest_paths(netlist, TOP)[:RECKONED])
        seconds["synthesis"] = time.perf_counter() - start
        if reckoned:
            worst = reckoned[0]
            say(f"the slowest path, before placement: {worst.ns:.1f} ns, from {worst.start} to {worst.end}")
        _check_reachable(board, system, netlist)
        start = time.perf_counter()
        best, reached, path = 0.0, 0.0, tuple[str, ...]()
        for number in range(seed, seed + TRIES):
            say(f"placement (nextpnr), seed {number}")
            placed = _placed(board, system, number, folder, say)
            if placed is not None and placed < NEAR * system.clock_hz:
                best = max(best, placed)
                if not path:
                    break
                continue
            for router in ROUTERS:
                say(f"routing (nextpnr, {router[1]})")
                found = _routed(board, folder, router)
                if found is None:
                    say(f"given up after {LONGEST_S / 60:.0f} minutes")
                    continue
                report = found
                reached = reached_hz(report)
                if reached > best:
                    best, path = reached, slowest(report)
                if reached >= system.clock_hz:
                    break
            best = best or placed or 0.0
            if reached >= system.clock_hz or best < NEAR * system.clock_hz:
                break
            say(f"it reaches {reached / 1e6:.1f} MHz")
        seconds["placement and routing"] = time.perf_counter() - start
        if reached < system.clock_hz:
            tried = f" (the best of {number - seed + 1} placements)" if number > seed else ""
            where = f"slowest path: {path[0]} to {path[-1]}" if path else "reckoned after placement, not routed"
            raise ClockMissed(
                f"On {board.name} the system reaches {best / 1e6:.1f} MHz{tried}, and {system.clock_hz / 1e6:g} MHz "
                f"were asked for ({where}); take another --seed, a smaller chip or a lower --clock."
            )
        start = time.perf_counter()
        _check(
            run_tool("ecppack", ["--compress", "--input", "design.config", "--bit", "design.bit"], folder), "ecppack"
        )
        seconds["packing"] = time.perf_counter() - start
        bits = (folder / "design.bit").read_bytes()
    return Bitstream(board, system, bits, reached, number, resources(report), path, reckoned, seconds)


def _placed(
    board: Board, system: SystemDescription, seed: int, folder: Path, say: Callable[[str], None]
) -> float | None:
    """Places the system, and moves its cells for the clock: `placed.json`. The clock in Hz that it should reach then;
    None where the cells stay as nextpnr has placed them.
    """
    words = ["--json", "design.json", "--lpf", "board.lpf", "--seed", str(seed), "--no-route", "--write", "placed.json"]
    done = _nextpnr(board, words, folder)
    if done[0] and "Unable to" in done[1]:
        raise PartTooSmall(_too_small(board, f"nextpnr finds no place: {_last(done[1])}"))
    _check(done, "nextpnr")
    file = folder / "placed.json"
    period = 1e9 / system.clock_hz
    found = anneal(
        file.read_text(encoding="utf-8"), MARGIN * period, board.speed, PRESSED * system.clock_hz, seed, folder
    )
    file.write_text(found.design, encoding="utf-8")
    if found.after_ns is None:
        say("its cells stay: nothing may be moved by the rules that are known")
        return None
    say(f"its cells moved: the slowest path takes {found.after_ns:.1f} ns by reckoning, and took {found.before_ns:.1f}")
    return 1e9 / found.after_ns


def _routed(board: Board, folder: Path, router: Sequence[str]) -> dict[str, Any] | None:
    """nextpnr's report of `placed.json`, routed, with its configuration in `design.config`; None where it took too
    long."""
    words = ["--json", "placed.json", "--no-pack", "--no-place", "--textcfg", "design.config", *router]
    done = _nextpnr(board, [*words, "--report", "report.json"], folder, LONGEST_S)
    if done[0] == OUT_OF_TIME:
        return None
    _check(done, "nextpnr")
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


def _nextpnr(board: Board, words: list[str], folder: Path, seconds: float | None = None) -> tuple[int, str]:
    part = [board.device, "--package", board.package, "--speed", board.speed]
    return run_tool("nextpnr_ecp5", [*part, *words, "--timing-allow-fail", "-q"], folder, seconds)


def counted(stat: str) -> dict[str, int]:
    """Cells by type, from what Yosys's `stat -json` writes."""
    types = json.loads(stat[stat.index("{") :])["design"]["num_cells_by_type"]
    return {name: int(entry["count"] if isinstance(entry, dict) else entry) for name, entry in types.items()}


def look_up_tables(cells: Mapping[str, int]) -> int:
    """Look-up tables that mapped cells will take."""
    return (
        cells.get("LUT4", 0) + CARRY_LUTS * cells.get("CCU2C", 0) + RAM_LUTS * cells.get("TRELLIS_DPR16X4", 0)
    )  # fmt: skip


def resources(report: Mapping[str, Any]) -> dict[str, Use]:
    """What is used, from nextpnr's report."""
    table = report["utilization"]
    return {name: Use(table[cell]["used"], table[cell]["available"]) for name, cell in CELLS.items()}


def reached_hz(report: Mapping[str, Any]) -> float:
    """The lowest clock reached of those that are derived from the PLL, from nextpnr's report."""
    clocks = [entry["achieved"] for entry in report["fmax"].values()]
    if not clocks:
        raise LithifyError("nextpnr's report names no clock; its version is not one that Lithify knows.")
    return float(min(clocks)) * 1e6


def slowest(report: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells along the slowest path from a clock edge to the next, with the delay of each step in ns."""
    paths = [entry for entry in report["critical_paths"] if "async" not in entry["from"] + entry["to"]]
    if not paths:
        return ("",)
    worst = max(paths, key=lambda entry: sum(step["delay"] for step in entry["path"]))
    return tuple(
        f"{step['to']['cell']}.{step['to']['port']} (+{step['delay']:.2f} ns {step['type']})" for step in worst["path"]
    )


def _clock(board: Board, system: SystemDescription, folder: Path) -> str:
    """The Verilog of the PLL `lithify_clock`, by ecppll."""
    wanted = system.clock_hz / 1e6
    words = [
        "-i",
        f"{board.oscillator_hz / 1e6:g}",
        "-o",
        f"{wanted:g}",
        "-n",
        "lithify_clock",
        "--clkin_name",
        "clkin",
    ]
    status, said = run_tool("ecppll", [*words, "--clkout0_name", "clkout0", "-f", "clock.v"], folder)
    line = next((line for line in said.splitlines() if line.startswith("clkout0 frequency:")), "")
    given = float(line.split()[2]) if line else 0.0
    if status or abs(given - wanted) > 1e-6 * wanted:
        near = f"; the nearest is {given:g} MHz" if given else ""
        raise LithifyError(
            f"The PLL of {board.name} cannot make {wanted:g} MHz from {board.oscillator_hz / 1e6:g} MHz{near}; "
            "give another --clock."
        )
    return (folder / "clock.v").read_text(encoding="utf-8")


def _check_reachable(board: Board, system: SystemDescription, netlist: str) -> None:
    """Refuses a clock that no placement can reach, before one is made."""
    for worst in slowest_paths(netlist, TOP, SHORT)[:1]:
        reached = 1e9 / (worst.ns * GRADES[board.speed])
        if reached < system.clock_hz:
            raise ClockMissed(
                f"On {board.name} the system reaches {reached / 1e6:.1f} MHz, and {system.clock_hz / 1e6:g} MHz were "
                f"asked for, even if every wire were short (slowest path: {worst.start} to {worst.end}); take another "
                "chip or a lower --clock."
            )


def _check_size(board: Board, cells: Mapping[str, int]) -> None:
    part = board.part
    wanted = {
        "look-up tables": (look_up_tables(cells), part.luts),
        "registers": (cells.get("TRELLIS_FF", 0), part.registers),
        "block RAMs": (cells.get("DP16KD", 0), part.blocks),
        "multipliers": (cells.get("MULT18X18D", 0), part.multipliers),
    }
    over = [f"{used:,} {name} of {there:,}" for name, (used, there) in wanted.items() if used > there]
    if over:
        raise PartTooSmall(_too_small(board, f"it takes {' and '.join(over)}"))


def _too_small(board: Board, why: str) -> str:
    return (
        f"The system does not fit the {board.part.name} of {board.name}: {why}; take a smaller chip, less --memory, or "
        "--chip auto."
    )


def _check(done: tuple[int, str], tool: str) -> None:
    if done[0]:
        raise LithifyError(f"{tool} failed (exit status {done[0]}): {_last(done[1])}.")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("ERROR: ").rstrip(".")
