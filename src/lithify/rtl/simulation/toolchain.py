"""The C++ compilers, and how a tool is called."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from lithify.errors import LithifyError

CompilerName = Literal["zig", "system"]


@dataclass(frozen=True)
class Target:
    """A machine to compile for. name: as zig calls it; suffix: of a shared library there."""

    name: str
    suffix: str


TARGETS = (
    Target("x86_64-linux-gnu", ".so"),
    Target("aarch64-linux-gnu", ".so"),
    Target("x86_64-windows-gnu", ".dll"),
    Target("x86_64-macos", ".dylib"),
    Target("aarch64-macos", ".dylib"),
)
"""Machines other than this one that zig compiles for."""

HERE = Target("", ".dll" if sys.platform == "win32" else ".so")
"""This machine. Python loads a library of any suffix on macOS."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: the words that call it, what its results depend on, and the machine that they are for."""

    name: CompilerName
    command: tuple[str, ...]
    version: str
    target: Target = HERE


def find_compiler(name: CompilerName = "zig", target: str | None = None) -> Compiler:
    """The compiler from the ``ziglang`` wheel, or the system's (``CXX``, else ``c++``, ``g++``, ``clang++``).

    ``target``: a machine of TARGETS to compile for, None for this one; zig alone compiles for others.
    """
    if target is not None:
        known = {entry.name: entry for entry in TARGETS}
        if target not in known:
            raise LithifyError(f"Unknown target {target!r}; the targets are {', '.join(known)}.")
        if name != "zig":
            raise LithifyError(f"The compiler {name!r} compiles for this machine only; choose zig for {target}.")
        here = find_compiler("zig")
        return Compiler("zig", (*here.command, "-target", target), here.version, known[target])
    if name == "zig":
        if importlib.util.find_spec("ziglang") is None:
            raise LithifyError(
                "The compiler zig is not installed; run `pip install ziglang`, or choose the system's compiler."
            )
        return Compiler("zig", (sys.executable, "-m", "ziglang", "c++"), metadata.version("ziglang"))
    if name != "system":
        raise LithifyError(f"Unknown compiler {name!r}; the compilers are 'zig' and 'system'.")
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for candidate in candidates:
        if found := shutil.which(candidate):
            version = subprocess.run(
                [found, "--version"], capture_output=True, encoding="utf-8", errors="replace", check=False
            ).stdout
            return Compiler("system", (found,), version)
    raise LithifyError(
        f"No C++ compiler was found on this system (looked for {', '.join(candidates)}); install one, "
        "set CXX to its path, or choose the compiler 'zig', which comes with the ziglang wheel."
    )


def call(command: Sequence[str], folder: Path, doing: str, **environment: str) -> str:
    """Run a tool in ``folder`` and give what it printed; a failure is one error that ends with the tool's own words."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-20:])
        raise LithifyError(f"{doing} failed (exit status {done.returncode}); the tool said:\n{tail}")
    return done.stdout
