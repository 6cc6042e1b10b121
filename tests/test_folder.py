"""Results appear whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from lithify.errors import LithifyError
from lithify.folder import check_writable, whole_folder, write_arrays, write_file, write_text, write_verilog


class Stop(Exception):
    """Whatever may end a run in the middle."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise Stop

    with pytest.raises(Stop):
        write_file(tmp_path / "new" / "file.txt", write)
    assert names(tmp_path / "new") == []
    (tmp_path / "old.txt").write_text("old", encoding="utf-8")
    with pytest.raises(Stop):
        write_file(tmp_path / "old.txt", write)
    assert (tmp_path / "old.txt").read_text(encoding="utf-8") == "old" and names(tmp_path) == ["new", "old.txt"]


def test_files_have_the_users_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "a\nb\n")
    assert (tmp_path / "file.txt").read_bytes() == b"a\nb\n"
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o666 & ~mask


def test_arrays(tmp_path: Path) -> None:
    """Names that are no Python names, and one that numpy's own function uses."""
    arrays = {"file": np.arange(3), "a/b:0": np.ones((2, 2), np.float32)}
    write_arrays(tmp_path / "a.npz", arrays)
    loaded = np.load(tmp_path / "a.npz")
    assert all(np.array_equal(loaded[name], array) for name, array in arrays.items())


def test_a_folder_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "build"
    for _ in range(2):
        with pytest.raises(Stop), whole_folder(target, last="end") as work:
            (work / "one").write_text("", encoding="utf-8")
            raise Stop
        assert not [name for name in names(tmp_path) if name.startswith(".")]
        target.mkdir(exist_ok=True)
        (target / "end").write_text("old", encoding="utf-8")
    assert names(target) == ["end"]


def test_a_folder_replaces_its_own_entries_only(tmp_path: Path) -> None:
    target = tmp_path / "build"
    (target / "rtl").mkdir(parents=True)
    (target / "rtl" / "old.v").write_text("", encoding="utf-8")
    (target / "mine.txt").write_text("mine", encoding="utf-8")
    with whole_folder(target, last="end") as work:
        (work / "rtl").mkdir()
        (work / "rtl" / "new.v").write_text("", encoding="utf-8")
        (work / "end").write_text("", encoding="utf-8")
    assert names(target) == ["end", "mine.txt", "rtl"] and names(target / "rtl") == ["new.v"]


def test_verilog_of_an_earlier_chip_goes(tmp_path: Path) -> None:
    write_verilog(tmp_path / "rtl", {"top.v": "1", "a.v": "2"})
    (tmp_path / "rtl" / "notes.txt").write_text("mine", encoding="utf-8")
    write_verilog(tmp_path / "rtl", {"top.v": "3"})
    assert names(tmp_path / "rtl") == ["notes.txt", "top.v"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    check_writable(tmp_path / "a" / "b" / "c")
    check_writable(tmp_path / "file")
    for path, reason in (
        (tmp_path, f"Cannot write '{tmp_path}': it is a folder; name a file."),
        (
            tmp_path / "file" / "x",
            f"Cannot write '{tmp_path / 'file' / 'x'}': '{tmp_path / 'file'}' is a file, not a folder; "
            "choose another place.",
        ),
    ):
        with pytest.raises(LithifyError) as error:
            check_writable(path)
        assert str(error.value) == reason
    with pytest.raises(LithifyError) as error, whole_folder(tmp_path / "file", last="end"):
        pass
    assert str(error.value) == f"Cannot write the folder '{tmp_path / 'file'}': it is a file; choose another place."


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LithifyError) as error:
        check_writable(tmp_path / "x")
    assert str(error.value) == (
        f"Cannot write '{tmp_path / 'x'}': you may not write to the folder '{tmp_path}'; choose another place."
    )
