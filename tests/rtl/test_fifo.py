"""The queue against Amaranth's own, cycle by cycle."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib.fifo import SyncFIFO
from amaranth.sim import Simulator

from lithify.rtl.fifo import Fifo


@pytest.mark.parametrize(
    ("depth", "head", "registers"),
    [(2, True, False), (2, False, False), (3, True, True), (8, True, False), (4, True, True), (6, False, False)],
)
def test_it_is_amaranths_queue(depth: int, head: bool, registers: bool) -> None:
    m = Module()
    m.submodules.ours = ours = Fifo(width=8, depth=depth, head=head, registers=registers)
    m.submodules.theirs = theirs = SyncFIFO(width=8, depth=depth)
    rng = random.Random(depth)
    full = empty = 0

    async def bench(context: Any) -> None:
        nonlocal full, empty
        for cycle in range(600):
            busy = (cycle // 60) % 3  # filling, emptying, both
            put, take, data = rng.random() < (0.9, 0.2, 0.7)[busy], rng.random() < (0.2, 0.9, 0.7)[busy], cycle % 256
            for queue in (ours, theirs):
                context.set(queue.w_en, put)
                context.set(queue.r_en, take)
                context.set(queue.w_data, data)
            assert context.get(ours.w_rdy) == context.get(theirs.w_rdy)
            assert context.get(ours.r_rdy) == context.get(theirs.r_rdy)
            if context.get(theirs.r_rdy):
                assert context.get(ours.r_data) == context.get(theirs.r_data)
            full, empty = full + (not context.get(theirs.w_rdy)), empty + (not context.get(theirs.r_rdy))
            await context.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert full > 10 and empty > 10
