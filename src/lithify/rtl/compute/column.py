"""One column of the array: R multipliers, an adder tree, T accumulators; the block that the chip has C times."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from lithify.chip import Chip

TREE_STAGE_INPUTS = 16
"""Products that one stage of the adder tree adds."""


def tree_stages(rows: int) -> int:
    """Cycles of the adder tree over ``rows`` products."""
    return 1 if rows <= TREE_STAGE_INPUTS else 2


class Column(wiring.Component):
    """A dot product a cycle, added to one of the accumulators.

    ``weight`` with ``load`` fills the shadow weights, ``swap`` makes them the weights in use; both may come in one
    cycle. ``multiply`` takes ``word`` (or a window's bytes) in cycle s for a sum that ``write`` in cycle s + 1 + tree
    stages adds to the accumulator that was ``index`` in the cycle before (or stores there, where ``clear`` came with
    it).
    ``sum`` is what accumulator ``read_index`` held in the cycle before.
    """

    def __init__(self, chip: Chip) -> None:
        self.rows, self.accumulators = chip.rows, chip.accumulators
        super().__init__(
            {
                "word": In(8 * self.rows),
                "multiply": In(1),
                "weight": In(8 * self.rows),
                "load": In(1),
                "swap": In(1),
                "write": In(1),
                "clear": In(1),
                "index": In(range(self.accumulators)),
                "read_index": In(range(self.accumulators)),
                "sum": Out(signed(32)),
            }
        )
        self.sum = Signal(signed(32), name="sum", reset_less=True)

    @property
    def module_name(self) -> str:
        return f"lithify_column_{self.rows}x{self.accumulators}"

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shadow = Signal(8 * self.rows, reset_less=True)
        weights = Signal(8 * self.rows, reset_less=True)
        with m.If(self.load):
            m.d.sync += shadow.eq(self.weight)
        with m.If(self.swap):
            m.d.sync += weights.eq(shadow)

        products = Signal(16 * self.rows, reset_less=True)
        with m.If(self.multiply):
            m.d.sync += products.eq(
                Cat(
                    self.word.word_select(row, 8).as_signed() * weights.word_select(row, 8).as_signed()
                    for row in range(self.rows)
                )
            )
        terms = [products.word_select(row, 16).as_signed() for row in range(self.rows)]
        for stage in range(tree_stages(self.rows)):
            group = len(terms) if len(terms) <= TREE_STAGE_INPUTS else max(8, len(terms) // TREE_STAGE_INPUTS)
            sums = [sum(terms[first + 1 : first + group], terms[first]) for first in range(0, len(terms), group)]
            terms = []
            for number, value in enumerate(sums):
                bits = 16 + (self.rows - 1).bit_length()
                term = Signal(signed(bits), name=f"sum_{stage}_{number}", reset_less=True)
                m.d.sync += term.eq(value)
                terms.append(term)
        (total,) = terms

        m.submodules.accumulators = cells = memory.Memory(shape=signed(32), depth=self.accumulators, init=[])
        current, drained, write = cells.read_port(domain="comb"), cells.read_port(domain="comb"), cells.write_port()
        # What the sum is added to is read in the cycle before, unless that cycle writes it.
        index = Signal(range(self.accumulators), name="index_of_sum", reset_less=True)
        base = Signal(signed(32), reset_less=True)
        m.d.comb += [
            current.addr.eq(self.index),
            write.addr.eq(index),
            write.en.eq(self.write),
            write.data.eq(base + total),
            drained.addr.eq(self.read_index),
        ]
        written = self.write & (index == self.index)
        m.d.sync += [
            index.eq(self.index),
            base.eq(Mux(self.clear, 0, Mux(written, write.data, current.data))),
            self.sum.eq(drained.data),
        ]
        return m
