"""The manual on disk is the one that the tables give, and the tables fit their instructions."""

from pathlib import Path

from lithify.isa.manual import manual
from lithify.isa.operations import GRANULE_BYTES, OPERATIONS
from lithify.isa.registers import REGISTERS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_manual_is_fresh() -> None:
    stale = "docs/isa.md is stale: python -m lithify.isa.manual docs/isa.md"
    assert (DOCS / "isa.md").read_text(encoding="utf-8") == manual(), stale


def test_every_field_is_in_the_manual() -> None:
    text = manual()
    for operation in OPERATIONS:
        assert f"### {operation.name}\n" in text
        for field in operation.fields:
            assert f"| `{field.name}` |" in text and field.meaning in text


def test_operations_fit_their_granules_and_have_their_own_codes() -> None:
    for operation in OPERATIONS:
        assert sum(field.bits for field in operation.fields) <= operation.granules * GRANULE_BYTES * 8
        assert len({field.name for field in operation.fields}) == len(operation.fields)
    assert len({operation.opcode for operation in OPERATIONS}) == len(OPERATIONS)


def test_registers_do_not_overlap() -> None:
    offsets = [register.offset for register in REGISTERS]
    assert len(set(offsets)) == len(offsets) and all(offset % 4 == 0 for offset in offsets)
