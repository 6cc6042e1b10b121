"""A chip with a vector unit: DRAM and retirements of the RTL equal the simulators, with loads and stores beside it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lithify.chip import Chip, load_chip
from lithify.isa import Instruction, Queue, encode, instruction
from lithify.isa.vector import Format, Stream, VectorInstruction, encode_program, program_words
from lithify.rtl.simulation import Session, run
from lithify.sim.functional import check_order, run_segment
from lithify.sim.timing import Timing, simulate
from lithify.sim.timing.compute import ComputeTiming
from rtl.programs import BASES, DATA, DATA_BYTES, PROGRAM, hardware, image

from .programs import looks_up, random_program, softmax

pytestmark = pytest.mark.slow  # the chip is compiled

LOAD, VECTOR, STORE = (1 << queue for queue in (Queue.LOAD, Queue.VECTOR, Queue.STORE))
CHIP = Chip.model_validate(
    load_chip("tiny").model_dump(by_alias=True) | {"name": "variant", "vector_lanes": 2, "scratchpad_bytes": 32768}
)
OUTPUTS = DATA_BYTES // 2
"""Where outputs lie behind the base register."""


def transfer(kind: str, place: int, words: int, address: int, **tokens: int) -> Instruction:
    values = {"row_bytes": words * CHIP.word_bytes, "rows": 1, "planes": 1, "offset": place, "address": address}
    return instruction(kind, base=0, **values, **tokens)


def words_of(stream: Stream, rows: int, columns: int) -> int:
    """Words from a stream's first to its last."""
    return (rows - 1) * stream.row_words + -(-columns * stream.format.bytes // CHIP.word_bytes)


def around(number: int, entry: VectorInstruction, places: dict[str, int], count: int) -> list[Instruction]:
    """Loads, VECTOR and store of the `number`-th of `count` instructions: every other has the same banks."""
    assert CHIP.vector is not None
    extent = {name: words_of(getattr(entry, name), entry.rows, entry.columns) for name in "xwy"}
    code = program_words(CHIP.vector, len(entry.operations), entry.table)
    again = (VECTOR | STORE) if number >= 2 else 0
    next_use = LOAD if number + 2 < count else 0
    return [
        transfer("LOAD", places["program"], code, entry.program, wait=again),
        transfer("LOAD", places["y"], extent["y"], entry.y.address),
        transfer("LOAD", places["x"], extent["x"], entry.x.address),
        transfer("LOAD", places["w"], extent["w"], entry.w.address, signal=VECTOR),
        entry.encoded(CHIP.vector, wait=LOAD, signal=STORE | next_use),
        transfer("STORE", OUTPUTS + number * 0x1800, extent["y"], entry.y.address, wait=VECTOR, signal=next_use),
    ]


def instructions(random: np.random.Generator, count: int) -> list[VectorInstruction]:
    assert CHIP.vector is not None
    entries = []
    for number in range(count):
        bank = [(4 * (number % 2) + place) * CHIP.bank_words for place in range(4)]
        columns = int(random.choice([1, 17, 64, 65, 100, 150]))
        forms = [(Format.INT8, Format.INT32, Format.FLOAT32)[int(random.integers(0, 3))] for _ in range(3)]
        forms[2] = Format.FLOAT32 if forms[2] is Format.INT32 else forms[2]
        streams = [
            Stream(
                at + int(random.integers(0, 20)),
                -(-columns * form.bytes // CHIP.word_bytes),
                form,
                int(random.integers(-128, 128)),
            )
            for at, form in zip(bank[1:], forms, strict=True)
        ]
        program = random_program(random)
        table = looks_up(program) or (streams[0].format is Format.INT8 and bool(random.integers(0, 2)))
        if table:
            streams[0] = replace(streams[0], format=Format.INT8)
        # The third input lies in the second's words.
        third = Format.INT8 if streams[1].format is Format.INT8 else Format(int(random.integers(0, 3)))
        entries.append(
            VectorInstruction(
                bank[0], int(random.integers(1, 4)), columns, program, *streams, v_address=streams[1].address,
                v_format=third, table=table,
            )
        )  # fmt: skip
    return entries


def compare(program: list[Instruction], dram: np.ndarray, size: int, chip: Chip = CHIP) -> Timing:
    """What the timing simulator says; asserts that hardware and simulators agree."""
    check_order(chip, program)
    whole = [*program, instruction("END")]
    expected = dram.copy()
    written = run_segment(chip, encode(whole), {0: expected[DATA:]}).stream(chip)
    with Session(hardware(chip).library, dram, bytes_per_cycle=chip.dram_bytes_per_cycle) as session:
        session.record()
        done = run(session, PROGRAM, size, BASES, cycle_limit=1_000_000)
        addresses, words = session.results()
    assert np.array_equal(dram, expected)
    assert addresses.tolist() == written.addresses.tolist()
    assert np.array_equal(words.view(np.int8), written.words)
    model = simulate(chip, whole, size, BASES, ComputeTiming(chip))
    measured = sorted(zip(done.cycle.tolist(), done.queue.tolist(), strict=True))
    assert measured == sorted(zip(model.cycle.tolist(), model.queue.tolist(), strict=True))
    assert done.cycles == model.cycles
    assert done.queue.tolist().count(Queue.VECTOR) == sum(entry.operation.name == "VECTOR" for entry in program)
    return model


def with_data(entries: list[VectorInstruction], seed: int) -> tuple[list[Instruction], np.ndarray, int]:
    """The program around vector instructions, and DRAM with their programs and random data."""
    program: list[Instruction] = []
    for number, entry in enumerate(entries):
        start = number * 0x3000
        places = {"program": start, "x": start + 0x400, "w": start + 0x1400, "y": start + 0x2400}
        program += around(number, entry, places, len(entries))
    dram, size = image(program, seed)
    for number, entry in enumerate(entries):
        code = np.frombuffer(encode_program(entry.operations), np.uint8)
        start = DATA + number * 0x3000
        dram[start : start + code.size] = code
    return program, dram, size


@pytest.mark.parametrize("seed", range(8))
def test_random_programs(seed: int) -> None:
    random = np.random.default_rng(seed)
    program, dram, size = with_data(instructions(random, int(random.integers(1, 8))), seed)
    compare(program, dram, size)


def test_softmax() -> None:
    """Three softmaxes, each beside the loads of the next and the store of the one before."""
    entries: list[Any] = []
    for number, columns in enumerate((128, 64, 197)):
        bank = [(4 * (number % 2) + place) * CHIP.bank_words for place in range(4)]
        entry = softmax(6, columns, 0.05, 3, 1 / 256, -128, (bank[0], bank[1], bank[3]), CHIP.word_bytes)
        entries.append(VectorInstruction(**{**entry.__dict__, "w": Stream(bank[2])}))
    compare(*with_data(entries, 1))


def test_beside_a_convolution() -> None:
    """A whole chip: convolutions in four banks while a vector program runs in the others, with no token between."""
    whole = CHIP.model_copy(update={"name": "vectorial"})
    bank = CHIP.bank_words
    entry = softmax(6, 128, 0.05, 3, 1 / 256, -128, (4 * bank, 5 * bank, 7 * bank), CHIP.word_bytes)
    entry = VectorInstruction(**{**entry.__dict__, "w": Stream(6 * bank)})
    program, dram, _ = with_data([entry], 3)
    compute, size, weights = 1 << Queue.COMPUTE, 16 * 16, 8 + 8
    ones = ("window_height", "window_width", "slide", "passes_y", "passes_x", "chunks", "groups", "group_words")
    steps = {"position_y": 1, "position_x": 1, "position_y_words": 16, "position_x_words": 1, "tap_y": 1, "tap_x": 1}
    values = dict.fromkeys((*ones, "last_group_words"), 1) | steps
    values |= {"in_height": 16, "in_width": 16, "out_height": 16, "out_width": 16, "tile": 16, "out_row_words": 16,
               "out_pixel_words": 1, "in_address": 0, "weight_address": bank, "out_address": 2 * bank, "maximum": 127,
               "minimum": -128}  # fmt: skip
    parameters = np.concatenate([np.zeros(8, np.int32), np.full(8, 0.01, np.float32).view(np.int32)]).view(np.uint8)
    dram[DATA + 0x8000 : DATA + 0x8000 + parameters.size] = parameters
    program = [
        transfer("LOAD", 0x8000, weights, bank),
        transfer("LOAD", 0x9000, size, 0, signal=compute),
        *program[:-1],
        *(instruction("CONV", wait=LOAD * (n == 0), signal=STORE * (n == 9), serial=1, **values) for n in range(10)),
        transfer("STORE", OUTPUTS + 0x4000, size, 2 * bank, wait=compute),
        program[-1],
    ]
    text = encode([*program, instruction("END")])
    size = -(-len(text) // 128) * 128
    dram[PROGRAM : PROGRAM + size] = np.frombuffer(text.ljust(size, b"\0"), np.uint8)
    timing = compare(program, dram, size, whole)
    (at,) = np.flatnonzero(timing.queue == Queue.VECTOR)
    retired = timing.cycle[timing.queue == Queue.COMPUTE]
    assert ((timing.start[at] < retired) & (retired < timing.cycle[at])).sum() >= 5
