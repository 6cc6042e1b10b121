"""The scratchpad against an array of words."""

import random

import pytest
from amaranth.sim import Simulator

from lithify.chip import Chip, load_chip
from lithify.rtl.scratchpad import WRITERS, Scratchpad, readers

CHIP = load_chip("tiny").model_copy(update={"scratchpad_bytes": 8 * 8 * 4, "scratchpad_banks": 8})
TWO_WEIGHTS = CHIP.model_copy(update={"weight_ports": 2})
THREE = CHIP.model_copy(update={"activation_ports": 3})


@pytest.mark.parametrize(("chip", "seed"), [(CHIP, 0), (CHIP, 1), (THREE, 2), (TWO_WEIGHTS, 3)])
def test_random_accesses_without_conflicts(chip: Chip, seed: int) -> None:
    rng = random.Random(seed)
    pad, names = Scratchpad(chip), readers(chip)
    model = [0] * CHIP.words
    pending: list[dict[str, int]] = [{}, {}]

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        for cycle in range(400):
            answers = pending.pop(0)
            for name, word in answers.items():
                assert ctx.get(getattr(pad, name).data) == word, (cycle, name)
            assert ctx.get(pad.conflict) == 0
            banks = rng.sample(range(CHIP.scratchpad_banks), len(names) + len(WRITERS))
            asked: dict[str, int] = {}
            stores: dict[int, int] = {}
            for name, bank in zip((*names, *WRITERS), banks, strict=True):
                port = getattr(pad, name)
                address = bank * CHIP.bank_words + rng.randrange(CHIP.bank_words)
                enable = rng.random() < 0.8
                ctx.set(port.enable, enable)
                ctx.set(port.address, address)
                if name in WRITERS:
                    word = rng.getrandbits(8 * CHIP.word_bytes)
                    ctx.set(port.data, word)
                    if enable:
                        stores[address] = word
                elif enable:
                    asked[name] = model[address]
            for address, word in stores.items():
                model[address] = word
            pending.append(asked)
            await ctx.tick()

    run(pad, bench)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("activations", "load"),
        ("results", "store"),
        ("weights", "residual"),
        ("activations_1", "activations_2"),
        ("weights", "weights_1"),
    ],
)
def test_two_units_in_one_bank_are_flagged(one: str, other: str) -> None:
    pad = Scratchpad(TWO_WEIGHTS if other == "weights_1" else THREE)

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        for name, address, expected in ((one, 0, 0), (other, CHIP.bank_words - 1, 1), (other, CHIP.bank_words, 0)):
            ctx.set(getattr(pad, name).enable, 1)
            ctx.set(getattr(pad, name).address, address)
            await ctx.tick()
            assert ctx.get(pad.conflict) == expected

    run(pad, bench)


def run(pad: Scratchpad, bench) -> None:  # type: ignore[no-untyped-def]
    simulator = Simulator(pad)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
