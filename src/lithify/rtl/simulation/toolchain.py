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
class Compiler:
    """A C++ compiler: the words that call it, and what its results depend on."""

    name: CompilerName
    command: tuple[str, ...]
    version: str


def find_compiler(name: CompilerName = "zig") -> Compiler:
    """The compiler from the ``ziglang`` wheel, or the system's (``CXX``, else ``c++``, ``g++``, ``clang++``)."""
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
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            return Compiler("system", (found,), version)
    raise LithifyError(
        f"No C++ compiler was found on this system (looked for {', '.join(candidates)}); install one, "
        "set CXX to its path, or choose the compiler 'zig', which comes with the ziglang wheel."
    )


def call(command: Sequence[str], folder: Path, doing: str, **environment: str) -> str:
    """Run a tool in ``folder`` and give what it printed; a failure is one error that ends with the tool's own words."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-20:])
        raise LithifyError(f"{doing} failed (exit status {done.returncode}); the tool said:\n{tail}")
    return done.stdout
