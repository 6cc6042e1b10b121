"""The driver on the chip itself: its Verilog, reached through registers and memory alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lithify
from lithify.errors import LithifyError
from lithify.isa import encode, instruction
from lithify.isa.program import Base, ChipSegment
from lithify.runtime import run
from lithify.runtime.allocator import Allocator
from lithify.runtime.bus import ChipFailure
from lithify.runtime.driven import DrivenDevice
from lithify.runtime.driver import Driver
from lithify.runtime.rtl_bus import RtlBus

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def program():
    model = lithify.optimize(lithify.load(EXAMPLES / "digits_cnn.onnx"))
    return lithify.compile(lithify.quantize(model, EXAMPLES / "digits.npz"), "tiny")


@pytest.fixture(scope="module")
def device(program):
    with DrivenDevice(Driver(RtlBus.of(program.chip), limit=0.5), "rtl") as opened:
        yield opened


def images(count: int) -> list[np.ndarray]:
    return [image[None] for image in np.load(EXAMPLES / "digits.npz")["images_28"][:count]]


def test_one_chip_for_many_runs(program, device) -> None:
    """Every run takes the cycles that the timing simulator says, whatever ran before."""
    cycles = program.simulate().cycles
    for image in images(3):
        found, expected = run(program, [image], device), run(program, [image])
        assert all(np.array_equal(a, b) for a, b in zip(found.outputs, expected.outputs, strict=True))
        assert found.cycles == cycles
        assert found.segments[0].result.counters["ARRAY_CYCLES"] > 0


def test_a_chip_that_hangs_is_reset(program, device) -> None:
    """A program waits for what never comes; the next one runs as if nothing had been."""
    (segment,) = [part for part in program.segments if isinstance(part, ChipSegment)]
    store = instruction("STORE", wait=2, base=Base.OUTPUTS, row_bytes=8, rows=1, planes=1)
    waiting = encode([store, instruction("END")])
    hung = replace(
        program,
        instructions=waiting.ljust(-(-len(waiting) // 128) * 128, b"\0"),
        segments=tuple(replace(segment, start=0, size=128) if part is segment else part for part in program.segments),
    )
    image = images(1)[0]
    with pytest.raises(ChipFailure, match=r"had not finished after 0.5 seconds; it was reset") as failure:
        run(hung, [image], device)
    assert failure.value.recovered
    assert np.array_equal(run(program, [image], device).outputs[0], run(program, [image]).outputs[0])
    assert run(program, [image], device).cycles == program.simulate().cycles


def test_another_chip(program, device) -> None:
    other = replace(program, chip=program.chip.model_copy(update={"lanes": program.chip.lanes // 2}))
    with pytest.raises(LithifyError, match="The simulation holds another chip than the program's"):
        run(other, images(1), device)


def test_room_in_dram() -> None:
    memory = Allocator(5 * 4096)
    first, second, third = memory.allocate(1), memory.allocate(4097), memory.allocate(4096)
    assert (first, second, third) == (0, 4096, 3 * 4096)
    assert memory.allocate(8192) is None and memory.free_bytes == 4096
    memory.free(4096)
    assert memory.allocate(4096) == 4096 and memory.allocate(1) == 8192 and memory.allocate(1) == 4 * 4096
    assert memory.allocate(1) is None and memory.free_bytes == 0


def test_the_oldest_programs_give_way(program) -> None:
    """A DRAM of two programs' size, three programs in turn."""
    size = sum(-(-max(1, part) // 4096) * 4096 for part in (len(program.instructions), *program.base_bytes.values()))
    copies = [replace(program, name=f"copy {index}") for index in range(3)]
    bus = RtlBus.of(program.chip)
    small = RtlBus(program.chip, bus._library, 2 * size + 4096)
    bus.close()
    (image,) = images(1)
    expected = run(program, [image]).outputs
    with DrivenDevice(Driver(small), "rtl") as device:
        for copy in (*copies, *copies):
            assert np.array_equal(run(copy, [image], device).outputs[0], expected[0])
    with DrivenDevice(Driver(RtlBus(program.chip, bus._library, 4096)), "rtl") as device:
        with pytest.raises(LithifyError, match="bytes of DRAM, and the simulation's memory has 4,096"):
            run(program, [image], device)
