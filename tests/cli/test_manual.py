"""The page of the commands on disk is the one that the program gives."""

from pathlib import Path

from lithify.cli.manual import manual

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_fresh() -> None:
    stale = "docs/commands.md is stale: python -m lithify.cli.manual docs/commands.md"
    assert PAGE.read_text(encoding="utf-8") == manual(), stale
