"""`lithify bench multichip`: rows of cases, and the page that is made of them."""

import json
from pathlib import Path

import pytest
from benchmarks.multichip import PAGE, RESULTS, written

from lithify.errors import LithifyError
from lithify.multichip import Case, multichip, standard_cases, told

ROOT = Path(__file__).parents[1]


def test_the_page_is_of_the_figures() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, rows) == page, "docs/clusters.md is stale: python benchmarks/multichip.py --write"
    assert [(tuple(row["networks"]), row["chips"], row["asked"]) for row in rows] == [
        (case.networks, case.chips, case.parallel) for case in standard_cases()
    ]
    assert all(row["failed"]["lost"] == 0 for row in rows if row["failed"])


@pytest.mark.slow
def test_a_case_becomes_a_row() -> None:
    (row,) = multichip(cases=[Case(("autoencoder",), 2, "auto", "latency", "tiny", breaks=True)])
    found = row.to_json()
    assert found["networks"] == ["autoencoder"] and found["goal"] == "latency" and found["failed"]["lost"] == 0
    assert told(row)[0].startswith("autoencoder on 2: data: 2.00 times the throughput of one chip")
    assert "Chip 1 fails in cycle" in told(row)[-1]


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(LithifyError, match="nothing_such"):
        multichip(["nothing_such"])


@pytest.mark.slow
def test_the_table_is_of_todays_cycles() -> None:
    """The cheapest rows measured again: a network in stages with a failed chip, and networks side by side."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    cheap = [case for case in standard_cases() if "resnet8" in case.networks and case.chips == 4]
    assert [case.parallel for case in cheap] == ["pipeline", "auto"]
    for row in multichip(cases=cheap):
        kept = next(
            entry for entry in rows if (tuple(entry["networks"]), entry["chips"]) == (row.case.networks, row.case.chips)
        )
        assert json.loads(json.dumps(row.to_json())) == kept, (
            "docs/clusters.md is stale: python benchmarks/multichip.py"
        )
