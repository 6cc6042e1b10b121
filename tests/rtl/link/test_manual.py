"""docs/fpga.md says of the link what its table says."""

from pathlib import Path

from lithify.isa.link import ANSWER, COMMANDS, IDENTIFICATION, MEANINGS, PAYLOAD_BYTES, REQUEST, SILENCE_BITS, checksum
from lithify.rtl.link.bridge import CHECKSUM

PAGE = Path(__file__).parents[3] / "docs" / "fpga.md"


def tables() -> str:
    """The tables of the page, from the tables of the code."""
    lines = ["| command | code | meaning |", "|---|---|---|"]
    lines += [f"| {command.name} | {command.code} | {command.meaning} |" for command in COMMANDS]
    lines += ["", "| status | meaning |", "|---|---|"]
    lines += [f"| {status.value} {status.name} | {meaning} |" for status, meaning in MEANINGS.items()]
    lines += ["", "| identification | address | meaning |", "|---|---|---|"]
    lines += [f"| {name} | {4 * index} | {meaning} |" for index, (name, meaning) in enumerate(IDENTIFICATION)]
    return "\n".join(lines)


def test_the_page_is_of_todays_link() -> None:
    text = PAGE.read_text(encoding="utf-8")
    inside = text.partition("<!-- link: begin -->\n")[2].partition("\n<!-- link: end -->")[0]
    assert inside == tables()
    assert f"`{REQUEST:02X}` command" in text and f"`{ANSWER:02X}` status" in text
    assert f"at most {PAYLOAD_BYTES:,}" in text and f"{SILENCE_BITS:,} bit periods" in text


def test_both_ends_reckon_the_same_checksum() -> None:
    data = bytes(range(256))
    assert CHECKSUM(data_width=8).compute(data) == checksum(data) == 0x3FBD
