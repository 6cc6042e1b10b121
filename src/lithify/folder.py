"""Writing results: whole or not at all. Files appear under their names only when they are finished."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lithify.errors import LithifyError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_writable(path: Path) -> None:
    """Raises LithifyError where a file `path` could not be made; asked before long work."""
    if path.is_dir():
        raise LithifyError(f"Cannot write '{path}': it is a folder; name a file.")
    present = next((parent for parent in (path, *path.parents) if parent.exists()), Path())
    if present == path:
        present = path.parent
    if not present.is_dir():
        raise LithifyError(f"Cannot write '{path}': '{present}' is a file, not a folder; choose another place.")
    if not os.access(present, os.W_OK | os.X_OK):
        raise LithifyError(f"Cannot write '{path}': you may not write to the folder '{present}'; choose another place.")


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file."""
    write_file(path, lambda partial: partial.write_text(text, encoding="utf-8", newline="\n"))


def write_arrays(path: Path, arrays: "Mapping[str, NDArray[Any]]") -> None:
    """Writes an .npz file of named arrays."""
    import numpy as np

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            # numpy's own function cannot take an array called "file".
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, np.asarray(array, order="C"), allow_pickle=False)

    write_file(path, write)


def write_verilog(folder: Path, files: Mapping[str, str]) -> None:
    """Writes a chip's Verilog, one file a module. Verilog files of an earlier chip in `folder` go; other files stay."""
    with whole_folder(folder, last=next(iter(files))) as work:
        for name, text in files.items():
            write_text(work / name, text)
    for stale in sorted(set(folder.glob("*.v")) - {folder / name for name in files}):
        stale.unlink()


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a file beside `path`, then renames it to `path`.

    Raises LithifyError where the folder cannot be written.
    """
    check_writable(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        partial.chmod(0o666 & ~_umask())
        with _explained(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path, last: str) -> Iterator[Path]:
    """A folder to fill, whose entries replace those of `target` when the block ends without an error.

    Other files in `target` stay. `last`: the entry that says the folder is complete; it is taken away first and put in
    place last.
    Raises LithifyError, before any work, where `target` cannot be written.
    """
    if target.exists() and not target.is_dir():
        raise LithifyError(f"Cannot write the folder '{target}': it is a file; choose another place.")
    check_writable(target / last)
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield work
        work.chmod(0o777 & ~_umask())
        with _explained(target):
            _move(work, target, last)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move(work: Path, target: Path, last: str) -> None:
    if not target.exists():
        work.rename(target)
        return
    (target / last).unlink(missing_ok=True)
    for entry in sorted(work.iterdir(), key=lambda entry: entry.name == last):
        old = target / entry.name
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        entry.replace(old)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LithifyError(f"Cannot write '{path}': {reason}; choose another place.") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
