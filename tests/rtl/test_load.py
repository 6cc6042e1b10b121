"""The load engine's packer against rows of bytes: any alignment, any length, beats with and without gaps."""

import random

import pytest
from amaranth.sim import Simulator

from lithify.chip import Chip, load_chip
from lithify.isa import instruction
from lithify.rtl.transfer.load import Load

NARROW = {"rows": 16, "columns": 16, "lanes": 16, "scratchpad_bytes": 16 * 8 * 64, "bus_bytes": 4}
CHIPS = {
    "a beat a word": load_chip("tiny"),
    "two beats a word": load_chip("edge"),
    "four beats a word": Chip.model_validate(
        {**load_chip("tiny").model_dump(by_alias=True), **NARROW, "dram_bytes_per_cycle": 4}
    ),
}


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("gaps", [0.0, 0.4])
def test_words_addresses_and_retirements(name: str, gaps: float) -> None:
    chip, rng = CHIPS[name], random.Random(name)
    bus, size = chip.bus_bytes, chip.word_bytes
    memory = rng.randbytes(1 << 14)
    program, expected = [], []
    for index in range(12):
        rows, row_bytes, stride = rng.randint(1, 4), rng.randint(1, 5 * size), rng.randint(0, 100)
        offset, address, fill = rng.randint(0, 5000), 100 * index, rng.randint(-128, 127)
        program.append(
            instruction(
                "LOAD",
                offset=offset,
                rows=rows,
                planes=1,
                row_bytes=row_bytes,
                row_stride=stride,
                address=address,
                row_words=7,
                fill=fill,
                signal=index % 16,
            )
        )
        for row in range(rows):
            line = memory[offset + row * stride :][:row_bytes]
            line += bytes([fill % 256]) * (-row_bytes % size)
            expected += [
                (address + 7 * row + word, line[word * size : (word + 1) * size]) for word in range(len(line) // size)
            ]

    unit = Load(chip)

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        ctx.set(unit.request_ready, 1)
        waiting, beats = list(program), []
        written, signals = [], []
        while len(signals) < len(program):
            ctx.set(unit.instruction.valid, bool(waiting))
            if waiting:
                fields = unit.instruction.fields.shape().members
                ctx.set(unit.instruction.fields, {field: waiting[0].integer(field) for field in fields})
                if ctx.get(unit.instruction.ready):
                    waiting.pop(0)
            moves = bool(beats) and rng.random() >= gaps
            ctx.set(unit.beat_valid, moves)
            if moves:
                address, last = beats.pop(0)
                ctx.set(unit.beat_data, int.from_bytes(memory[address : address + bus], "little"))
                ctx.set(unit.beat_last, last)
            if ctx.get(unit.request):
                first, length = ctx.get(unit.request_address), ctx.get(unit.request_length)
                beats += [(first + bus * beat, beat == length) for beat in range(length + 1)]
            if ctx.get(unit.scratchpad.enable):
                word = ctx.get(unit.scratchpad.data).to_bytes(size, "little")
                written.append((ctx.get(unit.scratchpad.address), word))
            if ctx.get(unit.retirement.retire):
                # Everything of the instruction is written by now.
                index = len(signals)
                own = sum(
                    entry.integer("rows") * -(-entry.integer("row_bytes") // size) for entry in program[: index + 1]
                )
                assert len(written) >= own
                signals.append(ctx.get(unit.retirement.signal))
            await ctx.tick()
        assert written == expected
        assert signals == [index % 16 for index in range(len(program))]

    simulator = Simulator(unit)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
