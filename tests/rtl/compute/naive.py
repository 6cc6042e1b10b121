"""Section 4 of docs/architecture.md written out as loops: what a compute instruction writes, word by word."""

import numpy as np

from lithify.chip import Chip
from lithify.isa import Instruction


class Naive:
    """Runs compute instructions on a scratchpad of [65536, word bytes] int8; keeps the sums of `keep` instructions."""

    def __init__(self, chip: Chip, memory: np.ndarray) -> None:
        self.chip, self.memory = chip, memory
        self.table: np.ndarray | None = None
        self.kept: list[np.ndarray] = []
        self.results: list[tuple[int, bytes]] = []
        self.fires = 0

    def run(self, instruction: Instruction) -> None:
        chip, i, name = self.chip, instruction.integer, instruction.operation.name
        size, columns = chip.word_bytes, chip.columns if name == "CONV" else chip.word_bytes
        words = chip.column_words if name == "CONV" else 1
        places = [(oy, ox) for oy in range(i("out_height")) for ox in range(i("out_width"))]
        address = 0  # among the words of its weights
        if i("lookup") == 1:
            self.table, address = self.weights(instruction, 0, 256 // size).reshape(-1), 256 // size
        for g in range(i("groups")):
            if name != "STREAM":
                if not i("keep"):
                    bias, multiplier = self.parameters(self.weights(instruction, address, 8 * words))
                    address += 8 * words
                sets, address = address, address + i("passes_y") * i("passes_x") * i("chunks") * columns
            for first in range(0, len(places), i("tile")):
                tile = places[first : first + i("tile")]
                if name == "STREAM":
                    for oy, ox in tile:
                        window = self.window(instruction, tile, oy, ox, 0, 0, 0, g)
                        self.finish(instruction, window.max(0).astype(np.float64), g, oy, ox)
                    continue
                sums = self.kept if i("accumulate") else [np.zeros(columns, np.int64) for _ in tile]
                at = sets
                for py in range(i("passes_y")):
                    for px in range(i("passes_x")):
                        for chunk in range(i("chunks")):
                            weights = self.weights(instruction, at, columns).astype(np.int64)
                            at += columns
                            for number, (oy, ox) in enumerate(tile):
                                self.fires += 1
                                window = self.window(instruction, tile, oy, ox, py, px, chunk, g).astype(np.int64)
                                if name == "CONV":
                                    sums[number] = sums[number] + weights @ window[0]
                                else:  # the newest word comes first
                                    taps = np.zeros((size, size), np.int64)
                                    taps[: len(window)] = window[::-1]
                                    sums[number] = sums[number] + (weights * taps.T).sum(1)
                if i("keep"):
                    self.kept = sums
                    continue
                for (oy, ox), total in zip(tile, sums, strict=True):
                    exact = (total + bias).astype(np.uint64).astype(np.uint32).view(np.int32).astype(np.float32)
                    with np.errstate(over="ignore"):
                        scaled = np.rint(exact * multiplier).astype(np.float64) + i("zero_point")
                    self.finish(instruction, scaled, g, oy, ox)

    def weights(self, instruction: Instruction, first: int, words: int) -> np.ndarray:
        """Words of the weights from number `first` on: with two ports odd ones lie in the other half of some banks."""
        number = np.arange(first, first + words)
        if self.chip.weight_ports == 2:
            number = number // 2 + number % 2 * instruction.integer("weight_banks") * self.chip.bank_words // 2
        return self.memory[instruction.integer("weight_address") + number & 0xFFFF]

    def parameters(self, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        data = data.reshape(len(data) // 8, 2, -1)
        bias, multiplier = (np.ascontiguousarray(data[:, half]) for half in (0, 1))
        return bias.view("<i4").reshape(-1).astype(np.int64), multiplier.view("<f4").reshape(-1)

    def window(
        self, ins: Instruction, tile: list, oy: int, ox: int, py: int, px: int, chunk: int, g: int
    ) -> np.ndarray:
        """The words of a window in the order of reading, the kept columns of a sliding one first."""
        i = ins.integer
        columns = []
        for tx in range(i("window_width")):
            if (oy, ox) != tile[0] and ox and tx < i("window_width") - i("slide"):
                # Read for the position before: its columns that are still in the window.
                columns.append(self.previous[tx + i("slide")])
                continue
            column = []
            for ty in range(i("window_height")):
                y = i("start_y") + oy * i("position_y") + py * i("pass_y") + ty * i("tap_y")
                x = i("start_x") + ox * i("position_x") + px * i("pass_x") + tx * i("tap_x")
                address = self.row(ins, "in", "position_y_words", oy) + ox * i("position_x_words") + chunk
                address += py * i("pass_y_words") + px * i("pass_x_words") + g * i("group_in_words")
                address += ty * i("tap_y_words") + tx * i("tap_x_words")
                inside = 0 <= y < i("in_height") and 0 <= x < i("in_width")
                pad = np.full(self.chip.word_bytes, i("pad_value"), np.int8)
                column.append(self.memory[self.reduce(ins, "in", address)] if inside else pad)
            columns.append(column)
        self.previous = columns
        return np.array([word for column in columns for word in column])

    def finish(self, instruction: Instruction, values: np.ndarray, g: int, oy: int, ox: int) -> None:
        """Clamp, add the residual or multiply by it, look up, write."""
        i, size = instruction.integer, self.chip.word_bytes
        q = values if i("multiply") else np.clip(values, i("minimum"), i("maximum"))
        words = i("last_group_words") if g == i("groups") - 1 else i("group_words")
        for j in range(words):
            part = q[j * size : (j + 1) * size]
            step = ox * i("out_pixel_words") + g * i("group_words") + j
            row = self.row(instruction, "residual", "out_row_words", 0 if i("broadcast") else oy)
            second = row + (g * i("group_words") + j if i("broadcast") else step)
            b = self.memory[self.reduce(instruction, "residual", second)].astype(np.float32)
            if i("multiply"):
                product = (part - i("a_zero_point")) * (b - i("b_zero_point"))
                scaled = product.astype(np.float32) * np.float32(instruction["a_multiplier"])
                part = np.clip(np.rint(scaled).astype(np.float64) + i("zero_point"), i("minimum"), i("maximum"))
            if i("residual"):
                a_scaled = (part - i("a_zero_point")).astype(np.float32) * np.float32(instruction["a_multiplier"])
                b_scaled = (b - np.float32(i("b_zero_point"))) * np.float32(instruction["b_multiplier"])
                part = np.rint(a_scaled + b_scaled).astype(np.float64) + i("sum_zero_point")
                part = np.clip(part, i("sum_minimum"), i("sum_maximum"))
            if i("lookup"):
                part = self.table[part.astype(np.int64) + 128]
            row = self.row(instruction, "out", "out_row_words", oy)
            self.results.append((self.reduce(instruction, "out", row + step), part.astype(np.int8).tobytes()))

    def row(self, instruction: Instruction, tensor: str, step: str, number: int) -> int:
        """The address of a row, step by step."""
        address = instruction.integer(f"{tensor}_address")
        for _ in range(number):
            address = self.reduce(instruction, tensor, address + instruction.integer(step))
        return address

    def reduce(self, instruction: Instruction, tensor: str, address: int) -> int:
        words = instruction.integer(f"{tensor}_ring_words")
        end = instruction.integer(f"{tensor}_ring_start") + words
        return (address - words if words and address >= end else address) & 0xFFFF
