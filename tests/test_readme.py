"""The README is true: its Python example runs, its table is of today's compiler, its commands exist."""

import re
import runpy
from pathlib import Path

import pytest

from lithify.cli import group

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_table_is_of_todays_compiler() -> None:
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))
    stale = "the table in README.md is stale: python benchmarks/readme.py"
    assert benchmark["cycles_in_readme"]() == benchmark["cycles_today"](), stale


@pytest.mark.slow
def test_the_python_examples_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    assert (tmp_path / "digits.lith").exists()


def test_the_commands_exist() -> None:
    words = set(re.findall(r"`lithify (\w+)", README)) | set(re.findall(r"bin/lithify (\w+)", README))
    assert "build" in words and words <= set(group.commands)


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken
