"""Who may import whom. Each rule says why it stands; a breach names the file, the line and the rule."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "lithify"

ORDER = (
    "errors",
    "progress",
    "folder",
    "preprocessing",
    "chip",
    "isa",
    "reference",
    "networks",
    "frontend",
    "optimize",
    "quantize",
    "compiler",
    "sim",
    "rtl",
    "silicon",
    "runtime",
    "power",
    "server",
    "train",
    "doctor",
    "report",
    "verify",
    "program",
    "profile",
    "accuracy",
    "flow",
    "fpga",
    "target",
    "cluster",
    "bench",
    "multichip",
    "explore",
    "build",
    "backend",
    "torch",
    "keras",
    "conformance",
    "fuzz",
    "cli",
)
"""Folders and files of the package in pipeline order: each may import itself and what stands before it."""

COMPILER = ("vector", "lowering", "host", "planning", "steps", "instructions")
"""Rooms of the compiler in the order in which a graph passes through them; what all of them speak of lies beside."""

FRAMEWORKS = ("torch", "keras", "tflite", "tensorflow", "jax", "torchvision", "sklearn")


@dataclass(frozen=True)
class Ban:
    """Files of `importer` must not import `banned`."""

    importer: str
    banned: tuple[str, ...]
    reason: str


MODEL_SIDE = ("frontend", "optimize", "quantize", "compiler")
BANS = (
    Ban("reference", ("chip", "isa"), "the reference judges the chip, so it knows nothing of tiles or instructions"),
    Ban("sim", MODEL_SIDE, "a simulator executes a program, and must not know what the compiler meant by it"),
    Ban("sim", ("rtl",), "the simulators are checked against the RTL, so they must not read it"),
    Ban(
        "rtl",
        (*MODEL_SIDE, "reference", "sim"),
        "the hardware is the product: it is checked against the models, never made of them",
    ),
    Ban("runtime", MODEL_SIDE, "a saved program runs without the model and without the compiler"),
    Ban("isa", ("compiler",), "programs are read and listed without the compiler"),
)


@dataclass(frozen=True)
class Import:
    """One import statement: in which file and line, and of which module."""

    file: Path
    line: int
    module: str

    @property
    def importer(self) -> str:
        """The folder or file of the package in which it stands."""
        first = self.file.relative_to(ROOT).parts[0]
        return first.removesuffix(".py")

    @property
    def imported(self) -> str | None:
        """The folder or file of the package that it names, None for other packages."""
        parts = self.module.split(".")
        return parts[1] if parts[0] == "lithify" and len(parts) > 1 else None

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT.parent)}:{self.line} imports {self.module}"


def imports() -> Iterator[Import]:
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (Import(file, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, (
                    f"{file}:{node.lineno}: imports are written in full, so that a search finds them"
                )
                if node.module == "lithify":
                    yield from (Import(file, node.lineno, f"lithify.{alias.name}") for alias in node.names)
                else:
                    yield Import(file, node.lineno, str(node.module))


IMPORTS = tuple(imports())


def test_every_part_has_its_place_in_the_order() -> None:
    parts = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__", "__main__"} <= set(ORDER), "a new folder: give it its place in ORDER"


def test_nothing_imports_upwards() -> None:
    breaches = [
        f"{found}: the folder order is the pipeline order, and nothing imports upwards"
        for found in IMPORTS
        if found.importer not in ("__init__", "__main__")
        and found.imported in ORDER
        and ORDER.index(found.imported) > ORDER.index(found.importer)
    ]
    assert not breaches, "\n".join(breaches)


def test_rooms_of_the_compiler_stand_in_order() -> None:
    rooms = {path.parent.name for path in (ROOT / "compiler").glob("*/__init__.py")}
    assert rooms == set(COMPILER), "a new room of the compiler: give it its place in COMPILER"
    breaches = []
    for found in IMPORTS:
        place, parts = found.file.relative_to(ROOT).parts, found.module.split(".")
        if place[0] == "compiler" and place[1] in COMPILER and parts[:2] == ["lithify", "compiler"]:
            room = parts[2] if parts[2:] else "compile"
            if room in ("compile", "segment", *COMPILER[COMPILER.index(place[1]) + 1 :]):
                breaches.append(f"{found}: the compiler's rooms stand in the order of its steps")
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: f"{ban.importer} not {ban.banned[0]}")
def test_bans(ban: Ban) -> None:
    breaches = [
        f"{found}: {ban.reason}" for found in IMPORTS if found.importer == ban.importer and found.imported in ban.banned
    ]
    assert not breaches, "\n".join(breaches)


def test_frameworks_stay_at_the_door() -> None:
    breaches = [
        f"{found}: frameworks are imported only where their models come in (frontend), are trained (train), or where "
        "they are the interface (torch, keras)"
        for found in IMPORTS
        if found.module.split(".")[0] in FRAMEWORKS and found.importer not in ("frontend", "train", "torch", "keras")
    ]
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("words", [("-c", "import lithify"), ("-m", "lithify", "--help")], ids=["import", "help"])
def test_starting_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    """`import lithify` and `lithify --help` answer at once: neither loads numpy, onnx, pydantic, rich or amaranth."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    heavy = loaded & {"numpy", "onnx", "onnx_ir", "onnxruntime", "pydantic", "rich", "amaranth", *FRAMEWORKS}
    assert not heavy, f"{' '.join(words)} loads {', '.join(sorted(heavy))}"
