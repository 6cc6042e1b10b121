"""docs/numbers.md says what the code does: a section for every operator, and the rates that the tests hold to."""

from pathlib import Path

from lithify.reference.operators import OPERATORS

from .test_agreement import PUBLISHED

PAGE = (Path(__file__).parents[2] / "docs" / "numbers.md").read_text(encoding="utf-8")


def test_every_operator_has_its_section() -> None:
    sections = [line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ")]
    assert [section for section in sections if section in OPERATORS] == list(OPERATORS)
    assert set(sections) - set(OPERATORS) == {"Notation", "Agreement with ONNX Runtime"}


def test_every_attribute_is_named() -> None:
    for operator in OPERATORS.values():
        for attribute in operator.attributes:
            assert f"`{attribute}`" in PAGE, f"{operator.name}: {attribute}"


def test_the_published_bounds_are_those_of_the_tests() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
    judged = [row for row in rows if len(row) == 7 and row[2] in ("fused", "plain")]
    assert {(row[0], row[1], row[2]): int(row[6].replace(",", "")) for row in judged} == PUBLISHED
