"""Placed cells moved again: what moves, what may not, and that nothing else changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from lithify.silicon.fpga.anneal import anneal
from lithify.silicon.fpga.paths import GRADE_6
from lithify.silicon.fpga.placed import BESIDE_NS, WIRES, Placed

pytestmark = pytest.mark.slow
"""The annealer is compiled for the first of them."""

WAYS = {"Q": "output", "F": "output", "OFX": "output", "FCO": "output"}


def cell(kind: str, bel: str, parameters: dict[str, str] | None = None, **connections: int) -> dict[str, Any]:
    return {
        "type": kind,
        "attributes": {"NEXTPNR_BEL": bel},
        "parameters": parameters or {},
        "port_directions": {port: WAYS.get(port, "input") for port in connections},
        "connections": {port: [net] for port, net in connections.items()},
    }


def register(bel: str, by_look_up: bool = False, **connections: int) -> dict[str, Any]:
    return cell("TRELLIS_FF", bel, {"SD": "1 " if by_look_up else "0 ", "CEMUX": "CE", "LSRMUX": "LSR"}, **connections)


def spread() -> dict[str, dict[str, Any]]:
    """Two chains from register to register, each by way of a look-up table in a far corner; between them a carry chain
    over two tiles, a wide selection, and registers that differ in enable and reset.
    """
    cells = {}
    for index, (x, y) in enumerate(((2, 2), (30, 2))):
        first = 10 * (index + 1)
        cells[f"from{index}"] = register(f"X{x}/Y{y}/SLICEA.FF0", Q=first, M=first + 5, CE=1, LSR=2 + index)
        cells[f"far{index}"] = cell("TRELLIS_COMB", f"X{32 - x}/Y30/SLICEA.K0", A=first, F=first + 1)
        cells[f"near{index}"] = cell("TRELLIS_COMB", f"X{x}/Y4/SLICEB.K1", A=first + 1, F=first + 2)
        cells[f"to{index}"] = register(
            f"X{x}/Y4/SLICEB.FF1", True, DI=first + 2, Q=first + 5, CE=4 + index, LSR=2 + index
        )
    for place in range(4):
        x, lc = 10 + place // 2, 6 + place if place < 2 else place - 2
        bel = f"X{x}/Y6/SLICE{'ABCD'[lc // 2]}.K{lc % 2}"
        cells[f"carry{place}"] = cell("TRELLIS_COMB", bel, {"MODE": "CCU2"}, FCI=40 + place, FCO=41 + place)
    cells["low"] = cell("TRELLIS_COMB", "X20/Y8/SLICEC.K1", A=10, F=60)
    cells["wide"] = cell("TRELLIS_COMB", "X20/Y8/SLICEC.K0", A=20, F1=60, M=11, OFX=61)
    for x in range(2, 31):  # logic in every column and row, so that all tiles may be used
        cells[f"row{x}"] = cell("TRELLIS_COMB", f"X{x}/Y{x}/SLICED.K1", F=100 + x)
    return cells


def design(cells: dict[str, dict[str, Any]]) -> str:
    return json.dumps({"modules": {"top": {"cells": cells, "settings": {"seed": "1"}}}})


def places(text: str) -> dict[str, tuple[int, int, int]]:
    return {name: (place.x, place.y, place.site) for name, place in Placed(text).places.items()}


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return anneal(design(spread()), 2.6, "6", 105e6, 1, tmp_path_factory.mktemp("anneal"))


def test_the_paths_become_short(moved: Any) -> None:
    d, wires = GRADE_6, dict(WIRES)
    # From (2, 2) to (30, 30) and back to (2, 4): 28 columns and rows, each row as long as 1.1 columns and so on.
    assert moved.before_ns > d.clock_to_q + 2 * wires[50] + 2 * d.look_up
    least = d.clock_to_q + 2 * wires[0] + 2 * d.look_up + BESIDE_NS
    assert least - 1e-3 <= moved.after_ns <= 2.6


def test_only_places_change(moved: Any) -> None:
    before, after = json.loads(design(spread())), json.loads(moved.design)
    assert after["modules"]["top"]["settings"] == {"seed": "1", "target_freq": "105000000.000000"}
    for text in (before, after):
        for entry in text["modules"]["top"]["cells"].values():
            assert entry["attributes"].pop("NEXTPNR_BEL")
        del text["modules"]["top"]["settings"]
    assert before == after


def test_the_rules_of_tiles_are_kept(moved: Any) -> None:
    found = places(moved.design)
    assert len(set(found.values())) == len(found), "two cells at one place"
    for index in range(2):
        x, y, site = found[f"near{index}"]
        assert found[f"to{index}"] == (x, y, site + 8), "a register left its look-up table"
    x, y, site = found["carry0"]
    assert site == 6, "a carry chain began elsewhere in its tile"
    assert [found[f"carry{place}"] for place in range(1, 4)] == [(x, y, 7), (x + 1, y, 0), (x + 1, y, 1)]
    x, y, site = found["wide"]
    assert site % 2 == 0 and found["low"] == (x, y, site + 1)
    tiles = {(name[-1], found[name][:2]) for name in ("from0", "to0", "from1", "to1")}
    assert not {at for chain, at in tiles if chain == "0"} & {at for chain, at in tiles if chain == "1"}, "two resets"
    for index in range(2):
        one, other = found[f"from{index}"], found[f"to{index}"]
        assert one[:2] != other[:2] or one[2] // 2 != other[2] // 2, "two enables in a slice"


def test_the_same_words_give_the_same_places(moved: Any, tmp_path: Path) -> None:
    again = anneal(design(spread()), 2.6, "6", 105e6, 1, tmp_path)
    assert again.design == moved.design


def test_what_keeps_other_rules_stays(tmp_path: Path) -> None:
    cells = spread()
    cells["one"] = register("X5/Y9/SLICEA.FF0", Q=200, M=201, CE=1, LSR=2)
    cells["other"] = register("X5/Y9/SLICEB.FF0", Q=201, M=200, CE=1, LSR=3)
    for text in (design(cells), design({})):
        found = anneal(text, 2.6, "6", 105e6, 1, tmp_path)
        assert found.after_ns is None and places(found.design) == places(text)
        assert '"target_freq": "105000000.000000"' in found.design, "nextpnr would route towards 12 MHz"


def test_inside_the_period_nothing_moves(tmp_path: Path) -> None:
    found = anneal(design(spread()), 40.0, "6", 105e6, 1, tmp_path)
    assert found.before_ns == found.after_ns and places(found.design) == places(design(spread()))
