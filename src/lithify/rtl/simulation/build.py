"""From the Verilog of a chip to a shared library that simulates it, cached by content."""

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lithify.errors import LithifyError
from lithify.rtl.simulation.backends import Backend, SimulatorName, backend
from lithify.rtl.simulation.cache import cached, digest
from lithify.rtl.simulation.toolchain import Compiler, CompilerName, call, find_compiler

Progress = Callable[[str], None]

COMPILE_FLAGS = ("-std=c++20", "-fPIC", "-DVL_TIME_CONTEXT", "-w")
FAST, SLOW = "-O3", "-O1"
"""Verilator names files after what they hold: what is slow runs once, at the start."""

UNCHECKED = "-fno-sanitize=undefined"
"""Without optimisation zig checks every shift and every conversion, which makes seven times as much code."""

LIBRARY = "simulation"
PROBE = "#include <string>\nstd::string probe(int value) { return std::to_string(value); }\n"
PORTS = ("clk", "rst", "m_axi_wdata", "s_axi_wdata", "irq", "retire", "result_data")
"""Some ports without which a module is not a chip."""

RESULTS = ("result", "vector_result")
"""Ports that show words of results, by the start of their names; a chip without a vector unit has the first alone."""


@dataclass(frozen=True)
class Harness:
    """The C++ around a design. sources: its files, the first to be compiled; adapter: writes ``dut.h`` for the Verilog
    of a top module and a simulator.
    """

    sources: tuple[str, ...]
    adapter: Callable[[str, Backend], str]


@dataclass(frozen=True)
class Build:
    """A simulator ready to be opened.

    ``verilog_sha256`` is the hash of the Verilog it was made from; the times are in seconds and 0 when the cache had
    it. ``runtime_seconds`` is what was spent once for this machine (the compiler's C++ library, Verilator's own code).
    """

    library: Path
    simulator: SimulatorName
    verilog_sha256: str
    cached: bool
    runtime_seconds: float
    build_seconds: float


def verilog_sha256(files: Mapping[str, str]) -> str:
    """The hash that names a design: over the names and texts of its Verilog files, in the order of the names."""
    return digest(part for name in sorted(files) for part in (name, files[name]))


def build(
    files: Mapping[str, str],
    top: str,
    *,
    compiler: CompilerName = "zig",
    simulator: SimulatorName | None = None,
    target: str | None = None,
    progress: Progress | None = None,
    harness: Harness | None = None,
    waves: bool = False,
    netlist: bool = False,
    level: str = FAST,
) -> Build:
    """Build the simulator of module ``top`` of the Verilog in ``files`` (file name to text), or find it in the cache.

    ``target``: another machine that zig is to compile for (``toolchain.TARGETS``); its library is for that machine.
    ``harness``: what drives the design; None: CHIP, for which the top module is a chip. ``waves``: it can write the
    values of its signals to a file (`verilator_waves.h`); it is slower, and Verilator alone can. ``netlist``: it is
    one of gates, which is large. ``level``: how far the compiler is to optimise; a lower one builds large designs that
    run for a short time sooner.
    Raises LithifyError where a tool is missing or fails, with the tool's own words.
    """
    say = progress or (lambda text: None)
    cxx, tool, around = find_compiler(compiler, target), backend(simulator, waves, netlist), harness or CHIP
    source = {
        name: resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
        for name in (*around.sources, tool.model)
    }
    source["dut.h"] = around.adapter(files[f"{top}.v"], tool)
    verilog = verilog_sha256(files)
    flags = (level, UNCHECKED) if netlist else (level,)
    levels = () if level == FAST else flags
    key = digest([verilog, top, *source.values(), *_identity(cxx, tool), *tool.flags, *levels])
    fresh = False
    runtime_seconds = 0.0

    def make(folder: Path) -> None:
        nonlocal fresh, runtime_seconds
        fresh = True
        start = time.perf_counter()
        runtime = _runtime(cxx, tool, say)
        runtime_seconds = time.perf_counter() - start
        say(f"translating the chip's Verilog to C++ ({tool.name})")
        for name, text in (*files.items(), *source.items()):
            (folder / name).write_text(text, encoding="utf-8")
        units = [*tool.translate(folder, sorted(files), top), folder / around.sources[0]]
        say(f"compiling the chip's simulator ({len(units)} files)")
        objects = _compile(cxx, tool, units, folder, flags, flags if netlist else (SLOW,))
        _link(cxx, [*objects, *sorted(runtime.glob("*.o"))], folder)
        for path in objects:
            path.unlink()

    start = time.perf_counter()
    entry = cached("simulator", key, make)
    seconds = time.perf_counter() - start - runtime_seconds
    return Build(entry / library(cxx), tool.name, verilog, not fresh, runtime_seconds, seconds if fresh else 0.0)


def _identity(cxx: Compiler, tool: Backend) -> tuple[str, ...]:
    """What compiled code depends on, its source apart."""
    return (*COMPILE_FLAGS, FAST, SLOW, cxx.target.name or sys.platform, cxx.name, cxx.version, tool.name, tool.version)


def _runtime(cxx: Compiler, tool: Backend, say: Progress) -> Path:
    """The simulator's own C++ code, compiled once for each compiler and version."""

    def make(folder: Path) -> None:
        say("first build on this machine: compiling the C++ library and the simulator's runtime (about a minute, once)")
        probe = folder / "probe.cpp"
        probe.write_text(
            "#include <string>\nstd::string probe(int value) { return std::to_string(value); }\n", encoding="utf-8"
        )
        objects = _compile(cxx, tool, [*tool.runtime, probe], folder)
        # zig builds its C++ library when it first links: do it here, where it is announced and counted apart.
        _link(cxx, objects, folder)
        (folder / "probe.o").unlink()

    return cached("runtime", digest(_identity(cxx, tool)), make)


def _compile(
    cxx: Compiler,
    tool: Backend,
    units: Sequence[Path],
    folder: Path,
    fast: Sequence[str] = (FAST,),
    slow: Sequence[str] = (SLOW,),
) -> list[Path]:
    """Compile C++ files to objects in ``folder``, a few at a time."""
    paths = [word for path in (folder, folder / "cpp", *tool.include) for word in ("-I", str(path))]

    def one(unit: Path) -> Path:
        target = folder / f"{unit.stem}.o"
        flags = slow if unit.stem.endswith("__Slow") else fast
        command = [*cxx.command, *COMPILE_FLAGS, *flags, *paths, "-c", str(unit), "-o", str(target)]
        call(command, folder, f"Compiling {unit.name}")
        return target

    with ThreadPoolExecutor(max_workers=max(1, min(4, os.cpu_count() or 1))) as pool:
        return list(pool.map(one, units))


def _link(cxx: Compiler, objects: Sequence[Path], folder: Path) -> None:
    call([*cxx.command, "-shared", "-o", library(cxx), *map(str, objects)], folder, "Linking the simulator")


def library(cxx: Compiler) -> str:
    """The file name of what the compiler links."""
    return LIBRARY + cxx.target.suffix


def ports_of(top: str) -> dict[str, int]:
    """Name and bits of each port of the module in the Verilog text ``top``."""
    found = re.findall(r"^  (?:input|output) (?:\[(\d+):0\] )?(\w+);$", top, re.MULTILINE)
    return {name: int(high or 0) + 1 for high, name in found}


def adapter(top: str, tool: Backend) -> str:
    """The C++ header that names each port of the module in the Verilog text ``top``, a chip."""
    ports = ports_of(top)
    if missing := [name for name in PORTS if name not in ports]:
        raise LithifyError(f"The Verilog is not that of a chip: its top module has no port '{missing[0]}'.")
    lines = [f'#pragma once\n#include "{tool.model}"\n', "struct Dut {"]
    lines.append(f"    static constexpr uint64_t bus_bytes = {ports['m_axi_wdata'] // 8};")
    lines.append(f"    static constexpr uint64_t word_bytes = {ports['result_data'] // 8};")
    results = [name for name in RESULTS if f"{name}_valid" in ports]
    lines.append(f"    static constexpr int result_ports = {len(results)};")
    calls = (f"f({n}, {name}_valid(), {name}_address(), {name}_data());" for n, name in enumerate(results))
    lines.append(f"    template <class F> void each_result(F f) {{ {' '.join(calls)} }}")
    lines += model_lines(ports, tool)
    return "\n".join([*lines, "};", ""])


def model_lines(ports: Mapping[str, int], tool: Backend) -> list[str]:
    """The members of ``dut.h``'s class that every harness needs: the model, its clock, its ports."""
    return [
        "    Model model;\n    void fall() { model.fall(); }\n    void rise() { model.rise(); }",
        *(f"    Port<{bits}> {name}() {{ return {{PORT({tool.port(name)})}}; }}" for name, bits in ports.items()),
    ]


CHIP = Harness(("harness.cpp", "memory_model.h", "port.h"), adapter)
"""Drives a chip through its buses, and is its memory."""
