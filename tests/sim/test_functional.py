"""The functional simulator against the loops of docs/architecture.md, section 4, written out one word at a time."""

import struct
from fractions import Fraction

import numpy as np
import pytest

from lithify.chip import Chip
from lithify.errors import LithifyError
from lithify.isa import Instruction, encode, instruction
from lithify.sim.functional import run_segment
from lithify.sim.functional.compute import Compute
from lithify.sim.functional.prepare import prepared
from lithify.sim.functional.sums import Conv

INPUT_WORDS, WEIGHT_ADDRESS, RESIDUAL_ADDRESS, OUT_ADDRESS = 400, 400, 3000, 4000


def small_chip(rows: int = 8, columns: int = 8, accumulators: int = 6, units: tuple[str, ...] | None = None) -> Chip:
    return Chip(
        schema=1,
        name="small",
        clock_hz=100_000_000,
        rows=rows,
        columns=columns,
        accumulators=accumulators,
        lanes=rows,
        scratchpad_bytes=rows * 8192,
        scratchpad_banks=8,
        bus_bytes=4,
        dram_bytes_per_cycle=4,
        units=("depthwise", "add", "max_pool", "lookup", "multiply") if units is None else units,
    )


def rounded(value: np.float32, zero_point: int, minimum: int, maximum: int) -> int:
    """rint_half_even(value) + zero_point, clipped; Python's round of an exact fraction rounds halves to even."""
    return max(minimum, min(maximum, round(Fraction(float(value))) + zero_point))


def wrapped(total: int) -> int:
    return (total + 2**31) % 2**32 - 2**31


def reduced(entry: Instruction, tensor: str, address: int) -> int:
    """An address after it was reduced into the tensor's ring."""
    words = entry.integer(f"{tensor}_ring_words")
    return address - words if words and address >= entry.integer(f"{tensor}_ring_start") + words else address


def row_of(entry: Instruction, tensor: str, step: str, number: int) -> int:
    """The address of a row, reduced after every step."""
    address = entry.integer(f"{tensor}_address")
    for _ in range(number):
        address = reduced(entry, tensor, address + entry.integer(step))
    return address


def interpret(
    chip: Chip, entry: Instruction, pad: list[list[int]], kept: dict, table: list[int]
) -> list[tuple[int, list[int]]]:
    """One compute instruction on `pad` (scratchpad words as lists of bytes), exactly as the loops say."""
    v = entry.integer
    name = entry.operation.name
    size = chip.rows
    columns = chip.columns if name == "CONV" else size
    width, positions = v("out_width"), v("out_height") * v("out_width")
    passes = [
        (py, px, chunk) for py in range(v("passes_y")) for px in range(v("passes_x")) for chunk in range(v("chunks"))
    ]
    parameters = 0 if v("keep") else 8 * (columns // size)
    stream = []
    first_weights = v("weight_address")
    if v("lookup") == 1:
        table[:] = [byte for word in pad[first_weights : first_weights + 256 // size] for byte in word]
        first_weights += 256 // size
    for group in range(v("groups")):
        base = first_weights + group * (parameters + len(passes) * columns)
        sums = dict(kept) if v("accumulate") else {}
        kept.clear()
        for first in range(0, positions, v("tile")):
            for number, (py, px, chunk) in enumerate(passes):
                weights = pad[base + parameters + number * columns :][:columns]
                window: list[list[int]] = []
                for place in range(first, min(first + v("tile"), positions)):
                    oy, ox = divmod(place, width)
                    whole = place == first or ox == 0
                    for tx in range(0 if whole else v("window_width") - v("slide"), v("window_width")):
                        for ty in range(v("window_height")):
                            y = v("start_y") + oy * v("position_y") + py * v("pass_y") + ty * v("tap_y")
                            x = v("start_x") + ox * v("position_x") + px * v("pass_x") + tx * v("tap_x")
                            address = row_of(entry, "in", "position_y_words", oy) + ox * v("position_x_words")
                            address += py * v("pass_y_words") + px * v("pass_x_words")
                            address += ty * v("tap_y_words") + tx * v("tap_x_words")
                            address = reduced(entry, "in", address + chunk + group * v("group_in_words")) % 65536
                            inside = 0 <= y < v("in_height") and 0 <= x < v("in_width")
                            window.insert(0, pad[address] if inside else [v("pad_value")] * size)
                    taps = v("window_height") * v("window_width")
                    if name == "CONV":
                        word = window[0]
                        terms = [sum(a * b for a, b in zip(word, weights[c], strict=True)) for c in range(columns)]
                    elif name == "DEPTHWISE":
                        terms = [sum(window[r][c] * weights[c][r] for r in range(taps)) for c in range(columns)]
                    else:
                        terms = [max(window[r][c] for r in range(taps)) for c in range(size)]
                    before = sums.get(place, [0] * len(terms))
                    sums[place] = [wrapped(a + b) for a, b in zip(before, terms, strict=True)]
        if v("keep"):
            kept.update(sums)
            continue
        words = v("last_group_words") if group == v("groups") - 1 else v("group_words")
        for place in range(positions):
            oy, ox = divmod(place, width)
            for j in range(words):
                step = ox * v("out_pixel_words") + group * v("group_words") + j
                block = [byte & 255 for word in pad[base + 8 * j : base + 8 * j + 8] for byte in word]
                result = []
                for lane in range(size):
                    total = sums[place][j * size + lane]
                    second = group * v("group_words") + j if v("broadcast") else step
                    row = row_of(entry, "residual", "out_row_words", 0 if v("broadcast") else oy)
                    b = pad[reduced(entry, "residual", row + second)][lane]
                    if v("multiply"):
                        product = np.float32((total - v("a_zero_point")) * (b - v("b_zero_point")))
                        scaled = product * np.float32(entry["a_multiplier"])
                        q = rounded(scaled, v("zero_point"), v("minimum"), v("maximum"))
                    elif name == "STREAM":
                        q = max(v("minimum"), min(v("maximum"), total))
                    else:
                        bias = struct.unpack_from("<i", bytes(block), 4 * lane)[0]
                        multiplier = struct.unpack_from("<f", bytes(block), 4 * size + 4 * lane)[0]
                        scaled = np.float32(wrapped(total + bias)) * np.float32(multiplier)
                        q = rounded(scaled, v("zero_point"), v("minimum"), v("maximum"))
                    if v("residual"):
                        left = np.float32(q - v("a_zero_point")) * np.float32(entry["a_multiplier"])
                        right = np.float32(b - v("b_zero_point")) * np.float32(entry["b_multiplier"])
                        q = rounded(left + right, v("sum_zero_point"), v("sum_minimum"), v("sum_maximum"))
                    result.append(table[q + 128] if v("lookup") else q)
                stream.append((reduced(entry, "out", row_of(entry, "out", "out_row_words", oy) + step), result))
    for address, result in stream:
        pad[address] = result
    return stream


def random_instruction(chip: Chip, generator: np.random.Generator, name: str, keep: int = 0, accumulate: int = 0):
    pick = lambda low, high: int(generator.integers(low, high + 1))  # noqa: E731
    one_tile = keep or accumulate
    height, width = (2, 3) if one_tile else (pick(1, 4), pick(1, 5))
    window = (1, 1) if name == "CONV" else (pick(1, 2), pick(1, 4))
    passes = (1, 1, 1) if name == "STREAM" else (pick(1, 3), pick(1, 2), pick(1, 2))
    groups = 1 if one_tile else pick(1, 3)
    words = chip.column_words if name == "CONV" else 1
    pitch = pick(1, 3)  # words of an input pixel
    in_height, in_width = pick(1, 6), pick(1, 6)
    start_y, start_x = pick(-2, 1), pick(-2, 1)
    row = in_width * pitch
    stride, dilation = (pick(1, 2), pick(1, 2)), (pick(1, 2), pick(1, 2))
    multiply = int(name == "STREAM" and window == (1, 1))
    residual = pick(0, 1) if not multiply else 0
    low, high = sorted((pick(-128, 127), pick(-128, 127)))
    return instruction(
        name,
        keep=keep,
        accumulate=accumulate,
        residual=residual,
        multiply=multiply,
        broadcast=pick(0, 1) if residual or multiply else 0,
        lookup=0 if keep else pick(0, 1),
        in_address=(pick(0, 50) + start_y * row + start_x * pitch) % 65536,
        in_height=in_height,
        in_width=in_width,
        start_y=start_y,
        start_x=start_x,
        position_y=stride[0],
        position_x=stride[1],
        position_y_words=stride[0] * row,
        position_x_words=stride[1] * pitch,
        tap_y=dilation[0],
        tap_x=dilation[1],
        tap_y_words=dilation[0] * row,
        tap_x_words=dilation[1] * pitch,
        pass_y=1,
        pass_x=1,
        pass_y_words=row,
        pass_x_words=pitch,
        window_height=window[0],
        window_width=window[1],
        slide=pick(1, window[1]) if name == "DEPTHWISE" else window[1],
        passes_y=passes[0],
        passes_x=passes[1],
        chunks=passes[2],
        group_in_words=pick(0, 2),
        pad_value=pick(-128, 127),
        out_height=height,
        out_width=width,
        out_address=OUT_ADDRESS,
        out_row_words=width * groups * words + pick(0, 2),
        out_pixel_words=groups * words,
        tile=chip.accumulators if one_tile else pick(1, chip.accumulators),
        groups=groups,
        group_words=words,
        last_group_words=pick(1, words),
        weight_address=WEIGHT_ADDRESS,
        zero_point=pick(-128, 127),
        minimum=low,
        maximum=high,
        residual_address=RESIDUAL_ADDRESS,
        a_zero_point=pick(-128, 127),
        b_zero_point=pick(-128, 127),
        sum_zero_point=pick(-128, 127),
        sum_minimum=-128,
        sum_maximum=pick(0, 127),
        a_multiplier=float(np.float32(generator.uniform(0.01, 2))),
        b_multiplier=float(generator.choice([0.5, 0.25, 1.0])),
    )


def in_rings(generator: np.random.Generator, entry: Instruction) -> Instruction:
    """The same instruction with its tensors in rings that hold what it reaches over, or no ring, each by chance."""
    v = entry.integer
    counts = {"position_x": "out_width", "pass_y": "passes_y", "pass_x": "passes_x", "tap_y": "window_height",
              "tap_x": "window_width"}  # fmt: skip
    reach = sum((v(count) - 1) * v(f"{step}_words") for step, count in counts.items())
    reach += v("chunks") + (v("groups") - 1) * v("group_in_words")
    row = (v("out_width") - 1) * v("out_pixel_words") + v("groups") * v("group_words")
    values = {field.name: entry[field.name] for field in entry.operation.fields}
    for tensor, start, words, step in (
        ("in", 0, reach, v("position_y_words")),
        ("out", OUT_ADDRESS, row, v("out_row_words")),
        ("residual", RESIDUAL_ADDRESS, row, v("out_row_words")),
    ):
        words = max(words, step) + int(generator.integers(20))
        if generator.random() < 0.7 and words < INPUT_WORDS:
            start += int(generator.integers(INPUT_WORDS - words))
            values |= {f"{tensor}_ring_start": start, f"{tensor}_ring_words": words}
            values[f"{tensor}_address"] = start + int(generator.integers(words))
    return instruction(entry.operation.name, **{name: value for name, value in values.items() if name != "opcode"})


def random_memory(chip: Chip, generator: np.random.Generator, entry: Instruction) -> np.ndarray:
    """Scratchpad contents with sensible parameters where `entry` has them; activations include the extremes."""
    memory = generator.integers(-128, 128, (5000, chip.rows), dtype=np.int8)
    memory[generator.random(memory.shape) < 0.1] = -128
    v = entry.integer
    if entry.operation.name == "STREAM":
        return memory
    columns = chip.columns if entry.operation.name == "CONV" else chip.rows
    parameters = 0 if v("keep") else 8 * columns // chip.rows
    size = parameters + v("passes_y") * v("passes_x") * v("chunks") * columns
    for group in range(v("groups")):
        base = WEIGHT_ADDRESS + 256 // chip.rows * v("lookup") + group * size
        if entry.operation.name == "DEPTHWISE":
            memory[base + parameters : base + size, v("window_height") * v("window_width") :] = 0
        for block in range(0, parameters, 8):
            bias = generator.integers(-50_000, 50_000, chip.rows).astype("<i4")
            multiplier = generator.choice([2.0**-9, 2.0**-10, 0.0013, 0.00097], chip.rows).astype("<f4")
            data = np.concatenate([bias.view(np.int8), multiplier.view(np.int8)])
            memory[base + block : base + block + 8] = data.reshape(8, chip.rows)
    return memory


def run_on(chip: Chip, memory: np.ndarray, entries: list[Instruction]):
    """Loads the whole memory, runs the entries, stores everything: the trace and the memory after."""
    size = memory.size
    dram = {0: memory.reshape(-1).view(np.uint8).copy(), 2: np.zeros(size, np.uint8)}
    whole = {"row_bytes": size, "rows": 1, "planes": 1}
    program = [instruction("LOAD", base=0, **whole), *entries, instruction("STORE", base=2, **whole)]
    trace = run_segment(chip, encode([*program, instruction("END")]), dram)
    return trace, dram[2].view(np.int8).reshape(memory.shape)


def compare(chip: Chip, memory: np.ndarray, entries: list[Instruction]) -> None:
    trace, after = run_on(chip, memory, entries)
    pad, kept, table, stream = memory.tolist(), {}, [], []
    for entry in entries:
        stream += interpret(chip, entry, pad, kept, table)
    results = trace.stream(chip)
    assert results.addresses.tolist() == [address for address, _ in stream]
    assert results.words.tolist() == [word for _, word in stream]
    assert after.tolist() == pad


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


ONE_POSITION = {
    **dict.fromkeys(("window_height", "window_width", "slide", "passes_y", "passes_x", "groups", "tile", "chunks"), 1),
    **dict.fromkeys(("out_height", "out_width", "in_height", "in_width", "group_words", "last_group_words"), 1),
    "weight_address": 400,
    "out_address": 4000,
    "minimum": -128,
    "maximum": 127,
}


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


VALID = {**ONE_POSITION, **dict.fromkeys(("weight_address", "out_address", "minimum", "maximum"), 0)}
TRANSFER = {"row_bytes": 8, "rows": 1, "planes": 1}
BARE = ("depthwise",)


@pytest.mark.parametrize(
    ("units", "entry", "message"),
    [
        (None, instruction("CONV", **{**VALID, "tile": 9}),
         "has tiles of 9 positions, but chip 'small' has 6 accumulators a column."),
        (None, instruction("CONV", **{**VALID, "window_width": 2}),
         "has a window of 2 taps, but the window of a CONV has one."),
        (None, instruction("DEPTHWISE", **{**VALID, "window_width": 3, "window_height": 3}),
         "has a window of 9 taps, but a column of 'small' has 8."),
        (None, instruction("DEPTHWISE", **{**VALID, "slide": 2}),
         "has slide 2, but it must be from 1 to the window's width, 1."),
        (None, instruction("STREAM", **{**VALID, "chunks": 2}), "has several passes, but a STREAM has one."),
        (None, instruction("STREAM", **{**VALID, "keep": 1}),
         "keeps or adds to sums, but a STREAM has none."),
        (None, instruction("CONV", **{**VALID, "out_width": 0}), "has out_width 0, but it must be at least 1."),
        (None, instruction("CONV", **{**VALID, "minimum": 1}),
         "has minimum 1 above maximum 0, but minimum must not exceed maximum."),
        (None, instruction("CONV", **{**VALID, "residual": 1}),
         "has a_multiplier 0.0, but a multiplier must be a positive normal number."),
        (None, instruction("CONV", **{**VALID, "group_words": 2}),
         "has group_words 2, but chip 'small' makes 1 result words a position."),
        (None, instruction("CONV", **{**VALID, "keep": 1, "groups": 2}),
         "is part of a split reduction and has 2 groups and 1 positions, but it must be of one group and one tile."),
        (None, instruction("CONV", **{**VALID, "accumulate": 1}),
         "adds to kept sums, but no instruction before it kept any."),
        (None, instruction("CONV", **{**VALID, "in_address": 9000}),
         "reads activations at scratchpad word 9000, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "weight_address": 8180}),
         "reads weights at scratchpad word 8195, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "taps_at_once": 2}),
         "has taps_at_once 2, but the window of a CONV has one tap."),
        (None, instruction("STREAM", **{**VALID, "taps_at_once": 2}),
         "has taps_at_once 2, but chip 'small' has activation_ports 1."),
        (None, instruction("CONV", **{**VALID, "weight_banks": 2}),
         "has weight_banks 2, but chip 'small' has weight_ports 1, so it must be 0."),
        (None, instruction("CONV", **{**VALID, "in_ring_start": 8000, "in_ring_words": 200}),
         "has a ring `in_ring` of words 8000 to 8199, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "out_ring_start": 100, "out_ring_words": 20}),
         "has out_address 0, but its ring is words 100 to 119."),
        (None, instruction("CONV", **{**VALID, "position_y_words": 9, "in_ring_words": 8}),
         "has position_y_words 9, but a step in a ring of 8 words is at most as long."),
        (None, instruction("CONV", **{**VALID, "in_width": 99, "out_width": 2, "position_x_words": 17,
                                      "in_ring_words": 8, "tile": 2}),
         "reads activations at scratchpad word 9, but its ring is words 0 to 7."),
        (None, instruction("STREAM", **{**VALID, "out_width": 2, "out_pixel_words": 17, "out_ring_words": 8}),
         "writes results at scratchpad word 9, but its ring is words 0 to 7."),
        (BARE, instruction("STREAM", **{**VALID, "window_width": 2, "slide": 2}),
         "needs the unit 'max_pool', but chip 'small' has no such unit; its optional units are: depthwise."),
        (BARE, instruction("STREAM", **VALID),
         "needs one of the units 'add', 'max_pool', 'lookup' and 'multiply', but chip 'small' has none of them."),
        (BARE, instruction("CONV", **{**VALID, "residual": 1}),
         "needs the unit 'add', but chip 'small' has no such unit; its optional units are: depthwise."),
        ((), instruction("DEPTHWISE", **VALID),
         "needs the unit 'depthwise', but chip 'small' has no such unit; its optional units are: none."),
        (BARE, instruction("CONV", **{**VALID, "lookup": 2}),
         "needs the unit 'lookup', but chip 'small' has no such unit; its optional units are: depthwise."),
        (("add",), instruction("STREAM", **{**VALID, "multiply": 1}),
         "needs the unit 'multiply', but chip 'small' has no such unit; its optional units are: add."),
        (None, instruction("STREAM", **{**VALID, "lookup": 3}), "has lookup 3, but it must be 0, 1 or 2."),
        (None, instruction("STREAM", **{**VALID, "lookup": 2}),
         "uses the table as it was left, but no instruction before it in the program loaded one."),
        (None, instruction("STREAM", **{**VALID, "lookup": 1, "weight_address": 8180}),
         "reads its table at scratchpad word 8211, but chip 'small' has 8192 words."),
        (None, instruction("CONV", **{**VALID, "keep": 1, "lookup": 2}),
         "keeps its sums and looks results up, but it has no results."),
        (None, instruction("CONV", **{**VALID, "broadcast": 1}),
         "has broadcast, but it has no second tensor to take again and again."),
        (None, instruction("CONV", **{**VALID, "multiply": 1}),
         "multiplies, but only a STREAM with a window of one tap does."),
        (None, instruction("STREAM", **{**VALID, "multiply": 1, "residual": 1}),
         "adds and multiplies, but it has one second tensor, for one of them."),
        (None, instruction("STREAM", **{**VALID, "multiply": 1}),
         "has a_multiplier 0.0, but a multiplier must be a positive normal number."),
        (None, instruction("LOAD", **{**TRANSFER, "base": 5}),
         "uses base register 5, but only these are set: 0."),
        (None, instruction("LOAD", **{**TRANSFER, "offset": 60}),
         "reaches byte 67 from base register 0, but there are 64 bytes."),
        (None, instruction("LOAD", **{**TRANSFER, "address": 8192}),
         "writes at scratchpad word 8192, but chip 'small' has 8192 words."),
        (None, instruction("STORE", **{**TRANSFER, "offset": 4}),
         "has offset 4, but it must be a multiple of the 8 bytes of a scratchpad word."),
        (None, instruction("LOAD", **{**TRANSFER, "rows": 0}), "has rows 0, but it must be at least 1."),
    ],
)  # fmt: skip
def test_what_the_chip_cannot_execute_is_refused_by_name(units, entry: Instruction, message: str) -> None:
    program = [instruction("LOAD", **TRANSFER), entry, instruction("END")]
    with pytest.raises(LithifyError) as caught:
        run_segment(small_chip(units=units), encode(program), {0: np.zeros(64, np.uint8)})
    assert str(caught.value) == f"Instruction 1 ({entry.operation.name}) {message}"


def test_kept_sums_must_be_taken_by_the_next_compute_instruction() -> None:
    program = [
        instruction("CONV", **{**VALID, "keep": 1}),
        instruction("CONV", **{**VALID, "weight_address": 8}),
        instruction("END"),
    ]
    with pytest.raises(LithifyError) as caught:
        run_segment(small_chip(), encode(program), {})
    assert str(caught.value) == (
        "Instruction 1 (CONV) starts new sums, but the instruction before it kept sums, "
        "which the next must take with `accumulate`."
    )


def test_weights_beyond_the_window_and_bad_multipliers_are_refused() -> None:
    chip = small_chip()
    memory = np.ones((5000, 8), np.int8)
    with pytest.raises(LithifyError) as caught:
        run_on(chip, memory, [instruction("DEPTHWISE", **VALID)])
    assert str(caught.value) == (
        "Instruction 1 (DEPTHWISE) has weights for more than its 1 taps, "
        "but the weight bytes of a DEPTHWISE beyond its window must be 0."
    )
    memory[4:8] = 0
    with pytest.raises(LithifyError) as caught:
        run_on(chip, memory, [instruction("CONV", **VALID)])
    assert str(caught.value) == (
        "Instruction 1 (CONV) has the multiplier 0.0 for channel 0 of group 0, "
        "but a multiplier must be a positive normal number."
    )
