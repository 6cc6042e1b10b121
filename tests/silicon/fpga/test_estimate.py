"""What a system will take of a part before any tool has run, and products made of look-up tables."""

from pathlib import Path

import pytest
from tests.silicon.fpga.conftest import needs_wheels

from lithify.rtl.verilog import verilog
from lithify.silicon.fpga import estimate
from lithify.silicon.fpga.estimate import blocks, chips_for, fits, memory_for
from lithify.silicon.fpga.parts import PARTS
from lithify.silicon.fpga.products import RULE, selection, soft_rows
from lithify.silicon.fpga.tools import run_tool

POINTS = (  # rows, columns, lanes, and the look-up tables that synthesis gave of the system
    (4, 4, 1, 14_493),
    (8, 8, 2, 22_226),
)


@pytest.mark.parametrize(("rows", "columns", "lanes", "found"), POINTS)
def test_the_estimate_is_near(rows: int, columns: int, lanes: int, found: int) -> None:
    reckoned = estimate.look_up_tables(estimate.chip_of(rows, columns, lanes, 10**8), PARTS["85F"])
    assert abs(reckoned - found) < 0.1 * found


def test_products_go_to_blocks_while_there_are_any() -> None:
    chip = estimate.chip_of(8, 8, 2, 10**8)
    assert soft_rows(chip, 156) == 0
    assert [soft_rows(chip, blocks) for blocks in (82, 81, 74, 28, 18, 0)] == [0, 1, 1, 7, 8, 8]
    assert estimate.multipliers(chip, PARTS["25F"]) == 18 + 8


@pytest.mark.slow
def test_the_products_of_a_column_are_found() -> None:
    chip = estimate.chip_of(4, 4, 1, 10**8)
    found = selection(verilog(chip), 3).split()
    assert [word.partition("/")[0] for word in found] == ["lithify_column_4x16"] * 3


@needs_wheels
@pytest.mark.slow
@pytest.mark.parametrize("factor", [-128, -127, -2, -1, 0, 1, 85, 127])
def test_a_product_of_look_up_tables_is_a_product(factor: int, tmp_path: Path) -> None:
    """A proof for every other factor: the rule's tree of sums against Yosys's own multiplication."""
    text = "module m(input signed [7:0] a, input signed [7:0] b, output signed [15:0] y); assign y = a * b; endmodule"
    (tmp_path / "m.v").write_text(text)
    (tmp_path / "rule.v").write_text(RULE)
    script = (
        "read_verilog m.v; proc; wreduce; copy m gold; rename m gate; techmap -map rule.v gate; "
        "select -assert-none gate/t:$mul; select -assert-count 1 gold/t:$mul; "
        "miter -equiv -make_outputs -flatten gold gate miter; "
        f"sat -verify -set in_b 8'd{factor % 256} -prove trigger 0 miter"
    )
    status, said = run_tool("yosys", ["-q", "-p", script], tmp_path)
    assert status == 0, said


def test_the_largest_array_that_may_fit_comes_first() -> None:
    for part in PARTS.values():
        found = list(chips_for(part, 100_000_000))
        sizes = [chip.multipliers for chip in found]
        assert found and sizes == sorted(sizes, reverse=True)
        for chip in found:
            memory = memory_for(chip, part)
            assert fits(chip, part) and memory and blocks(chip, memory) <= part.blocks
    assert next(chips_for(PARTS["85F"], 10**8)).multipliers > next(chips_for(PARTS["25F"], 10**8)).multipliers
