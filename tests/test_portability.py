"""Other machines: their encodings, their paths, their Pythons."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import DATA, EXAMPLES, NETWORK

import lithify
from lithify.chip import load_chip, write_chip
from lithify.cli import group, invoke

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("src", "benchmarks", "examples", "tests") for path in (ROOT / folder).rglob("*.py")
)
ODD = "größere Zahlen 数"
"""A folder as people have them: spaces, letters beyond ASCII and beyond Latin."""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def needs_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes text in whatever encoding the machine prefers."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in named or None in named:
        return False
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text"):
        return True
    if (
        isinstance(call.func, ast.Name)
        and call.func.id == "open"
        and not any(isinstance(argument, ast.Constant) and "b" in str(argument.value) for argument in call.args[1:])
    ):
        return True
    return isinstance(named.get("text"), ast.Constant)


def test_text_is_utf8_on_every_machine() -> None:
    """Windows reads and writes text in its own code page unless told otherwise."""
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        if path.is_relative_to(ROOT / "src")
        for call in calls(ast.parse(path.read_text(encoding="utf-8")))
        if needs_encoding(call)
    ]
    assert not found, f"name the encoding: {', '.join(found)}"


def test_no_syntax_is_newer_than_the_oldest_python() -> None:
    for path in SOURCES:
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 11))


def interpreter(version: str) -> str | None:
    """A Python of this version on this machine: of the path or of pyenv, whose shims may name none."""
    found = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for python in filter(None, found):
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_file_compiles_on(version: str) -> None:
    """A newer Python warns of what the next one refuses: no warning either."""
    python = interpreter(version)
    script = "import sys\nfor path in sys.argv[1:]: compile(open(path, 'rb').read(), path, 'exec')"
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    words = [python, "-W", "error", "-c", script, *map(str, SOURCES)]
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr


def shell(folder: Path, encoding: str, *words: object) -> subprocess.CompletedProcess[bytes]:
    """A command line in a process whose output has this encoding."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(lithify.__file__).parents[1]),
        "PYTHONIOENCODING": encoding,
        "PYTHONUTF8": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "lithify", *map(str, words)], cwd=folder, env=environment, capture_output=True,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of that name with a model, data, a picture, a chip and a program in it."""
    folder = tmp_path_factory.mktemp("places") / ODD
    folder.mkdir()
    shutil.copy(NETWORK, folder / "net ü.onnx")
    shutil.copy(DATA, folder / "data ü.npz")
    np.save(folder / "image ü.npy", np.load(DATA)["images_28"][0])
    (folder / "chip ü.toml").write_text(write_chip(load_chip("tiny")), encoding="utf-8")
    (folder / "cluster ü.toml").write_text('chip = "chip ü.toml"\nchips = 2\n', encoding="utf-8")
    return folder


COMMANDS: tuple[tuple[object, ...], ...] = (
    ("load", "net ü.onnx"),
    ("optimize", "net ü.onnx", "-o", "made ü/o ü.onnx"),
    ("quantize", "net ü.onnx", "--data", "data ü.npz", "-o", "made ü/quantized.onnx"),
    ("compile", "made ü/quantized.onnx", "--chip", "chip ü.toml", "-o", "made ü/program.lith"),
    ("cluster", "cluster ü.toml", "made ü/quantized.onnx", "--parallel", "data"),
    ("run", "made ü/program.lith", "image ü.npy", "-o", "made ü/out ü.npz"),
    ("simulate", "made ü/program.lith", "-o", "made ü/retired ü.npz"),
    ("verify", "made ü", "--data", "data ü.npz", "--rtl", "none"),
    ("disassemble", "made ü/program.lith", "-o", "made ü/listing ü.txt"),
    ("profile", "made ü", "--html", "made ü/page ü.html", "--trace", "made ü/trace ü.json"),
    ("compare", "net ü.onnx", "--chip", "chip ü.toml", "--data", "data ü.npz", "--html", "made ü/compared ü.html"),
    (
        "explore", "net ü.onnx", "--data", "data ü.npz", "--points", "2", "--jobs", "1", "--rtl", "none", "-o",
        "explore ü", "--html", "made ü/explored ü.html", "--study", "made ü/study ü.log",
    ),
    ("sensitivity", "net ü.onnx", "--chip", "chip ü.toml", "--jobs", "1"),
    ("advise", "net ü.onnx", "--volume", "1000", "--html", "made ü/advised ü.html"),
    ("split", "net ü.onnx", "--data", "data ü.npz", "--chip", "chip ü.toml"),
    ("chips", "chip ü.toml"),
    ("rtl", "--chip", "chip ü.toml", "-o", "rtl ü"),
    (
        "build", "net ü.onnx", "--data", "data ü.npz", "--chip", "chip ü.toml", "--rtl", "none", "-o", "build ü",
        "--save-steps",
    ),
    ("report", "build ü", "--html", "made ü/report ü.html"),
)  # fmt: skip
"""Every command that takes a path, in an order in which each finds what it needs."""

ELSEWHERE = {"fpga", "layout", "serve", "synth"}
"""Tried where their tools are (tests/silicon, tests/server)."""
WITHOUT_PATHS = {"devices", "doctor", "bench", "conformance", "fuzz", "prove"}


@pytest.mark.slow
def test_paths_with_spaces_and_letters(odd: Path, monkeypatch: pytest.MonkeyPatch, capfd: object) -> None:
    monkeypatch.chdir(odd)
    for words in COMMANDS:
        assert invoke([str(word) for word in words]) == 0, words
    made = {str(path.relative_to(odd)) for path in odd.rglob("*") if path.is_file()}
    written = {str(words[words.index(option) + 1]) for words in COMMANDS for option in ("-o", "--html", "--trace")
               if option in words}  # fmt: skip
    assert {path for path in written if "." in path} <= made
    assert "rtl ü/lithify_chip.v" in made and "build ü/report.json" in made


def test_every_command_is_tried_on_such_paths() -> None:
    assert set(group.commands) - WITHOUT_PATHS - ELSEWHERE <= {str(words[0]) for words in COMMANDS}


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_output_in_any_encoding(odd: Path, encoding: str) -> None:
    """A character that the terminal lacks becomes another; nothing fails, and JSON stays whole."""
    shown = shell(odd, encoding, "load", "net ü.onnx")
    assert shown.returncode == 0 and b"Traceback" not in shown.stderr, shown.stderr
    shown.stdout.decode(encoding)
    facts = json.loads(shell(odd, encoding, "optimize", "net ü.onnx", "-o", f"{encoding} 数.onnx", "--json").stdout)
    assert facts["model"] == f"{encoding} 数.onnx"
    missing = shell(odd, encoding, "load", "数.onnx")
    assert missing.returncode == 1 and missing.stderr.startswith(b"Error: There is no file '")


@pytest.mark.slow
def test_progress_and_tables_in_an_encoding_that_lacks_them(odd: Path) -> None:
    encoding = "ascii"
    words = ("build", EXAMPLES / "digits_cnn.onnx", "--chip", "tiny", "--rtl", "none", "-o", f"build 数 {encoding}")
    done = shell(odd, encoding, *words)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    assert b"reference = functional" in done.stdout
