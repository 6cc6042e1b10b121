"""What `doctor` reads from the tools it asks, with tools that print what the real ones print."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from lithify.doctor import Finding, Package, _package, doctor, processor_features, processor_name, require
from lithify.errors import LithifyError

posix = pytest.mark.skipif(sys.platform == "win32", reason="the tools are shell scripts")


def tool(folder: Path, name: str, text: str) -> None:
    """A program that prints a text, whatever it is asked."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n", encoding="utf-8")
    path.chmod(0o755)


def found(name: str) -> Finding:
    (finding,) = [finding for finding in doctor() if finding.name == name]
    return finding


@posix
def test_nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, "nvidia-smi", "NVIDIA H200, 550.54.15, 143771 MiB\nNVIDIA H200 NVL, 550.54.15, 143771 MiB")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert found("NVIDIA H200") == Finding("accelerators", "NVIDIA H200", True, "driver 550.54.15", "143771 MiB")
    assert found("NVIDIA H200 NVL").found


@posix
def test_a_driver_without_a_device_is_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, "nvidia-smi", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert not found("NVIDIA GPU").found


@posix
def test_amd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, "rocm-smi", "GPU[0]\t\t: Card Series: \t\tAMD Instinct MI300X\nDriver version: 6.10.5")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert found("AMD Instinct MI300X").version == "driver 6.10.5"


@posix
def test_tools_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path, "openroad", "v2.0-16528-g1ddff5ad4")
    tool(tmp_path, "nvcc", "Cuda compilation tools, release 12.4, V12.4.131")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert found("OpenROAD").found and found("OpenROAD").version.startswith("2.0")
    assert found("CUDA").version == "12.4"


def test_kits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable names a kit's folder, or the folder that holds several."""
    monkeypatch.delenv("LITHIFY_PDK", raising=False)
    (tmp_path / "ihp-sg13g2").mkdir()
    (tmp_path / "sky130A").mkdir()
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    assert found("ihp-sg13g2").detail == str(tmp_path / "ihp-sg13g2")
    assert found("sky130").detail == str(tmp_path / "sky130A")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "ihp-sg13g2"))
    assert found("ihp-sg13g2").found


def test_packages() -> None:
    assert _package("group", Package("numpy", "arrays")) == Finding(
        "group", "numpy", True, metadata.version("numpy"), "arrays"
    )
    assert _package("group", Package("no-such-package-at-all", "nothing")) == Finding(
        "group", "no-such-package-at-all", False, "", "nothing", "pip install no-such-package-at-all"
    )


def test_processor() -> None:
    assert processor_name()
    if sys.platform == "linux":
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        assert ("avx2" in processor_features()) == (" avx2 " in text)


def test_require_names_what_is_missing() -> None:
    require([Finding("group", "here", True, required=True), Finding("group", "optional", False)])
    with pytest.raises(LithifyError) as error:
        require([Finding("group", "zig", False, install="pip install ziglang", required=True)])
    assert str(error.value) == "Lithify lacks zig; run `pip install ziglang`."
