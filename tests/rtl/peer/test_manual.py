"""docs/clusters.md says of the link what its tables say."""

from pathlib import Path

from lithify.isa.peer import CAUSES, FIELDS, FRAME_WORDS, MEANINGS, REGISTERS, SLOTS, Opcode

PAGE = Path(__file__).parents[3] / "docs" / "clusters.md"


def orders() -> str:
    lines = ["| order | code | fields: bits | meaning |", "|---|---|---|---|"]
    for opcode in Opcode:
        fields = ", ".join(f"{field.name} {field.start + field.bits - 1}:{field.start}" for field in FIELDS[opcode])
        lines.append(f"| {opcode.name} | {opcode.value} | {fields} | {MEANINGS[opcode]} |")
    return "\n".join(lines)


def registers() -> str:
    lines = ["| register | offset | access | meaning |", "|---|---|---|---|"]
    lines += [f"| {entry.name} | {entry.offset:#05x} | {entry.access} | {entry.meaning} |" for entry in REGISTERS]
    lines.append("| orders | 0x800 | w | Those of the page: four registers each, the low word first. |")
    lines += ["", "| bit of LINK_STATUS | the orders ended early, because |", "|---|---|"]
    return "\n".join([*lines, *(f"| {bit} | {cause} |" for bit, cause in enumerate(CAUSES, 2))])


def test_the_page_is_of_todays_link() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, table in (("orders", orders()), ("registers", registers())):
        inside = text.partition(f"<!-- {name}: begin -->\n")[2].partition(f"\n<!-- {name}: end -->")[0]
        assert inside == table
    assert f"{FRAME_WORDS} words of 16 bytes" in text and f"keeps {SLOTS} frames" in text
