"""Programs in use: whoever opens the same file gets the same program, so its constants are in memory once."""

import os
import threading
from pathlib import Path
from weakref import WeakValueDictionary

from lithify.errors import LithifyError
from lithify.isa.file import load_program
from lithify.isa.program import Program

PROGRAM = "program.lith"
"""Name of the program in a build folder."""

_open: WeakValueDictionary[tuple[int, int, int, int], Program] = WeakValueDictionary()
_lock = threading.Lock()


def resident_program(source: str | Path) -> Program:
    """The program of a .lith file or a build folder; the same object while the file is the same and somebody holds it.

    Raises LithifyError as `load_program`.
    """
    path = Path(source)
    if path.is_dir():
        path = path / PROGRAM
    try:
        found = os.stat(path)
    except OSError as error:
        raise LithifyError(
            f"Cannot read the program '{path}': {error.strerror}; give a .lith file that Lithify compiled."
        ) from error
    key = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    with _lock:
        program = _open.get(key)
        if program is None:
            program = _open[key] = load_program(path)
        return program
