"""Chip descriptions: presets, files, and everything that is refused, word for word."""

from pathlib import Path

import pytest

from lithify.chip import load_chip, parse_chip, preset_names, write_chip
from lithify.errors import LithifyError

TINY = write_chip(load_chip("tiny"))
KEYS = (
    "schema, name, clock_hz, rows, columns, accumulators, lanes, scratchpad_bytes, scratchpad_banks, bus_bytes, "
    "dram_bytes_per_cycle, queue_depth, activation_ports, weight_ports, vector_lanes, units"
)


def changed(**keys: object) -> str:
    lines = [line for line in TINY.splitlines() if line.split(" = ")[0] not in keys]
    return "\n".join([*lines, *(f"{key} = {value}" for key, value in keys.items() if value is not None)])


def refused(text: str) -> str:
    with pytest.raises(LithifyError) as caught:
        parse_chip(text, "my.toml")
    return str(caught.value)


def test_presets() -> None:
    assert preset_names() == ("edge", "mac256_vector", "tiny")
    edge, tiny = load_chip("edge"), load_chip("tiny")
    assert (edge.rows, edge.columns, edge.multipliers, edge.dram_bytes_per_cycle) == (16, 16, 256, 5)
    assert (tiny.rows, tiny.columns, tiny.multipliers) == (8, 8, 64)
    assert (edge.words, edge.bank_words, edge.column_words, edge.word_beats) == (15_360, 1024, 1, 2)


@pytest.mark.parametrize("name", ["edge", "tiny"])
def test_a_written_chip_reads_back_equal(name: str, tmp_path: Path) -> None:
    chip = load_chip(name)
    path = tmp_path / "mine.toml"
    path.write_text(write_chip(chip), encoding="utf-8")
    assert load_chip(path) == chip
    assert load_chip(chip) is chip


def test_optional_keys_have_their_defaults() -> None:
    chip = parse_chip(changed(queue_depth=None, units=None), "my.toml")
    assert chip.queue_depth == 8 and chip.units == ("depthwise", "add", "max_pool", "lookup", "multiply", "gather")
    assert parse_chip(changed(units="[]"), "my.toml").units == ()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"colums": 8}, f"has an unknown key 'colums'; the keys are {KEYS}."),
        ({"lanes": None}, f"lacks the key 'lanes'; the keys are {KEYS}."),
        ({"rows": 12}, "is not valid: rows is 12, but must be 4, 8, 16, 32, 64 or 128."),
        ({"columns": 12}, "is not valid: columns is 12, but must be a multiple of rows, which is 8."),
        ({"lanes": 3}, "is not valid: lanes is 3, but must divide rows, which is 8."),
        (
            {"bus_bytes": 16},
            "is not valid: bus_bytes is 16, but must be a power of two from 4 to rows, which is 8.",
        ),
        (
            {"dram_bytes_per_cycle": 9},
            "is not valid: dram_bytes_per_cycle is 9, but must be at most bus_bytes, which is 8.",
        ),
        (
            {"scratchpad_bytes": 65000},
            "is not valid: scratchpad_bytes is 65000, but must be scratchpad_banks (8) x rows (8) x a power of two.",
        ),
        (
            {"scratchpad_bytes": 1 << 20},
            "is not valid: scratchpad_bytes is 1048576, but must be at most 65536 words of 8 bytes.",
        ),
        ({"vector_lanes": 3}, "is not valid: vector_lanes is 3, but must be 0, 2, 4 or 8."),
        (
            {"vector_lanes": 4},
            "is not valid: vector_lanes is 4, but that needs rows of 16 to 64, and rows is 8.",
        ),
        ({"accumulators": 1}, "is not valid: 'accumulators' is 1: input should be greater than or equal to 2."),
        ({"clock_hz": '"fast"'}, "is not valid: 'clock_hz' is 'fast': input should be a valid integer."),
        ({"schema": 2}, "is not valid: 'schema' is 2: input should be 1."),
        (
            {"units": '["gpu"]'},
            "is not valid: 'units.0' is 'gpu': input should be 'depthwise', 'add', 'max_pool', 'lookup', 'multiply' or "
            "'gather'.",
        ),
    ],
)
def test_a_wrong_description_is_refused(keys: dict[str, object], message: str) -> None:
    assert refused(changed(**keys)) == f"The chip description 'my.toml' {message}"


def test_what_is_no_description_is_refused(tmp_path: Path) -> None:
    assert refused("rows 8").startswith("The chip description 'my.toml' is not TOML: ")
    for source, message in (
        (
            "huge",
            "Unknown chip 'huge': give a preset (edge, mac256_vector, tiny) or the path of a chip description ending "
            "in .toml.",
        ),
        (
            tmp_path / "none.toml",
            f"Cannot read the chip description '{tmp_path / 'none.toml'}': No such file or directory; "
            "give a TOML file.",
        ),
    ):
        with pytest.raises(LithifyError) as caught:
            load_chip(source)
        assert str(caught.value) == message
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(LithifyError) as caught:
        load_chip(tmp_path / "binary.toml")
    assert str(caught.value) == (
        f"Cannot read the chip description '{tmp_path / 'binary.toml'}': not UTF-8 text; give a TOML file."
    )
