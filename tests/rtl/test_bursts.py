"""The address side of LOAD and STORE against the plain loops of the timing model."""

import random

import pytest
from amaranth.sim import Simulator

from lithify.chip import Chip, load_chip
from lithify.isa import instruction
from lithify.rtl.transfer.bursts import Bursts
from lithify.sim.timing.bursts import rows

WIDE = {"rows": 128, "columns": 128, "lanes": 128, "scratchpad_bytes": 128 * 8 * 64, "bus_bytes": 128}
CHIPS = {
    "tiny": load_chip("tiny"),
    "wide": Chip.model_validate({**load_chip("tiny").model_dump(by_alias=True), **WIDE}),
}


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("seed", range(4))
def test_addresses_lengths_and_marks(name: str, seed: int) -> None:
    chip, rng = CHIPS[name], random.Random(seed)
    size, base = chip.bus_bytes, 128 * rng.randrange(1 << 32)
    entry = instruction(
        "LOAD", base=3, offset=rng.randrange(10_000), row_bytes=rng.choice([1, 7, 900, 9000]), rows=rng.randint(1, 3),
        planes=rng.randint(1, 3), row_stride=rng.randrange(5000), plane_stride=rng.randrange(20_000), address=77,
        row_words=5, plane_words=300, fill=-3, signal=9,
    )  # fmt: skip
    value = entry.integer

    expected = []
    for index, lengths in enumerate(rows(chip, entry, base)):
        plane, row = divmod(index, value("rows"))
        start = base + value("offset") + plane * value("plane_stride") + row * value("row_stride")
        end = start + value("row_bytes")
        address = start // size * size
        for number, beats in enumerate(lengths):
            last = number == len(lengths) - 1
            expected.append(
                {"address": address, "length": beats - 1, "first": number == 0, "row_last": last,
                 "last": last and index == value("rows") * value("planes") - 1,
                 "word": 77 + 300 * plane + 5 * row, "offset": start % size, "end": (end - 1) % size,
                 "fill": 253, "signal": 9, "of_list": 0}
            )  # fmt: skip
            assert address // 4096 == (address + beats * size - 1) // 4096 and beats <= 64
            address += beats * size
        assert address - size < end <= address

    unit = Bursts(chip, "LOAD")

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        ctx.set(unit.bases[3], base)
        ctx.set(unit.instruction.fields, {name: value(name) for name in unit.instruction.fields.shape().members})
        ctx.set(unit.instruction.valid, 1)
        seen: list[dict[str, int]] = []
        for cycle in range(4000):
            ctx.set(unit.ready, rng.random() < 0.7)
            if ctx.get(unit.valid):
                assert cycle >= 5
                if ctx.get(unit.ready):
                    seen.append({key: ctx.get(unit.burst[key]) for key in unit.burst.shape().members})
            await ctx.tick()
            ctx.set(unit.instruction.valid, 0)
            if len(seen) == len(expected):
                break
        assert seen == expected
        await ctx.tick()
        assert ctx.get(unit.instruction.ready) and not ctx.get(unit.valid)

    simulator = Simulator(unit)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
