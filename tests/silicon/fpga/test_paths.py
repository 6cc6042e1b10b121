"""Reckoned paths: of netlists small enough to add up by hand."""

import json
from typing import Any

import pytest

from lithify.silicon.fpga.paths import GRADE_6, slowest_paths


def netlist(cells: dict[str, Any], names: dict[str, list[int]]) -> str:
    module = {"cells": cells, "netnames": {name: {"bits": bits} for name, bits in names.items()}}
    return json.dumps({"modules": {"top": module}})


def cell(kind: str, parameters: dict[str, str] | None = None, **connections: list[Any]) -> dict[str, Any]:
    return {"type": kind, "parameters": parameters or {}, "connections": connections}


def register(clock: int, data: int, output: int, **others: list[Any]) -> dict[str, Any]:
    return cell("TRELLIS_FF", CLK=[clock], DI=[data], Q=[output], **others)


def test_a_path_is_named_by_the_registers_at_its_ends() -> None:
    cells = {
        "first": register(1, 20, 10),
        "low": cell("LUT4", A=[10], B=["0"], C=["1"], D=["x"], Z=[11]),
        "high": cell("LUT4", A=[11], B=[10], C=["1"], D=["x"], Z=[12]),
        "second": register(1, 12, 13),
        "third": register(1, 13, 20, CE=[12]),
    }
    names = {"unit.count": [10, 21], "$auto$1": [13], "unit.sum": [13], "unit.state": [20], "unit.next": [12]}
    found = slowest_paths(netlist(cells, names), "top")
    d = GRADE_6
    both = d.clock_to_q + 2 * (d.wire + d.look_up)
    assert [(path.start, path.end) for path in found] == [
        ("unit.count[0]", "unit.state (CE)"), ("unit.count[0]", "unit.sum"), ("unit.state", "unit.count"),
        ("unit.sum", "unit.state"),
    ]  # fmt: skip
    assert [path.ns for path in found] == pytest.approx(
        [both + d.wire, both + d.neighbour, d.clock_to_q + d.wire, d.clock_to_q + d.wire]
    )
    assert found[0].steps == ("LUT4", "LUT4 unit.next")


def test_carries_blocks_and_memories() -> None:
    d = GRADE_6
    cells = {
        "from": register(1, 90, 10),
        "carry": cell("CCU2C", A0=[10], CIN=["0"], COUT=[11], S0=[12], S1=[13]),
        "more": cell("CCU2C", A0=["0"], CIN=[11], COUT=[14], S0=[15], S1=[16]),
        "sum": register(1, 16, 20),
        "product": cell("MULT18X18D", A0=[10], B0=["1"], P0=[30]),
        "kept": register(1, 30, 21),
        "block": cell("DP16KD", {"REGMODE_A": "NOREG"}, ADA0=[10], DOA0=[40]),
        "word": register(1, 40, 22),
        "small": cell("TRELLIS_DPR16X4", RAD=[10], DO=[50], DI=[40]),
        "entry": register(1, 50, 23),
    }
    names = {"sum": [20], "product": [21], "word": [22], "entry": [23], "small": [50], "from": [10]}
    found = {path.end: path for path in slowest_paths(netlist(cells, names), "top")}
    assert found["sum"].ns == pytest.approx(d.clock_to_q + d.wire + d.carry_in + d.carry_out + d.neighbour)
    assert found["product"].ns == pytest.approx(d.clock_to_q + d.wire + d.multiply + d.neighbour)
    assert found["word"].ns == pytest.approx(d.memory_to_q + d.wire)
    assert found["entry"].ns == pytest.approx(d.clock_to_q + d.wire + d.look_up + d.neighbour)
    assert found["small"].ns == pytest.approx(d.memory_to_q + d.wire)
