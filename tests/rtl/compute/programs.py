"""Random compute instructions that a chip can run, and the contents of a scratchpad for them."""

import numpy as np

from lithify.chip import Chip
from lithify.isa import Instruction, instruction

WEIGHTS, RESIDUALS, OUTPUTS = 24576, 40960, 49152
"""First words of the parts of the scratchpad; activations lie at 0. Nothing reads what another instruction writes."""


def scratchpad(chip: Chip, rng: np.random.Generator) -> np.ndarray:
    """65536 random words; the part of the weights holds usable parameters wherever an instruction finds them."""
    memory = rng.integers(-128, 128, (65536, chip.word_bytes)).astype(np.int8)
    memory[rng.random(65536) < 0.02] = -128
    return memory


def put_parameters(chip: Chip, memory: np.ndarray, rng: np.random.Generator, address: int, words: int) -> None:
    """Random biases and multipliers for one group at a word address."""
    for word in range(words):
        bias = rng.integers(-(1 << 14), 1 << 14, chip.word_bytes).astype("<i4")
        bias = np.where(rng.random(chip.word_bytes) < 0.1, rng.integers(-(2**31), 2**31, chip.word_bytes), bias)
        scale = (2.0 ** rng.uniform(-13, -5, chip.word_bytes)).astype("<f4")
        data = np.concatenate([bias.astype("<i4").view(np.int8), scale.view(np.int8)])
        start = address + 8 * word
        memory[start : start + 8] = data.reshape(8, chip.word_bytes)


def random_program(chip: Chip, memory: np.ndarray, rng: np.random.Generator, count: int) -> list[Instruction]:
    """About `count` instructions; writes their parameters into `memory`."""
    kinds = ["CONV"] * 3 + ["DEPTHWISE"] * 2 * chip.has("depthwise")
    kinds += ["STREAM"] * chip.streams + ["MULTIPLY"] * chip.has("multiply") + ["CHAIN"]
    table = False  # whether one has been loaded
    program: list[Instruction] = []
    weights = WEIGHTS
    while len(program) < count:
        kind = str(rng.choice(kinds))
        if weights > RESIDUALS - 4096:
            weights = WEIGHTS
        lookup = 0
        if chip.has("lookup") and rng.random() < 0.4:
            lookup, table = int(rng.integers(1, 3)) if table else 1, True
        if kind == "CHAIN":
            parts = int(rng.integers(2, 4))
            shape = geometry(chip, rng, "CONV", one_tile=True)
            for part in range(parts):
                flags = {"keep": int(part < parts - 1), "accumulate": int(part > 0)}
                flags["lookup"] = 0 if flags["keep"] else lookup
                values = shape | {"chunks": int(rng.integers(1, 4)), "in_address": int(rng.integers(0, 4096))}
                entry, weights = finished(chip, memory, rng, "CONV", values | flags, weights)
                program.append(entry)
            continue
        multiply = {"lookup": lookup, "multiply": int(kind == "MULTIPLY")}
        values = geometry(chip, rng, kind) | multiply
        entry, weights = finished(chip, memory, rng, "STREAM" if multiply["multiply"] else kind, values, weights)
        program.append(entry)
    return program


def geometry(chip: Chip, rng: np.random.Generator, kind: str, one_tile: bool = False) -> dict[str, int]:
    """The loops and the addresses of the activations: a random layer, or random steps that make no sense at all."""

    def pick(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    tile = pick(1, chip.accumulators)
    height, width = pick(1, 7), pick(1, 9)
    if rng.random() < 0.2:
        height, width = 1, 1
    if one_tile:
        tile = chip.accumulators
        height = pick(1, min(3, chip.accumulators))
        width = pick(1, max(1, chip.accumulators // height))
    depth = pick(1, 3)
    v = {"tile": tile, "out_height": height, "out_width": width, "groups": 1 if one_tile else pick(1, 3)}
    v |= {"chunks": depth if kind == "CONV" else 1, "passes_y": 1, "passes_x": 1, "window_height": 1, "window_width": 1}
    if kind == "CONV":
        v |= {"passes_y": pick(1, 3), "passes_x": pick(1, 3)}
    elif kind == "DEPTHWISE":
        v["window_height"] = pick(1, min(5, chip.rows))
        v["window_width"] = pick(1, min(5, chip.rows // v["window_height"]))
        v |= {"passes_y": pick(1, 2), "passes_x": pick(1, 2)}
    elif kind == "STREAM" and chip.has("max_pool"):
        v |= {"window_height": pick(1, 3), "window_width": pick(1, 3)}
    v["slide"] = v["window_width"] if kind != "DEPTHWISE" else pick(1, v["window_width"])
    stride, dilation = pick(1, 3), pick(1, 2)
    kernel_y = v["passes_y"] * v["window_height"]
    kernel_x = v["passes_x"] * v["window_width"]
    v |= {"in_height": pick(1, height * stride + kernel_y), "in_width": pick(1, width * stride + kernel_x)}
    v |= {"start_y": -pick(0, 3), "start_x": -pick(0, 3), "position_y": stride, "position_x": stride}
    pixel = depth if kind == "CONV" else v["groups"]
    row = pixel * v["in_width"]
    v |= {"in_address": pick(0, 65535) if rng.random() < 0.1 else 4096 + v["start_y"] * row + v["start_x"] * pixel}
    v |= {"position_y_words": stride * row, "position_x_words": stride * pixel}
    v |= {"tap_y": dilation, "tap_x": dilation, "tap_y_words": dilation * row, "tap_x_words": dilation * pixel}
    v |= {"pass_y": v["window_height"] * dilation, "pass_x": v["window_width"] * dilation}
    v |= {"pass_y_words": v["pass_y"] * row, "pass_x_words": v["pass_x"] * pixel}
    v |= {"group_in_words": 0 if kind == "CONV" and rng.random() < 0.7 else 1, "pad_value": pick(-128, 127)}
    if rng.random() < 0.1:
        for name in ("position_y_words", "position_x_words", "tap_y_words", "tap_x_words", "pass_y_words",
                     "pass_x_words", "group_in_words"):  # fmt: skip
            v[name] = pick(0, 65535)
    elif rng.random() < 0.5:
        # As many rows as a window reaches over, from anywhere in the ring, and the columns to the left of the input.
        rows = kernel_y * dilation - dilation + 1 + pick(0, 2)
        words = rows * row + pick(0, 1) * (pick(0, row) - v["start_x"] * pixel)
        start = 65536 - words if rng.random() < 0.2 else pick(0, 8192)
        first = pick(0, rows - 1) * row + v["start_x"] * pixel
        v |= {"in_ring_start": start, "in_ring_words": words, "in_address": start + first % words}
        v["position_y_words"] %= words
    if kind != "CONV":
        v["taps_at_once"] = pick(0, chip.activation_ports)
    return v


def ring(rng: np.random.Generator, tensor: str, row: int) -> dict[str, int]:
    """A ring of at least a row, anywhere, and a first row anywhere in it."""
    words = row * int(rng.integers(1, 4)) + int(rng.integers(0, 3))
    start = 65536 - words if rng.random() < 0.2 else int(rng.integers(0, 65536 - words))
    first = start + int(rng.integers(words))
    return {f"{tensor}_ring_start": start, f"{tensor}_ring_words": words, f"{tensor}_address": first}


def finished(
    chip: Chip, memory: np.ndarray, rng: np.random.Generator, kind: str, v: dict[str, int], weights: int
) -> tuple[Instruction, int]:
    """The instruction with its parameters stored, and the first word after its weights."""

    def byte() -> int:
        return int(rng.integers(-128, 128))

    words = chip.column_words if kind == "CONV" else 1
    groups, columns = v["groups"], chip.columns if kind == "CONV" else chip.word_bytes
    last = int(rng.integers(1, words + 1))
    values: dict[str, int | float] = {
        **v, "group_words": words, "last_group_words": last, "weight_address": weights, "wait": int(rng.integers(16)),
        "signal": int(rng.integers(0, 16)), "serial": int(rng.random() < 0.15), "zero_point": byte(),
        "minimum": -128, "maximum": 127, "out_address": OUTPUTS,
    }  # fmt: skip
    if rng.random() < 0.3:
        values["minimum"], values["maximum"] = sorted((byte(), byte()))
    if kind == "STREAM" and not v.get("multiply"):
        values["zero_point"] = 0
    pixel = groups * words
    row = pixel * v["out_width"]
    values |= {"out_pixel_words": pixel, "out_row_words": row}
    if rng.random() < 0.4:
        values |= ring(rng, "out", row)
    if v.get("multiply"):
        values |= {"residual_address": RESIDUALS, "a_zero_point": byte(), "b_zero_point": byte(),
                   "a_multiplier": float(np.float32(2.0 ** rng.uniform(-13, -4))),
                   "broadcast": int(rng.random() < 0.4)}  # fmt: skip
    elif chip.has("add") and not v.get("keep") and rng.random() < 0.4:
        low, high = sorted((byte(), byte()))
        values |= {"residual": 1, "residual_address": RESIDUALS, "a_zero_point": byte(), "b_zero_point": byte(),
                   "sum_zero_point": byte(), "sum_minimum": low, "sum_maximum": high,
                   "a_multiplier": float(np.float32(2.0 ** rng.uniform(-4, 1))),
                   "b_multiplier": float(np.float32(2.0 ** rng.uniform(-4, 1))),
                   "broadcast": int(rng.random() < 0.3)}  # fmt: skip
    if (values.get("residual") or v.get("multiply")) and rng.random() < 0.4:
        values |= ring(rng, "residual", row)
    start = weights
    if v["lookup"] == 1:
        weights += 256 // chip.word_bytes  # any bytes are a table
    if kind != "STREAM":
        for _ in range(groups):
            if not v.get("keep"):
                put_parameters(chip, memory, rng, weights, words)
                weights += 8 * words
            sets = v["passes_y"] * v["passes_x"] * v["chunks"] * columns
            if kind == "DEPTHWISE":  # the bytes of taps that a window lacks are zero
                memory[weights : weights + sets, v["window_height"] * v["window_width"] :] = 0
            weights += sets
    if chip.weight_ports == 2:
        words, banks = memory[start:weights].copy(), max(2, -(-(weights - start) // chip.bank_words))
        values["weight_banks"] = banks + int(rng.integers(0, 2))
        apart = int(values["weight_banks"]) * chip.bank_words // 2
        for port in range(2):
            part = words[port::2]
            memory[start + port * apart : start + port * apart + len(part)] = part
        weights = start + apart + len(words) // 2
    return instruction(kind, **values), weights
