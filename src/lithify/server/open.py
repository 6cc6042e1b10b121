"""Sessions of the programs to serve, by the names of their files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lithify.errors import LithifyError
from lithify.runtime.session import Session


def open_sessions(
    programs: Sequence[Path], device: object = "sim", *, note: Callable[[str], None] | None = None
) -> dict[str, Session]:
    """A session for each .lith file or build folder, under the name of the file or folder.

    Raises LithifyError for two of one name, a program with states, whose answers would depend on other clients', and
    as `Session`. None stays open then.
    """
    sessions: dict[str, Session] = {}
    try:
        for path in programs:
            name = path.resolve().name if path.is_dir() else path.stem
            if name in sessions:
                raise LithifyError(f"Two programs are called '{name}'; rename one of the files.")
            sessions[name] = Session(path, device, note=note)
            if sessions[name].program.states:
                raise LithifyError(
                    f"The program '{path}' keeps states from run to run, which clients of a server would share; "
                    "compile it without states, or use lithify.Session."
                )
    except BaseException:
        for session in sessions.values():
            session.close()
        raise
    return sessions
