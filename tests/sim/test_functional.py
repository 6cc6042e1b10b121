"""The functional simulator against the loops of docs/architecture.md, section 4 (`loops.py`)."""

import numpy as np
import pytest
from tests.sim.random_instructions import (
    ONE_POSITION,
    OUT_ADDRESS,
    RESIDUAL_ADDRESS,
    TRANSFER,
    VALID,
    WEIGHT_ADDRESS,
    compare,
    in_rings,
    random_instruction,
    random_memory,
    run_on,
    small_chip,
)

from lithify.errors import LithifyError
from lithify.isa import Instruction, encode, instruction
from lithify.sim.functional import run_segment
from lithify.sim.functional.compute import Compute
from lithify.sim.functional.prepare import prepared
from lithify.sim.functional.sums import Conv


@pytest.mark.parametrize("name", ["CONV", "DEPTHWISE", "STREAM"])
@pytest.mark.parametrize("shape", [(8, 8), (8, 24)])
def test_random_instructions_equal_the_loops(name: str, shape: tuple[int, int]) -> None:
    generator = np.random.default_rng([len(name), *shape])
    chip = small_chip(*shape)
    for _ in range(20):
        entry = random_instruction(chip, generator, name)
        compare(chip, random_memory(chip, generator, entry), [entry])


@pytest.mark.parametrize("name", ["CONV", "DEPTHWISE", "STREAM"])
def test_two_ports_read_weights_from_both_halves_of_some_banks(name: str) -> None:
    generator = np.random.default_rng([len(name), 41])
    one = small_chip(8, 16)
    two = one.model_copy(update={"weight_ports": 2})
    for _ in range(10):
        entry = random_instruction(one, generator, name)
        memory = random_memory(one, generator, entry)
        apart = memory.copy()
        for port in range(2):
            words = memory[WEIGHT_ADDRESS + port : RESIDUAL_ADDRESS - 1024 : 2]
            apart[WEIGHT_ADDRESS + 1024 * port :][: min(len(words), 1024)] = words[:1024]
        spread = Instruction(entry.operation, {**entry.values, "weight_banks": 2})
        found, expected = run_on(two, apart, [spread])[0].stream(two), run_on(one, memory, [entry])[0].stream(one)
        assert np.array_equal(found.addresses, expected.addresses)
        assert np.array_equal(found.words, expected.words)


def test_words_of_a_cycle_must_lie_in_different_banks() -> None:
    two = small_chip().model_copy(update={"weight_ports": 2})
    program = [instruction("LOAD", **TRANSFER), instruction("CONV", **{**VALID, "weight_banks": 1})]
    with pytest.raises(LithifyError) as caught:
        run_segment(two, encode([*program, instruction("END")]), {0: np.zeros(64, np.uint8)})
    allowed = "but chip 'small' has weight_ports 2, so it must be from 2 to 8."
    assert str(caught.value) == f"Instruction 1 (CONV) has weight_banks 1, {allowed}"


@pytest.mark.parametrize("name", ["CONV", "DEPTHWISE", "STREAM"])
def test_rings_equal_the_loops(name: str) -> None:
    generator = np.random.default_rng([len(name), 3])
    chip = small_chip(8, 16)
    for _ in range(25):
        entry = in_rings(generator, random_instruction(chip, generator, name))
        compare(chip, random_memory(chip, generator, entry), [entry])


def test_activations_are_read_anew_once_something_was_written_there() -> None:
    chip = small_chip(8, 16)
    for seed in range(6):
        generator = np.random.default_rng([seed, 17])
        entry = random_instruction(chip, generator, "CONV")
        overwrites = {"out_address": 20}
        changes = [{}, {"zero_point": 5}, overwrites, overwrites, {"pad_value": 9}, {"pad_value": 10}]
        same = {"in_address": 20, "start_y": 0, "start_x": 0, "pad_value": 9, "residual": 0, "broadcast": 0}
        entries = [Instruction(entry.operation, {**entry.values, **same, **change}) for change in changes]
        compare(chip, random_memory(chip, generator, entry), entries)
        steps = prepared(chip, encode([*entries, instruction("END")]))
        again = [step.source.again for step in steps if isinstance(step, Compute) and isinstance(step.source, Conv)]
        # The third writes over what it read, so the fourth and the fifth read again what is there now.
        assert again[:5] == [False, True, True, False, False]


@pytest.mark.parametrize("name", ["CONV", "DEPTHWISE", "STREAM"])
def test_where_results_meet_the_last_written_stays(name: str) -> None:
    chip = small_chip(8, 16)
    generator = np.random.default_rng([len(name), 29])
    for _ in range(8):
        entry = random_instruction(chip, generator, name)
        meeting = Instruction(entry.operation, {**entry.values, "out_pixel_words": 1, "out_row_words": 1})
        compare(chip, random_memory(chip, generator, entry), [meeting])


@pytest.mark.parametrize("name", ["CONV", "DEPTHWISE"])
def test_split_reductions_equal_the_loops(name: str) -> None:
    chip = small_chip(8, 16)
    for seed in range(4):
        generator = np.random.default_rng(seed)
        last = random_instruction(chip, generator, name, accumulate=1)
        memory = random_memory(chip, generator, last)
        first = random_instruction(chip, generator, name, keep=1)
        middle = random_instruction(chip, generator, name, keep=1, accumulate=1)
        # Weights of the first two lie elsewhere; a DEPTHWISE reads its unused weight bytes as zeros.
        memory[3500:4000, 1:] = 0
        same_window = {"window_height": 1, "window_width": 1, "slide": 1, "weight_address": 3500}
        changed = [Instruction(entry.operation, {**entry.values, **same_window}) for entry in (first, middle)]
        compare(chip, memory, [*changed, last])


def test_a_table_stays_until_the_next_is_loaded() -> None:
    chip = small_chip()
    generator = np.random.default_rng(5)
    entry = random_instruction(chip, generator, "STREAM")
    memory = random_memory(chip, generator, entry)
    lookups = [{"lookup": 1}, {"lookup": 0}, {"lookup": 2}, {"lookup": 1, "weight_address": 900}, {"lookup": 2}]
    entries = []
    for number, changed in enumerate(lookups):
        place = {"out_address": OUT_ADDRESS + 100 * number, "in_address": 10 * number}
        entries.append(Instruction(entry.operation, {**entry.values, **place, **changed}))
    compare(chip, memory, entries)


def with_parameters(memory: np.ndarray, bias: list[int], multiplier: float) -> np.ndarray:
    parameters = [np.array(bias, "<i4").view(np.int8), np.full(8, multiplier, "<f4").view(np.int8)]
    memory[400:408] = np.concatenate(parameters).reshape(8, 8)
    return memory


def test_sums_wrap_at_32_bits() -> None:
    chip = small_chip()
    entry = instruction("CONV", **{**ONE_POSITION, "chunks": 300})
    total = 2400 * 128 * 128
    bias = [2**31 - 1, 2**31 - 1 - total, -(2**31), 0, 1, -1, 5, 7]
    memory = with_parameters(np.full((5000, 8), -128, np.int8), bias, 2.0**-24)
    compare(chip, memory, [entry])
    trace, _ = run_on(chip, memory, [entry])
    # The first channel wraps to near -2**31, the second ends at the largest int32.
    assert trace.stream(chip).words[0, :3].tolist() == [-126, 127, -126]


def test_long_sums_are_exact_to_the_last_bit() -> None:
    chip = small_chip()
    generator = np.random.default_rng(11)
    memory = generator.integers(100, 128, (5000, 8), dtype=np.int8)
    # 2400 products of about 113 x 113 are far beyond 2**24; the bias brings the sums back to a few units.
    sets = memory[408:2808].reshape(300, 8, 8).astype(np.int64)
    totals = np.einsum("kr,kcr->c", memory[:300].astype(np.int64), sets)
    assert totals.min() > 2**24
    entry = instruction("CONV", **{**ONE_POSITION, "chunks": 300})
    with_parameters(memory, [int(3 * column - total) for column, total in enumerate(totals)], 1.0)
    trace, _ = run_on(chip, memory, [entry])
    assert trace.stream(chip).words.tolist() == [[0, 3, 6, 9, 12, 15, 18, 21]]


def test_halves_are_rounded_to_even() -> None:
    chip = small_chip()
    memory = with_parameters(np.zeros((5000, 8), np.int8), [-7, -5, -3, -1, 1, 3, 5, 7], 0.5)
    trace, _ = run_on(chip, memory, [instruction("CONV", **ONE_POSITION)])
    assert trace.stream(chip).words.tolist() == [[-4, -2, -2, 0, 0, 2, 2, 4]]
    # So are those of the addition, here of 0.5 * q and 1.
    memory[3000] = 1
    with_parameters(memory, [-7, -5, -3, -1, 1, 3, 5, 7], 1.0)
    residual = {"residual": 1, "residual_address": 3000, "a_multiplier": 0.5, "b_multiplier": 1.0}
    limits = {"sum_minimum": -3, "sum_maximum": 127}
    trace, _ = run_on(chip, memory, [instruction("CONV", **{**ONE_POSITION, **residual, **limits})])
    assert trace.stream(chip).words.tolist() == [[-2, -2, 0, 0, 2, 2, 4, 4]]


def test_load_fills_tails_and_overlapping_rows_and_store_skips() -> None:
    chip = small_chip()
    dram = {1: np.arange(256, dtype=np.uint8), 3: np.zeros(256, np.uint8)}
    program = [
        # Rows of 11 bytes that begin every 3 bytes, as a convolution of few channels loads them.
        instruction(
            "LOAD", base=1, offset=5, row_bytes=11, rows=3, planes=2, row_stride=3, plane_stride=100, address=10,
            row_words=2, plane_words=7, fill=-3,
        ),
        instruction(
            "STORE", base=3, offset=16, row_bytes=16, rows=3, planes=2, row_stride=24, plane_stride=88, address=10,
            row_words=2, plane_words=7,
        ),
        instruction("END"),
    ]  # fmt: skip
    run_segment(chip, encode(program), dram)
    expected = np.zeros(256, np.uint8)
    for plane in range(2):
        for row in range(3):
            start = 5 + 100 * plane + 3 * row
            line = [*range(start, start + 11), *[253] * 5]
            expected[16 + 88 * plane + 24 * row :][:16] = line
    assert dram[3].tolist() == expected.tolist()


def test_unwritten_words_hold_the_seeded_pattern() -> None:
    chip = small_chip()
    program = encode([instruction("STORE", row_bytes=4096, rows=1, planes=1), instruction("END")])
    found = []
    for seed in (1, 1, 2):
        dram = {0: np.zeros(4096, np.uint8)}
        run_segment(chip, program, dram, seed=seed)
        found.append(dram[0])
    assert found[0].any() and np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])
