"""The boards: their pins as amaranth-boards has them, and what is said where something is missing."""

import importlib.util
import re

import pytest

from lithify.errors import LithifyError
from lithify.silicon.fpga.boards import BOARDS, board_named, constraints, wrapper

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("amaranth_boards") is None, reason="amaranth-boards is not installed"
)


@pytest.mark.parametrize("name", [row.name for row in BOARDS])
def test_every_board_has_its_pins(name: str) -> None:
    board = board_named(name)
    text = constraints(board)
    placed = re.findall(r'LOCATE COMP "(\w+)" SITE "([A-Z]+\d+)";', text)
    assert [port for port, _ in placed] == ["clk", "rx", "tx", "running", "linked"]
    assert len({site for _, site in placed}) == 5, "two ports at one pin"
    assert text.count("IO_TYPE=") == 5 and f'FREQUENCY PORT "clk" {board.oscillator_hz} HZ;' in text
    assert board.device.startswith("--") and board.package.endswith(("381", "554", "285"))


def test_the_ulx3s_as_its_schematic_has_it() -> None:
    board = board_named("ulx3s-85")
    assert (board.clock.site, board.rx.site, board.tx.site) == ("G2", "M1", "L4")
    assert (board.oscillator_hz, board.device, board.speed, board.part.multipliers) == (25_000_000, "--85k", "6", 156)


def test_lights_that_are_lit_by_a_low_pin() -> None:
    assert "assign running = ~runs;" in wrapper(board_named("orangecrab-25"))
    assert "assign running = runs;" in wrapper(board_named("ulx3s-85"))


def test_an_unknown_board() -> None:
    with pytest.raises(LithifyError) as error:
        board_named("ulx4s")
    names = ", ".join(row.name for row in BOARDS)
    assert str(error.value) == f"There is no board 'ulx4s'; the boards are: {names}."
