"""docs/costs.md is what benchmarks/costs.py makes of its counts, and its figures follow from one another."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_page_is_of_todays_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import costs

    kept = json.loads(costs.RESULTS.read_text(encoding="utf-8"))
    stale = "docs/costs.md is stale: python benchmarks/costs.py --write"
    written, now = (
        text.split("## On a Lattice") for text in (costs.PAGE.read_text(encoding="utf-8"), costs.page(kept))
    )
    assert written[0] == now[0], stale
    for name in costs.CHIPS:
        row = costs.asic_row(costs.chip_of(name), kept[name])
        frames, milliwatts, each = (float(row[place].split()[0].replace(",", "")) for place in (5, 6, 7))
        assert milliwatts == pytest.approx(1000 * frames / each, rel=0.02)
        assert row[3].endswith("s" if name in costs.SYNTHESISED else "m")
    sys.modules.pop("costs")
