"""Biases and multipliers of two groups: one is filled while the other is used."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.rtl.compute.weights import PARAMETER_BUFFERS, PARAMETER_WORDS


class Parameters(wiring.Component):
    """Parameter buffers: word ``number`` of ``buffer`` is written from ``word`` with ``load``; where two words are read
    in a cycle, words 2 ``number`` and the next are.

    ``bias`` and ``multiplier`` are those of the lanes for a beat (32 and 31 bits each, combinational): of the buffer in
    ``bias_buffer`` and beat ``bias_part`` of its results, likewise ``multiplier_...``. A multiplier's sign is not kept.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        parts = range(chip.columns // chip.lanes)
        super().__init__(
            {
                "load": In(1),
                "buffer": In(range(PARAMETER_BUFFERS)),
                "number": In(range(PARAMETER_WORDS * chip.column_words // chip.weight_ports)),
                "word": In(8 * chip.port_bytes),
                "bias_buffer": In(range(PARAMETER_BUFFERS)),
                "bias_part": In(parts),
                "bias": Out(32 * chip.lanes),
                "multiplier_buffer": In(range(PARAMETER_BUFFERS)),
                "multiplier_part": In(parts),
                "multiplier": Out(31 * chip.lanes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip = self.chip
        biases, multipliers = [], []
        for buffer in range(PARAMETER_BUFFERS):
            bias: list[Any] = []
            multiplier: list[Any] = []
            for number in range(PARAMETER_WORDS * chip.column_words):
                cells = Signal(8 * chip.word_bytes, name=f"buffer_{buffer}_{number}", reset_less=True)
                with m.If(self.load & (self.buffer == buffer) & (self.number == number // chip.weight_ports)):
                    m.d.sync += cells.eq(self.word.word_select(number % chip.weight_ports, 8 * chip.word_bytes))
                values = [cells.word_select(index, 32) for index in range(chip.word_bytes // 4)]
                if number % PARAMETER_WORDS < PARAMETER_WORDS // 2:
                    bias += values
                else:
                    multiplier += [value[:31] for value in values]
            starts = range(0, chip.columns, chip.lanes)
            biases.append(Array(Cat(bias[start : start + chip.lanes]) for start in starts))
            multipliers.append(Array(Cat(multiplier[start : start + chip.lanes]) for start in starts))
        m.d.comb += [
            self.bias.eq(Array(part[self.bias_part] for part in biases)[self.bias_buffer]),
            self.multiplier.eq(Array(part[self.multiplier_part] for part in multipliers)[self.multiplier_buffer]),
        ]
        return m
