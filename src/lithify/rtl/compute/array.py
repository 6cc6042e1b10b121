"""The array: the window of activation words, the columns, and the maximum for pooling."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip
from lithify.chip.pipeline import MEMORY_READ, compute_pipeline
from lithify.rtl.compute.column import Column, tree_stages
from lithify.rtl.compute.feeder import step_layout
from lithify.rtl.compute.stages import delayed
from lithify.rtl.leaf import place


class Array(wiring.Component):
    """Does what ``step`` says with the words that arrive at ``words`` ``MEMORY_READ`` cycles later.

    ``weight`` with ``load_set`` goes to the shadow weights of ``column``; where two weights are read in a cycle both
    come, for the columns 2 ``column`` and the next. ``sums``: what accumulator ``read_index`` of every column held in
    the cycle before (32 bits each). ``maximum``: of the last STREAM position, from ``pipeline.stream`` and
    ``pipeline.sums`` cycles after the issue of its last word, for the beats of a word. ``active``: a word or a window
    is being multiplied.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        super().__init__(
            {
                "step": In(step_layout(chip)),
                "words": In(data.ArrayLayout(8 * chip.word_bytes, chip.activation_ports)),
                "weight": In(8 * chip.port_bytes),
                "load_set": In(1),
                "column": In(range(chip.columns // chip.weight_ports)),
                "read_index": In(range(chip.accumulators)),
                "sums": Out(32 * chip.columns),
                "maximum": Out(8 * chip.word_bytes),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, pipeline = self.chip, compute_pipeline(self.chip)
        step = self.step
        arrive, window_at = MEMORY_READ, pipeline.window
        # A beat asks in this cycle and reads in the next, when the sum is in its accumulator.
        accumulate_at = pipeline.accumulate
        assert accumulate_at == window_at + 1 + tree_stages(chip.rows)
        names = {"valid": arrive, "swap": arrive, "fires": accumulate_at, "ends_stream": window_at, "stream": window_at}
        flags = {name: delayed(m, step[name], cycles, name, reset=True) for name, cycles in names.items()}
        names = {"inside": arrive, "pad_value": arrive, "depthwise": arrive, "starts_position": window_at}
        names |= {"clears": accumulate_at - 1, "index": accumulate_at - 1}
        if chip.activation_ports > 1:
            names["more"] = arrive
        flags |= {name: delayed(m, step[name], cycles, name) for name, cycles in names.items()}

        # The newest word, and what each column multiplies where there are windows: in a register of its own, behind the
        # choice between that word and its channel's bytes of the newest words.
        arriving = []
        for number in range(chip.activation_ports):
            word = Signal(8 * chip.word_bytes, name=f"word_{number}")
            pad = flags["pad_value"][arrive].replicate(chip.word_bytes)
            m.d.comb += word.eq(Mux(flags["inside"][arrive][number], self.words[number], pad))
            arriving.append(word)
        newest = Signal(8 * chip.word_bytes, reset_less=True)
        more = flags["more"][arrive] if chip.activation_ports > 1 else Const(0, 0)
        with m.If(flags["valid"][arrive]):
            m.d.sync += newest.eq(_chosen(more, arriving))
        taken = []
        for channel in range(chip.word_bytes if chip.has("depthwise") else 0):
            bytes_ = Signal(8 * chip.rows, name=f"window_{channel}", reset_less=True)
            entering = [entry.word_select(channel, 8) for entry in arriving]
            shifted = [Cat(*reversed(entering[: n + 1]), bytes_)[: len(bytes_)] for n in range(len(arriving))]
            with m.If(flags["valid"][arrive]):
                m.d.sync += bytes_.eq(Mux(flags["depthwise"][arrive], _chosen(more, shifted), arriving[0]))
            taken.append(bytes_)

        m.d.comb += self.active.eq(flags["fires"][window_at])
        sums = []
        for number in range(chip.columns):
            column = Column(chip)
            place(m, f"column_{number}", column, platform)
            m.d.comb += [
                column.word.eq(taken[number] if number < len(taken) else newest),
                column.multiply.eq(flags["fires"][window_at]),
                column.weight.eq(self.weight.word_select(number % chip.weight_ports, 8 * chip.word_bytes)),
                column.load.eq(self.load_set & (self.column == number // chip.weight_ports)),
                column.swap.eq(flags["swap"][arrive]),
                column.write.eq(flags["fires"][accumulate_at]),
                column.clear.eq(flags["clears"][accumulate_at - 1]),
                column.index.eq(flags["index"][accumulate_at - 1]),
                column.read_index.eq(self.read_index),
            ]
            sums.append(column.sum)
        m.d.comb += self.sums.eq(Cat(sums))
        if chip.streams:
            self._maximum(m, newest, arriving[:-1], more, flags)
        return m

    def _maximum(self, m: Module, newest: Any, arriving: list[Any], more: Any, flags: dict[str, list[Any]]) -> None:
        """The maximum of each byte over the words of a window.

        arriving: the words that arrive with a later one and so are never the newest, with ``more`` words after the
        first; the newest is seen a cycle later.
        """
        chip, arrive = self.chip, MEMORY_READ
        window_at = compute_pipeline(chip).window
        first, last = flags["starts_position"][window_at], flags["ends_stream"][window_at]
        value = newest
        if chip.has("max_pool"):
            best = Signal(8 * chip.word_bytes, reset_less=True)
            beside = []
            for number, word in enumerate(arriving):
                earlier = Signal(8 * chip.word_bytes, name=f"beside_{number}", reset_less=True)
                with m.If(flags["stream"][arrive]):
                    m.d.sync += earlier.eq(Mux(more > number, word, Const(-128, 8).replicate(chip.word_bytes)))
                beside.append(earlier)
            values = []
            for number in range(chip.word_bytes):
                new, *others = (word.word_select(number, 8).as_signed() for word in (newest, *beside))
                old = best.word_select(number, 8).as_signed()
                largest = Mux(first | (new > old), new, old)
                if others:
                    pair = others[0] if len(others) == 1 else _larger(*others)
                    largest = _larger(largest, pair)
                values.append(largest[:8])
            value = Cat(values)
            with m.If(flags["stream"][window_at]):
                m.d.sync += best.eq(value)
        if chip.word_beats == 1 and chip.has("max_pool"):
            m.d.comb += self.maximum.eq(best)
        else:  # held while the lanes take the word in several beats
            held = Signal(8 * chip.word_bytes, reset_less=True)
            with m.If(last):
                m.d.sync += held.eq(value)
            m.d.comb += self.maximum.eq(held)


def _larger(one: Any, other: Any) -> Any:
    return Mux(one > other, one, other)


def _chosen(number: Any, values: list[Any]) -> Any:
    """``values[number]``."""
    value = values[0]
    for index, other in enumerate(values[1:], 1):
        value = Mux(number == index, other, value)
    return value
