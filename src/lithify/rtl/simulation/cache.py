"""Where built simulators are kept: one folder a user, one entry a content hash."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from lithify.errors import LithifyError


def cache_dir() -> Path:
    """The user's cache folder for Lithify; the environment variable ``LITHIFY_CACHE`` names another."""
    if named := os.environ.get("LITHIFY_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lithify" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lithify"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lithify"


def digest(parts: Iterable[str | bytes]) -> str:
    """SHA-256 over a sequence of texts, hexadecimal; the boundaries between the parts count."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The cache folder ``<kind>-<key>``, made by ``make(folder)`` if it is not there yet.

    ``make`` fills a temporary folder beside it, which is then renamed: a reader never sees half an entry, and of two
    processes that build the same one the first to finish wins.
    """
    root = cache_dir()
    entry = root / f"{kind}-{key[:32]}"
    if entry.is_dir():
        return entry
    try:
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=root))
    except OSError as error:
        raise LithifyError(
            f"The cache folder {root} cannot be written ({error.strerror}); "
            f"set the environment variable LITHIFY_CACHE to a folder that can."
        ) from error
    try:
        make(work)
        work.chmod(0o755)
        try:
            work.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return entry
