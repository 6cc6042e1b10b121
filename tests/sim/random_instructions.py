"""Random compute instructions on a small chip, and memories for them; both simulators' words compared."""

import numpy as np
from tests.sim.loops import interpret

from lithify.chip import Chip
from lithify.isa import Instruction, encode, instruction
from lithify.sim.functional import run_segment

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


ONE_POSITION = {
    **dict.fromkeys(("window_height", "window_width", "slide", "passes_y", "passes_x", "groups", "tile", "chunks"), 1),
    **dict.fromkeys(("out_height", "out_width", "in_height", "in_width", "group_words", "last_group_words"), 1),
    "weight_address": 400,
    "out_address": 4000,
    "minimum": -128,
    "maximum": 127,
}
VALID = {**ONE_POSITION, **dict.fromkeys(("weight_address", "out_address", "minimum", "maximum"), 0)}
TRANSFER = {"row_bytes": 8, "rows": 1, "planes": 1}
