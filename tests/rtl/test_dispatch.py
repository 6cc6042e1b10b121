"""Queues and tokens against a plain model of them, with random instructions, units and retirements."""

import random

import pytest
from amaranth.sim import Simulator

from lithify.chip import load_chip
from lithify.isa import Queue, encode, instruction
from lithify.rtl.dispatch import QUEUES, Dispatch

CHIP = load_chip("tiny")
NAMES = {Queue.LOAD: "LOAD", Queue.COMPUTE: "DEPTHWISE", Queue.STORE: "STORE"}


@pytest.mark.parametrize("seed", range(3))
def test_random_streams(seed: int) -> None:
    rng = random.Random(seed)
    unit = Dispatch(CHIP)
    queues: dict[Queue, list[tuple[int, int]]] = {queue: [] for queue in QUEUES}  # tag and wait mask
    flying = dict.fromkeys(QUEUES, 0)
    tokens = {(giver, taker): 0 for giver in QUEUES for taker in QUEUES}

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        for cycle in range(1500):
            for queue in QUEUES:
                assert ctx.get(unit.room[queue]) == (len(queues[queue]) < CHIP.queue_depth)
            assert ctx.get(unit.idle) == (not any(queues.values()) and not any(flying.values()))

            target, tag = rng.choice(list(QUEUES)), rng.randrange(1 << 16)
            wait = sum(1 << queue for queue in QUEUES if rng.random() < 0.25)
            field = "in_address" if target == Queue.COMPUTE else "address"
            text = encode([instruction(NAMES[target], wait=wait, **{field: tag})])
            ctx.set(unit.instruction, int.from_bytes(text, "little"))
            push = rng.random() < 0.5 and len(queues[target]) < CHIP.queue_depth
            ctx.set(unit.push, push << target)

            gifts, started = [], []
            for queue in QUEUES:
                name = queue.name.lower()
                port, done = getattr(unit, name), getattr(unit, f"{name}_done")
                ready = rng.random() < 0.6
                ctx.set(port.ready, ready)
                waits = [(giver, queue) for giver in QUEUES if queues[queue] and queues[queue][0][1] >> giver & 1]
                able = bool(queues[queue]) and all(tokens[pair] for pair in waits)
                assert ctx.get(port.valid) == able, (cycle, queue)
                if able:
                    shown = port.fields.in_address if queue == Queue.COMPUTE else port.fields.address
                    assert ctx.get(shown) == queues[queue][0][0]
                if able and ready:
                    started.append((queue, waits))
                retire = flying[queue] > 0 and rng.random() < 0.5
                signal = sum(1 << other for other in QUEUES if rng.random() < 0.4 and tokens[queue, other] < 200)
                ctx.set(done.retire, retire)
                ctx.set(done.signal, signal)
                if retire:
                    flying[queue] -= 1
                    gifts += [(queue, other) for other in QUEUES if signal >> other & 1]
            for queue, waits in started:
                queues[queue].pop(0)
                flying[queue] += 1
                for pair in waits:
                    tokens[pair] -= 1
            for pair in gifts:
                tokens[pair] += 1
            if push:
                queues[target].append((tag, wait))
            await ctx.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
