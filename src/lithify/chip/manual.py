"""The manual of the chip description, docs/chip.md, and its JSON Schema: python -m lithify.chip.manual docs"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lithify.chip.clock import clock_limit
from lithify.chip.description import Chip, load_chip, preset_names
from lithify.chip.gates import gate_blocks, gate_count
from lithify.chip.memories import memories, onchip_bytes

_DERIVED = ("word_bytes", "words", "bank_words", "column_words", "word_beats", "multipliers")

# What the checks across keys allow; the ranges of single keys are in the description itself.
_ALLOWED = {
    "rows": "4, 8, 16, 32, 64 or 128",
    "columns": "a multiple of `rows`, at most 256",
    "lanes": "a divisor of `rows`",
    "scratchpad_bytes": "`scratchpad_banks` x `rows` x a power of two from 2 on; at most 65536 words of `rows` bytes",
    "bus_bytes": "4, 8, 16, 32, 64 or 128, at most `rows`",
    "dram_bytes_per_cycle": "1 to `bus_bytes`",
    "vector_lanes": "0, 2, 4 or 8; `rows` at least four times as many, and at most 64",
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a chip description, for editors; the checks across keys are not in it."""
    schema = Chip.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Lithify chip description"}


def schema_text() -> str:
    """`json_schema` as the text of docs/chip.schema.json."""
    return json.dumps(json_schema(), indent=2) + "\n"


def manual() -> str:
    """The whole manual in Markdown."""
    sections = (_introduction(), _keys(), _derived(), _presets(), _memories(), _gates(), [""], _clocks())
    return "\n".join(line for section in sections for line in section) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _introduction() -> list[str]:
    return [
        "# The chip description",
        "",
        "Written from `src/lithify/chip/`; do not edit. `python -m lithify.chip.manual docs` writes it again, with",
        "[chip.schema.json](chip.schema.json), its JSON Schema.",
        "",
        "A chip is a TOML file of these keys. `--chip` takes such a file, or the name of a preset.",
        "",
    ]


def _keys() -> list[str]:
    properties = json_schema()["properties"]
    required = json_schema()["required"]
    rows = []
    for name, field in Chip.model_fields.items():
        key = field.alias or name
        entry = properties[key]
        default = "" if key in required else f"`{json.dumps(entry['default'])}`"
        rows.append((f"`{key}`", _ALLOWED.get(key) or _allowed(entry), default, str(field.description)))
    return ["## Keys", "", *_table(("key", "allowed", "default", "meaning"), rows)]


def _allowed(entry: dict[str, Any]) -> str:
    if "const" in entry:
        return str(entry["const"])
    if entry["type"] == "array":
        return "any of " + ", ".join(f"`{value}`" for value in entry["items"]["enum"])
    if entry["type"] == "string":
        return f"text that matches `{entry['pattern']}`"
    if "maximum" in entry:
        return f"{entry['minimum']} to {entry['maximum']}"
    return f"at least {entry['minimum']}"


def _derived() -> list[str]:
    rows = [(f"`{name}`", str(getattr(Chip, name).__doc__)) for name in _DERIVED]
    return ["## What follows from them", "", *_table(("quantity", "meaning"), rows)]


def _chips() -> list[Chip]:
    return [load_chip(name) for name in preset_names()]


def _presets() -> list[str]:
    chips = _chips()
    keys = [(field.alias or name, name) for name, field in Chip.model_fields.items()]
    rows = [(f"`{key}`", *(_value(getattr(chip, name)) for chip in chips)) for key, name in keys if key != "name"]
    rows += [(f"`{name}` (derived)", *(_value(getattr(chip, name)) for chip in chips)) for name in _DERIVED]
    return ["## Presets", "", *_table(("", *(chip.name for chip in chips)), rows)]


def _value(value: object) -> str:
    return (
        ", ".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def _memories() -> list[str]:
    chips = _chips()
    parts = [{part.name: part for part in memories(chip)} for chip in chips]
    rows = []
    for name, purpose in {part.name: part.purpose for own in parts for part in own.values()}.items():
        found = [own.get(name) for own in parts]
        sizes = (f"{part.count} x {part.words} x {part.bits} bits = {part.bytes:,}" if part else "" for part in found)
        rows.append((name, *sizes, purpose))
    rows.append(("all", *(f"{onchip_bytes(chip):,}" for chip in chips), ""))
    head = ("memory", *(f"{chip.name}, bytes" for chip in chips), "holds")
    return ["## Memories on the chip", "", *_table(head, rows)]


def _gates() -> list[str]:
    chips = _chips()
    parts = [{block.name: f"{block.gates:,}" for block in gate_blocks(chip)} for chip in chips]
    rows = [
        (name, *(own.get(name, "") for own in parts)) for name in dict.fromkeys(name for own in parts for name in own)
    ]
    rows.append(("all", *(f"{gate_count(chip):,}" for chip in chips)))
    text = "NAND2 equivalents without the scratchpad. Modelled (`src/lithify/chip/gates.py`), not synthesised."
    return ["## Gates", "", text, "", *_table(("block", *(chip.name for chip in chips)), rows)][:-1]


def _clocks() -> list[str]:
    limits = [(chip.name, clock_limit(chip)) for chip in _chips()]
    rows = [(name, f"{limit.hz / 1e6:.0f} MHz", limit.path) for name, limit in limits]
    text = (
        "The fastest on IHP SG13G2 (130 nm), typical corner, before layout, with a fifth more on every path for wires. "
        "Modelled (`src/lithify/chip/clock.py`), not synthesised."
    )
    return ["## Clock", "", text, "", *_table(("chip", "clock", "slowest"), rows)][:-1]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "chip.md").write_text(manual(), encoding="utf-8", newline="\n")
    (folder / "chip.schema.json").write_text(schema_text(), encoding="utf-8", newline="\n")
