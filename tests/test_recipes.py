"""The recipes of the documentation are true: their blocks, applied to a copy of the sources, give what they promise."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^```python\n# (new file|in) (\S+?)(?:, (before|replacing): ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def apply(page: Path, root: Path) -> list[Path]:
    """Applies a page's blocks to the sources below `root`; the files it made."""
    made = []
    for kind, name, how, anchor, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        path = root / name
        if kind == "new file":
            assert not path.exists(), f"{page.name}: {name} is there already"
            path.write_text(text, encoding="utf-8")
            made.append(path)
            continue
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.strip() == anchor]
        assert len(places) == 1, f"{page.name}: {name} has {len(places)} lines '{anchor}', and needs one"
        lines[places[0] : places[0] + (how == "replacing")] = [text]
        path.write_text("".join(lines), encoding="utf-8")
    return made


SLOW = pytest.mark.slow  # it builds a simulator


@pytest.mark.slow
@pytest.mark.parametrize("name", ["add-an-operator.md", pytest.param("add-an-instruction.md", marks=SLOW)])
def test_recipe(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    tests = [path for path in apply(ROOT / "docs" / name, tmp_path) if path.name.startswith("test_")]
    assert tests, f"{name} promises nothing that a test could check"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
