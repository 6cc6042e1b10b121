"""Requests over chips and links, worked out by hand."""

from fractions import Fraction

import pytest

from lithify.cluster.parallel import _even, _moved
from lithify.cluster.schedule import Step, schedule


def test_a_pipeline_by_hand() -> None:
    """Stages of 10 and 20 cycles, a link of 5 that takes 3 more to arrive.

    Request 0: chip 0 at 0-10, link 10-15, there at 18, chip 1 18-38. Request 1: chip 0 10-20, link 20-25, there at 28,
    chip 1 38-58. From then on one every 20 cycles.
    """
    steps = [Step("chip 0", 10), Step("link", 5, 3), Step("chip 1", 20)]
    found = schedule([steps] * 8)
    assert found.finished == tuple(38 + 20 * index for index in range(8))
    assert found.begun[:3] == (0, 10, 20)
    assert (found.latency, found.period, found.limit) == (38, Fraction(20), "chip 1")
    assert found.busy == {"chip 0": 80, "link": 40, "chip 1": 160}


def test_a_shared_link_is_the_limit() -> None:
    """Four chips of 8 cycles behind a link that takes 5 for each request: the link answers one every 5 cycles."""
    found = schedule([[Step("host", 5), Step(f"chip {index % 4}", 8)] for index in range(40)])
    assert found.period == 5 and found.limit == "host"


def test_a_window_holds_requests_back() -> None:
    """One at a time: 5 on the link, 8 on a chip, 13 in all, then the next."""
    found = schedule([[Step("host", 5), Step("chip", 8)]] * 6, window=1)
    assert found.finished == tuple(13 * (index + 1) for index in range(6)) and found.latency == 13


def test_what_is_ready_first_goes_first() -> None:
    """Request 1 reaches the link at 2, before request 0 at 4."""
    found = schedule([[Step("a", 4), Step("link", 10)], [Step("b", 2), Step("link", 10)]])
    assert found.finished == (22, 12)


@pytest.mark.parametrize(
    ("before", "count", "cuts"),
    [([4, 6, 10, 12], 2, (1,)), ([1, 2, 3, 4, 5, 6], 3, (1, 3)), ([1, 9, 10], 3, (0, 1)), ([5, 10], 1, ())],
)
def test_even_cuts(before: list[int], count: int, cuts: tuple[int, ...]) -> None:
    """before: cycles before each cut, and in all. 4 | 6 | 10 of 12: the middle one leaves 6 and 6."""
    assert _even(before, count) == cuts


def test_cuts_are_moved_while_it_pays() -> None:
    """True costs are not the estimate's: units of 1, 1, 1, 9, 1, 1 cycles, cut in the middle at first."""
    units = [1, 1, 1, 9, 1, 1]

    def cost(places: tuple[int, ...]) -> list[int]:
        return [sum(units[first + 1 : end + 1]) for first, end in zip((-1, *places), (*places, 5), strict=True)]

    assert [_moved((first,), 5, cost) for first in (0, 2, 4)] == [(2,), (2,), (2,)]
    assert cost((2,)) == [3, 11]
