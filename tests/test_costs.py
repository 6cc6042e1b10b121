"""docs/costs.md is what benchmarks/costs.py makes of its counts, and its figures follow from one another."""

import json
import sys
from pathlib import Path

import pytest

from lithify.silicon.clock import sta_program

ROOT = Path(__file__).parents[1]
KIT = ROOT.parent / "shared" / "pdk" / "ihp-sg13g2"

MAC = """module mac(input wire clock, input wire reset_n, input wire signed [7:0] a, b, output reg signed [19:0] sum);
  always @(posedge clock or negedge reset_n) if (!reset_n) sum <= 0; else sum <= sum + a * b;
endmodule
"""


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


def test_peers_are_on_the_page_as_they_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every peer of the table has its figures, and rates follow from area and clock."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import costs
    import peers

    chips = json.loads(costs.RESULTS.read_text(encoding="utf-8"))
    assert costs.PAGE.read_text(encoding="utf-8").endswith(peers.section(chips)), "python benchmarks/costs.py --write"
    measured = json.loads(peers.RESULTS.read_text(encoding="utf-8"))
    assert measured["column"] == peers.column(), "another array was mapped: python benchmarks/peers.py --pdk FOLDER"
    assert set(peers.kept()) == {*peers.OURS, *peers.peers()}
    for found in peers.kept().values():
        cells = dict(zip(peers.HEAD, found.row("name"), strict=True))
        rate = found.multipliers * found.mhz * 1e6 / (found.um2 / 1e6) / 1e9
        assert float(cells["GMAC/s a mm2"]) == pytest.approx(rate, abs=0.05)
    for name in ("costs", "peers"):
        sys.modules.pop(name)


@pytest.mark.skipif(not KIT.is_dir() or sta_program() is None, reason="needs the IHP SG13G2 kit and OpenSTA")
def test_any_design_is_mapped_to_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a clock and an asynchronous reset of other names than a chip's; from its pins through product and sum."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import peers

    file = tmp_path / "mac.v"
    file.write_text(MAC, encoding="utf-8")
    command = ["--pdk", str(KIT), "--top", "mac", "--clock", "clock", str(file)]
    assert peers.main(command) == 0
    row = capsys.readouterr().out.splitlines()[1].split("|")[1:-1]
    cells = dict(zip(peers.HEAD, (cell.strip() for cell in row), strict=True))
    assert 20 * 6 + 200 < int(cells["NAND2"].replace(",", "")) < 900, "20 registers, a product, an adder"
    assert 150 < float(cells["clock MHz"]) < 500, "the product is in the path"
    with pytest.raises(SystemExit):
        peers.main([*command, str(tmp_path / "none.v")])
    assert "there is no file" in capsys.readouterr().err
    sys.modules.pop("peers")
