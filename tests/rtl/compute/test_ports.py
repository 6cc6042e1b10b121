"""The addresses of a window: no port reads but those whose taps are taken together."""

from typing import Any

import pytest
from amaranth.sim import Simulator

from lithify.chip import load_chip
from lithify.isa.operations import BY_NAME
from lithify.rtl.compute.addresses import Addresses

CHIP = load_chip("tiny").model_copy(update={"activation_ports": 3})
HEIGHT, WIDTH, WINDOW = 6, 5, 3


@pytest.mark.parametrize("together", [0, 1, 2, 3])
def test_ports_beyond_those_taken_together_are_quiet(together: int) -> None:
    """Rows of one word a pixel: taps of a column lie in one bank, where two ports that read them would meet."""
    unit = Addresses(CHIP)
    fields: dict[str, int] = {
        "opcode": BY_NAME["STREAM"].opcode, "in_height": HEIGHT, "in_width": WIDTH, "in_ring_words": 65535,
        "position_y": 1, "position_x": 1, "position_y_words": WIDTH, "position_x_words": 1, "tap_y": 1, "tap_x": 1,
        "tap_y_words": WIDTH, "tap_x_words": 1, "window_height": WINDOW, "window_width": WINDOW, "slide": WINDOW,
        "passes_y": 1, "passes_x": 1, "chunks": 1, "out_height": HEIGHT - WINDOW + 1, "out_width": WIDTH - WINDOW + 1,
        "tile": 4, "groups": 1, "taps_at_once": together,
    }  # fmt: skip
    reads: list[list[int]] = []

    async def bench(sim: Any) -> None:
        for name, value in fields.items():
            sim.set(getattr(unit.fields, name), value)
        sim.set(unit.load, 1)
        await sim.tick()
        sim.set(unit.load, 0)
        sim.set(unit.next, 1)
        for _ in range(600):
            await sim.tick()
            if sim.get(unit.valid):
                inside = sim.get(unit.word.inside)
                reads.append([sim.get(unit.word.addresses[port]) for port in range(3) if inside >> port & 1])
            if sim.get(unit.idle) and not sim.get(unit.valid):
                break

    simulator = Simulator(unit)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    most = max(1, together)
    expected = [
        [(y + first + tap) * WIDTH + x + column for tap in range(min(most, WINDOW - first))]
        for y in range(HEIGHT - WINDOW + 1)
        for x in range(WIDTH - WINDOW + 1)
        for column in range(WINDOW)
        for first in range(0, WINDOW, most)
    ]
    assert reads == expected
