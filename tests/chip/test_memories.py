"""Memories and modelled gates of a chip, and the pages written from the description."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from lithify.chip import Chip, load_chip, write_chip
from lithify.chip.gates import MEASURED, GateCosts, gate_blocks, gate_count
from lithify.chip.manual import json_schema, manual, schema_text
from lithify.chip.memories import (
    GRANULE_BYTES,
    LIST_BITS,
    MICRO_BITS,
    QUEUE_BITS,
    SECOND_PORT_BITS,
    VECTOR_QUEUE_BITS,
    memories,
    onchip_bytes,
    queue_bits,
)
from lithify.isa import BY_NAME
from lithify.isa.operations import GRANULE_BYTES as ISA_GRANULE_BYTES
from lithify.isa.vector import MICRO_FIELDS
from lithify.rtl.instruction import UNREAD, layout
from lithify.rtl.verilog import verilog

DOCS = Path(__file__).parents[2] / "docs"
STALE = "stale: python -m lithify.chip.manual docs"


def altered(name: str, **keys: object) -> Chip:
    return Chip.model_validate({**tomllib.loads(write_chip(load_chip(name))), **keys})


def test_edge_has_at_most_256_kilobytes_in_all() -> None:
    edge = load_chip("edge")
    assert onchip_bytes(edge) == sum(memory.bytes for memory in memories(edge)) <= 262_144
    sizes = {memory.name: memory.bytes for memory in memories(edge)}
    assert sizes["scratchpad"] == edge.scratchpad_bytes == 245_760
    assert sizes["accumulators"] == 16 * 32 * 4
    assert sizes["parameters"] == 2 * 16 * 8
    assert sizes["compute queue"] == 4 * 754 // 8
    assert sizes["load queue"] == -(-4 * 227 // 8)


def test_widths_are_those_of_the_instructions() -> None:
    operations = {"load": "LOAD", "compute": "CONV", "store": "STORE"}
    widths = {queue: sum(field.bits for field in BY_NAME[op].fields) for queue, op in operations.items()}
    widths["load"] -= next(field.bits for field in BY_NAME["LOAD"].fields if field.name == UNREAD)
    least = {"load": widths["load"] - LIST_BITS, "compute": widths["compute"] - SECOND_PORT_BITS}
    assert QUEUE_BITS == {**widths, **least}
    assert {name: queue_bits(altered("edge", weight_ports=2))[name] for name in widths} == widths
    for chip in (altered("edge", weight_ports=2), altered("edge", units=[])):
        built = {queue: layout(BY_NAME[op], chip).size for queue, op in operations.items()}
        assert built == {name: queue_bits(chip)[name] for name in widths}
    assert sum(field.bits for field in BY_NAME["VECTOR"].fields) == VECTOR_QUEUE_BITS
    assert sum(field.bits for field in MICRO_FIELDS) == MICRO_BITS
    assert GRANULE_BYTES == ISA_GRANULE_BYTES


def test_a_vector_unit_has_memories_and_gates_of_its_own() -> None:
    """140,053 NAND2 equivalents were synthesised for 4 lanes of 16 bytes, beside the macros; it has two ports."""
    plain, with_unit = altered("edge", vector_lanes=0), altered("edge")
    more = {memory.name: memory for memory in memories(with_unit) if memory not in memories(plain)}
    assert set(more) == {"vector registers", "vector program", "vector table", "vector queue"}
    assert more["vector registers"].bytes == 8 * 64 * 4
    blocks = {block.name: block.gates for block in gate_blocks(with_unit)}
    assert abs(blocks.pop("vector unit") - 140_053) < 200
    others = {block.name: block.gates for block in gate_blocks(plain)}
    assert {name for name in blocks if blocks[name] != others[name]} == {"queues", "scratchpad ports", "control"}


@pytest.mark.slow
@pytest.mark.parametrize("ports", [1, 2])
def test_the_table_is_what_the_verilog_has(ports: int) -> None:
    chip = altered("tiny", weight_ports=ports)
    files = verilog(chip)
    texts = {name.removesuffix(".v"): text for name, text in files.items()}
    names = "|".join(texts)
    inside = {name: re.findall(rf"^  ({names}) [^(]+\(", text, re.MULTILINE) for name, text in texts.items()}
    times = dict.fromkeys(texts, 0)

    def count(name: str) -> None:
        times[name] += 1
        for below in inside[name]:
            count(below)

    count("lithify_chip")
    found = sorted(
        (times[name], int(words) + 1, int(bits) + 1)
        for name, text in texts.items()
        for bits, words in re.findall(r"^  reg \[(\d+):0\] \S+ \[(\d+):0\];", text, re.MULTILINE)
    )
    # The parameter buffers are registers to the Verilog.
    table = sorted((entry.count, entry.words, entry.bits) for entry in memories(chip) if entry.name != "parameters")
    assert found == table


def test_gates_are_those_of_the_synthesised_presets() -> None:
    # Within 3 percent: the model has one cost a part, whatever logic around it synthesis merges.
    for keys, measured in MEASURED:
        more = {
            "activation_ports": 1,
            "weight_ports": 1,
            "bus_bytes": 8,
            "queue_depth": 4,
            "scratchpad_bytes": keys["scratchpad_banks"] * 1024 * keys["rows"],
        }
        assert abs(gate_count(altered("tiny", **more, **keys)) - measured) <= 0.03 * measured


def test_gates_grow_with_what_is_built() -> None:
    edge = load_chip("edge")
    assert gate_count(edge) == sum(block.gates for block in gate_blocks(edge))
    two = {block.name: block.gates for block in gate_blocks(altered("edge", weight_ports=2))}
    one = {block.name: block.gates for block in gate_blocks(edge)}
    assert {name for name in one if two[name] != one[name]} == {"scratchpad ports", "queues", "sequencers"}
    # 46,434 NAND2 equivalents were synthesised for the scratchpad of three activation ports, 39,388 for that of one.
    three = {block.name: block.gates for block in gate_blocks(altered("edge", activation_ports=3))}
    single = {block.name: block.gates for block in gate_blocks(altered("edge", activation_ports=1))}
    assert abs(three["scratchpad ports"] - single["scratchpad ports"] - (46_434 - 39_388)) < 50
    for smaller in (
        *(altered("edge", units=[other for other in edge.units if other != unit]) for unit in edge.units),
        altered("edge", lanes=4),
        altered("edge", vector_lanes=2),
        altered("edge", accumulators=16),
        load_chip("tiny"),
    ):
        assert gate_count(smaller) < gate_count(edge)
    free = GateCosts(**dict.fromkeys(vars(GateCosts()), 0.0))
    assert gate_count(edge, free) == 0
    assert gate_count(edge, GateCosts(**{**vars(free), "multiplier": 2.0})) == 2 * 256
    assert gate_count(edge, GateCosts(**{**vars(free), "accumulator_bit": 1.0})) == 16 * edge.accumulators * 32


def test_the_pages_are_fresh() -> None:
    assert (DOCS / "chip.md").read_text(encoding="utf-8") == manual(), STALE
    assert (DOCS / "chip.schema.json").read_text(encoding="utf-8") == schema_text(), STALE


@pytest.mark.parametrize("name", ["edge", "tiny"])
def test_the_schema_describes_every_key_of_the_presets(name: str) -> None:
    schema = json.loads(schema_text())
    assert schema == json.loads(json.dumps(json_schema()))
    table = tomllib.loads(write_chip(load_chip(name)))
    assert set(table) == set(schema["properties"]) >= set(schema["required"])
    assert schema["additionalProperties"] is False
    for key, value in table.items():
        entry = schema["properties"][key]
        if "enum" in entry:
            assert value in entry["enum"]
        if "minimum" in entry:
            assert entry["minimum"] <= value <= entry.get("maximum", value)
