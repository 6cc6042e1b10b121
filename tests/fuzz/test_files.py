"""Damaged files: taken, or refused with one sentence; never a traceback, a hang or a file half written."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lithify.errors import LithifyError
from lithify.fuzz import files
from lithify.fuzz.files import damaged, fuzz_files, try_file


def test_damaged_files_are_taken_or_refused(tmp_path: Path) -> None:
    counts = {"taken": 0, "refused": 0}
    for number in range(75):
        kind, change, data = damaged(0, number)
        became = try_file(kind.name, kind.ending, data, tmp_path)
        what = became.partition(":")[0]
        assert what in counts, f"file {number}, {kind.name}, {change}: {became}"
        counts[what] += 1
    assert min(counts.values()) > 5


@pytest.mark.slow
def test_in_a_process_of_their_own() -> None:
    found = fuzz_files(300, seed=1)
    assert found.findings == () and sum(found.counts.values()) == 300


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_campaign_of_damaged_files(seed: int) -> None:
    assert fuzz_files(1000, seed=seed).findings == ()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
def test_what_works_too_long_is_ended() -> None:
    endless = "from lithify.fuzz.files import _allow; _allow(0.1)\nwhile True: pass"
    assert subprocess.run([sys.executable, "-c", endless], check=False, timeout=60).returncode == -signal.SIGXCPU


def test_a_number_gives_the_same_file_again() -> None:
    assert damaged(0, 31) == damaged(0, 31)
    assert damaged(0, 31)[2] != damaged(0, 34)[2]


@pytest.mark.parametrize(
    ("raised", "became"),
    [
        (LithifyError("It is red; paint it."), "refused: It is red; paint it."),
        (LithifyError("two\nlines."), "no sentence: 'two\\nlines.'"),
        (KeyError("x"), "KeyError: 'x'"),
        (MemoryError(), "refused: The memory of this machine is full."),
    ],
)
def test_what_is_no_sentence_is_found(
    raised: Exception, became: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def use(source: Path, target: Path) -> None:
        raise raised

    monkeypatch.setitem(files._USES, "model", use)  # type: ignore[arg-type]
    assert try_file("model", ".onnx", b"", tmp_path) == became


def test_a_file_left_half_written_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def use(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise LithifyError("It is red.")

    monkeypatch.setitem(files._USES, "model", use)  # type: ignore[arg-type]
    assert try_file("model", ".onnx", b"", tmp_path) == "leaves made.lith: It is red."
