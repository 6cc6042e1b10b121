"""The compute instructions as the loops of docs/architecture.md, section 4, say them, one word at a time."""

import struct
from fractions import Fraction

import numpy as np

from lithify.chip import Chip
from lithify.isa import Instruction


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
